"""The documents of knowledge leaves that this installation keeps: a bare repository of texts, pinned by full commit.

A leaf names the installation's own as ``repo: "seedbed:documents"`` with a commit and patterns; patterns are looked up
inside that commit and nowhere else. Documents that lie elsewhere are kept under a reference of their own once they
were fetched (``remote.documents``), so that a leaf's texts are found the same way wherever they come from. Markdown and
plain text only: other kinds are converted before they come here (``conversion``).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase

import pygit2

from taxonomy_repo.leaf import DOCUMENT_REPOSITORY, DocumentReference
from taxonomy_repo.message import compose_message
from taxonomy_repo.paths import unsafe_reason
from taxonomy_repo.repository import FULL_NAME, BranchMoved, Person, Repository, StoreProblem

ENDINGS = (".md", ".markdown", ".txt")
MOST_BYTES = 5_000_000
_GLOB = re.compile(r"[*?\[]")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f]")


class DocumentProblem(ValueError):
    """A document cannot be taken in or found. ``code`` is stable; the message is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def document_text(name: str, data: bytes) -> str:
    """The text of a document as it is kept: UTF-8, lines ended by ``\\n``.

    Raises DocumentProblem for a name or content that is not Markdown or plain text.
    """
    reason = unsafe_reason(name)
    if reason is None and not all(_NAME.match(part) for part in name.split("/")):
        reason = "use letters, digits, dots, - and _"
    if reason is not None:
        raise DocumentProblem("document-name", f"A document cannot be called {name[:100]!r}: {reason}.")
    if not name.lower().endswith(ENDINGS):
        raise DocumentProblem(
            "document-kind",
            f"{name} is neither Markdown nor plain text, which is all that is taken for now. "
            f"Convert it and give it a name that ends in {', '.join(ENDINGS)}.",
        )
    if len(data) > MOST_BYTES:
        raise DocumentProblem(
            "document-size", f"{name} has {len(data):,} bytes; {MOST_BYTES:,} is the most. Split it into chapters."
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DocumentProblem(
            "document-encoding", f"{name} is not written in UTF-8. Save it again with the encoding UTF-8."
        ) from None
    if _CONTROL.search(text):
        raise DocumentProblem("document-kind", f"{name} is not plain text: it has control characters. Convert it.")
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    if not text.strip():
        raise DocumentProblem("document-empty", f"{name} is empty. Add its text.")
    return text + "\n"


class DocumentStore:
    """The documents at ``path``, a bare repository with one branch."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.repository = Repository(path)

    def create(self) -> None:
        """Make the repository if it is not there."""
        self.repository.create()

    def add(
        self,
        name: str,
        data: bytes,
        *,
        author: Person | None = None,
        when: datetime | None = None,
        message: str = "",
    ) -> DocumentReference:
        """Keep one document under ``name`` (such as ``places/osk.md``); one of that name is replaced from now on.

        Adding what is there already makes no commit. Raises DocumentProblem, see :func:`document_text`.
        """
        return self.add_all({name: data}, author=author, when=when, message=message)

    def add_all(
        self,
        documents: Mapping[str, bytes],
        *,
        author: Person | None = None,
        when: datetime | None = None,
        message: str = "",
    ) -> DocumentReference:
        """Keep several documents in one commit; the reference names exactly these."""
        if not documents:
            raise DocumentProblem("document-empty", "There is no document to add.")
        texts = {name: document_text(name, data) for name, data in documents.items()}
        names = sorted(texts)
        self.create()
        with self.repository.writing() as writer:
            blobs: dict[str, str | None] = {name: writer.blob(text.encode("utf-8")) for name, text in texts.items()}
            while True:
                head = self.repository.head()
                if head is not None and all(self.repository.blob_at(head, n) == b for n, b in blobs.items()):
                    # The commit that brought them, not the newest: adding twice gives the same reference.
                    return DocumentReference(DOCUMENT_REPOSITORY, self._since(head, blobs), tuple(names))
                try:
                    commit = writer.commit(
                        tree=writer.tree(head, blobs),
                        parent=head,
                        author=author or Person("Seedbed", "seedbed@localhost"),
                        message=compose_message(message or f"Add {', '.join(names)}", {}),
                        when=when or datetime.now(UTC),
                    )
                except BranchMoved:
                    continue
                return DocumentReference(DOCUMENT_REPOSITORY, commit, tuple(names))

    def read(self, reference: DocumentReference) -> list[tuple[str, str]]:
        """Name and text of every document that ``reference`` means, sorted by name. Raises as :meth:`blobs` does."""
        return [(name, self.repository.read_blob(blob).decode("utf-8")) for name, blob in self.blobs(reference).items()]

    def blobs(self, reference: DocumentReference) -> dict[str, str]:
        """Name → blob of every document that ``reference`` means, sorted by name.

        Raises DocumentProblem: ``document-not-fetched`` where it lies elsewhere and was not fetched yet,
        ``document-not-pinned`` where it names no full commit, ``document-missing`` where nothing is there.
        """
        if reference.repo != DOCUMENT_REPOSITORY:
            fetched = self.fetched(reference)
            if fetched is None:
                raise DocumentProblem(
                    "document-not-fetched",
                    f"The documents lie at {reference.repo[:200]} and have not been fetched from there yet.",
                )
            return dict(sorted(_files(self.repository.commit(fetched).tree)))
        if not FULL_NAME.match(reference.commit):
            raise DocumentProblem(
                "document-not-pinned", "The documents' version is not a full name of 40 digits. Add them again."
            )
        try:
            commit = self.repository.commit(reference.commit)
        except StoreProblem:
            raise DocumentProblem(
                "document-missing",
                f"There is no version {reference.commit[:12]} of the documents here. Add them again.",
            ) from None
        everything: dict[str, str] | None = None
        found: dict[str, str] = {}
        for pattern in reference.patterns:
            # Nearly every reference is a plain name: that is looked up, not searched for among thousands.
            blob = None if _GLOB.search(pattern) else self.repository.blob_in(commit.tree, pattern)
            meant = {} if blob is None else {pattern: blob}
            if blob is None:
                everything = dict(_files(commit.tree)) if everything is None else everything
                meant = {name: everything[name] for name in matching(pattern, list(everything))}
            if not meant:
                raise DocumentProblem(
                    "document-missing", f"No document matches {pattern[:200]}. Check the name, or add the document."
                )
            found |= {name: blob for name, blob in meant.items() if name.lower().endswith(ENDINGS)}
        return dict(sorted(found.items()))

    def fetched(self, reference: DocumentReference) -> str | None:
        """The commit under which the documents of ``reference`` were kept when they were fetched, or None."""
        if not (self.repository.path / "HEAD").exists():
            return None
        found = self.repository.git.references.get(_kept_under(reference))
        return None if found is None else str(found.target)

    def keep_fetched(self, reference: DocumentReference, texts: Mapping[str, str], *, when: datetime) -> str:
        """Keep the texts of documents that lie elsewhere, under their names there (not an earlier set); the commit."""
        self.create()
        source = compose_message(f"Fetch documents from {reference.repo}", {"Commit": reference.commit})
        with self.repository.writing() as writer:
            tree = writer.tree(None, {name: writer.blob(text.encode("utf-8")) for name, text in texts.items()})
            return writer.commit_apart(_kept_under(reference), tree=tree, message=source, when=when)

    def names(self) -> list[str]:
        """Names of all documents at the newest version, sorted."""
        head = self.repository.head() if (self.repository.path / "HEAD").exists() else None
        return [] if head is None else sorted(name for name, _ in _files(self.repository.commit(head).tree))

    def _since(self, head: str, blobs: Mapping[str, str | None]) -> str:
        found = head
        for step in self.repository.first_parents(head):
            if any(self.repository.blob_in(step.tree, name) != blob for name, blob in blobs.items()):
                break
            found = str(step.id)
        return found


def _kept_under(reference: DocumentReference) -> str:
    told = json.dumps([reference.repo, reference.commit, sorted(set(reference.patterns))])
    return f"refs/seedbed/fetched/{hashlib.sha256(told.encode()).hexdigest()}"


def matching(pattern: str, names: Sequence[str]) -> list[str]:
    """Those of ``names`` that a glob pattern means: ``*`` stays within a folder, ``**`` stands for any folders."""
    parts: list[str] = []
    for part in pattern.split("/"):
        if part != "**" or parts[-1:] != ["**"]:
            parts.append(part)
    return [name for name in names if _matches(parts, name.split("/"))]


def _matches(pattern: Sequence[str], name: Sequence[str]) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "**":
        return any(_matches(pattern[1:], name[skipped:]) for skipped in range(len(name) + 1))
    return bool(name) and fnmatchcase(name[0], pattern[0]) and _matches(pattern[1:], name[1:])


def _files(tree: pygit2.Tree, at: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for entry in tree:
        path = f"{at}{entry.name}"
        if isinstance(entry, pygit2.Tree):
            found += _files(entry, f"{path}/")
        elif isinstance(entry, pygit2.Blob):
            found.append((path, str(entry.id)))
    return found
