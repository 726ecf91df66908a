"""Documents of knowledge leaves that lie in a git repository elsewhere: fetched at a full commit, converted, and kept.

Only that one version is fetched, into a repository of the moment, and only the files that the leaf's patterns mean are
looked at. Nothing of it is ever checked out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pygit2

from taxonomy_repo.conversion import READ_ENDINGS, converted, converted_name
from taxonomy_repo.documents import MOST_BYTES, DocumentProblem, DocumentStore, matching
from taxonomy_repo.leaf import DOCUMENT_REPOSITORY, DocumentReference
from taxonomy_repo.paths import unsafe_reason
from taxonomy_repo.remote.address import RemoteProblem, check_address
from taxonomy_repo.remote.program import Credential, GitProgram
from taxonomy_repo.repository import FULL_NAME, Repository

__all__ = ["documents_fetch"]

MOST_DOCUMENTS = 200
MOST_FILES_LOOKED_AT = 200_000
MOST_TEXT = 20 * MOST_BYTES


def documents_fetch(
    store: DocumentStore,
    reference: DocumentReference,
    program: GitProgram,
    *,
    when: datetime,
    credential: Credential | None = None,
    convert: Callable[[str, bytes], str] = converted,
) -> list[str]:
    """Fetch what ``reference`` means, convert it and keep it; the names, which all end as Markdown or text do.

    Documents that are there already are not fetched again.

    Raises:
        DocumentProblem: no full commit, no such document, too many, or one that cannot be converted.
        RemoteProblem: the place may not be talked to, or does not give it.
    """
    if reference.repo == DOCUMENT_REPOSITORY or store.fetched(reference) is not None:
        return list(store.blobs(reference))
    if not FULL_NAME.match(reference.commit):
        raise DocumentProblem(
            "document-not-pinned", "The documents' version is not a full name of 40 digits. Name the whole commit."
        )
    texts: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="seedbed-documents-") as folder:
        fetched = Repository(Path(folder) / "fetched.git")
        fetched.create()
        _fetch_commit(fetched, reference, program, credential)
        for name, data in _meant(fetched, reference):
            texts[converted_name(name)] = convert(name, data)
            if sum(map(len, texts.values())) > MOST_TEXT:
                raise DocumentProblem("document-size", "The documents are too large together. Name fewer of them.")
    store.keep_fetched(reference, texts, when=when)
    return sorted(texts)


def _fetch_commit(
    into: Repository, reference: DocumentReference, program: GitProgram, credential: Credential | None
) -> None:
    address = check_address(reference.repo, program.rules)
    base = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]
    try:
        program.run(
            [*base, "--depth=1", "--end-of-options", address.url, f"{reference.commit}:refs/heads/wanted"],
            git_dir=into.path,
            address=address,
            credential=credential,
        )
    except RemoteProblem as problem:
        if problem.code != "no-commit":
            raise
        # A host that gives out branches only: take them all and look for the commit in them.
        program.run(
            [*base, "--end-of-options", address.url, "+refs/heads/*:refs/remotes/all/*"],
            git_dir=into.path,
            address=address,
            credential=credential,
        )
        if into.git.get(reference.commit) is None:
            raise


def _meant(fetched: Repository, reference: DocumentReference) -> list[tuple[str, bytes]]:
    """Name and bytes of the files that the patterns mean and that can be read, sorted."""
    files = _files(fetched.commit(reference.commit).tree)
    names: set[str] = set()
    for pattern in reference.patterns:
        found = [name for name in matching(pattern, list(files)) if name.lower().endswith(READ_ENDINGS)]
        if not found:
            raise DocumentProblem(
                "document-missing",
                f"No document in {reference.repo[:200]} matches {pattern[:200]}. Check the name and the commit.",
            )
        names.update(found)
    if len(names) > MOST_DOCUMENTS:
        raise DocumentProblem(
            "document-size", f"The patterns mean {len(names)} documents; {MOST_DOCUMENTS} is the most. Name fewer."
        )
    return [(name, files[name].data) for name in sorted(names)]


def _files(tree: pygit2.Tree) -> dict[str, pygit2.Blob]:
    """The plain files of a version by path; links and submodules are none."""
    found: dict[str, pygit2.Blob] = {}
    waiting = [("", tree)]
    looked_at = 0
    while waiting:
        at, folder = waiting.pop()
        for entry in folder:
            looked_at += 1
            if looked_at > MOST_FILES_LOOKED_AT:
                raise DocumentProblem("document-size", "The repository of the documents has too many files.")
            path = f"{at}{entry.name}"
            if unsafe_reason(path) is not None:
                continue
            if isinstance(entry, pygit2.Tree):
                waiting.append((f"{path}/", entry))
            elif isinstance(entry, pygit2.Blob) and entry.filemode != pygit2.GIT_FILEMODE_LINK:
                found[path] = entry
    return found
