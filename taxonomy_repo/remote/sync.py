"""Keeping the taxonomy and a branch of a remote repository equal: fetch, merge seed by seed, push.

Nothing is fetched or pushed while the writer's mutex is held. A push that the other end refuses because it has moved on
is followed by another fetch and merge. What comes in is looked over before it becomes part of the branch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pygit2

from taxonomy_repo.paths import unsafe_reason
from taxonomy_repo.remote.address import RemoteProblem, check_address
from taxonomy_repo.remote.program import Credential, GitProgram
from taxonomy_repo.repository import Person, Repository
from taxonomy_repo.store import TaxonomyStore
from taxonomy_repo.taxonomy_merge import Side, merge_histories

__all__ = ["RemoteBranch", "SyncResult", "branch_problem", "fetch", "look_over", "push", "synchronise"]

TRIES = 6
MOST_FILES = 400_000
MOST_BYTES_OF_A_FILE = 50_000_000
# What the index can hold of a path and of one name in it.
LONGEST_PATH = 480
LONGEST_NAME = 250
_BRANCH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,150}\Z")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}\Z")


@dataclass(frozen=True)
class RemoteBranch:
    """A branch of a repository at another place. ``name`` is what it is called here."""

    name: str
    url: str
    branch: str = "main"
    credential: Credential | None = None


@dataclass(frozen=True)
class SyncResult:
    """What a synchronisation did.

    Attributes:
        commit: the taxonomy's commit afterwards; ``before``: until then.
        fetched: the remote branch's commit as last fetched, None where it has none.
        outcome: ``same`` (nothing came in), ``forward`` (the branch followed), ``merged`` (both had changed).
        pushed: whether the remote branch was moved.
        rejections: how many pushes were refused because the remote branch had moved on.
    """

    before: str | None
    commit: str | None
    fetched: str | None
    outcome: Literal["same", "forward", "merged"]
    pushed: bool
    rejections: int


class PushRejected(RemoteProblem):
    """The remote branch has moved on since it was fetched."""


def branch_problem(branch: str) -> str | None:
    """Why this cannot be the name of a branch, or None. The rules of git-check-ref-format, and a little less."""
    parts = branch.split("/")
    if not _BRANCH.match(branch) or ".." in branch or branch.endswith((".", "/")):
        return "A branch's name has letters, digits, dots, hyphens, underscores and slashes."
    if any(not part or part.startswith(".") or part.endswith(".lock") for part in parts):
        return "A part of a branch's name is not empty, begins with no dot and does not end in .lock."
    return None


def _reference(remote: RemoteBranch) -> str:
    problem = branch_problem(remote.branch)
    if problem is not None:
        raise RemoteProblem("bad-branch", problem)
    if not _NAME.match(remote.name):
        raise RemoteProblem("bad-name", "A remote's name has small letters, digits and hyphens.")
    return f"refs/remotes/{remote.name}/{remote.branch}"


def fetch(store: TaxonomyStore, remote: RemoteBranch, program: GitProgram) -> str | None:
    """Fetch the remote branch; its commit, or None where there is no such branch (an empty repository, say).

    Raises RemoteProblem.
    """
    reference = _reference(remote)
    address = check_address(remote.url, program.rules)
    folder = store.repository.path
    try:
        program.run(
            [
                "fetch",
                "--quiet",
                "--no-tags",
                "--no-write-fetch-head",
                "--no-recurse-submodules",
                "--end-of-options",
                address.url,
                f"+refs/heads/{remote.branch}:{reference}",
            ],
            git_dir=folder,
            address=address,
            credential=remote.credential,
        )
    except RemoteProblem as problem:
        if problem.code != "no-branch":
            raise
        return None
    found = store.repository.git.references.get(reference)
    return None if found is None else str(found.target)


def push(store: TaxonomyStore, remote: RemoteBranch, program: GitProgram, commit: str) -> None:
    """Move the remote branch to ``commit``; never by force.

    Raises:
        PushRejected: the remote branch has moved on.
        RemoteProblem: ``push-refused`` where the other end's rules forbid it; others as for a fetch.
    """
    reference = _reference(remote)
    address = check_address(remote.url, program.rules)
    status, told = program.run(
        [
            "push",
            "--porcelain",
            "--no-verify",
            "--no-follow-tags",
            "--no-recurse-submodules",
            "--no-signed",
            "--end-of-options",
            address.url,
            f"{commit}:refs/heads/{remote.branch}",
        ],
        git_dir=store.repository.path,
        address=address,
        credential=remote.credential,
        tolerate=(0, 1),
    )
    refused = next((line for line in told.splitlines() if line.startswith("!")), None)
    if refused is not None:
        # "[rejected]" is what git found out by itself, "[remote rejected]" what the other end said.
        if "[remote rejected]" in refused and not re.search(
            r"failed to update ref|cannot lock ref|fetch first", refused
        ):
            raise RemoteProblem(
                "push-refused",
                f"{address.host} does not accept our changes on {remote.branch}. Allow this account to push there.",
            )
        raise PushRejected("push-rejected", f"{remote.branch} at {address.host} was changed at the same time.")
    if status != 0:
        raise RemoteProblem("push-refused", f"{address.host} does not accept our changes on {remote.branch}.")
    with store.repository.writing():
        # What a fetch would find now; libgit2 checks that the commit is there.
        store.repository.git.references.create(reference, pygit2.Oid(hex=commit), force=True)


def synchronise(
    store: TaxonomyStore,
    remote: RemoteBranch,
    program: GitProgram,
    *,
    author: Person,
    when: datetime,
    pushes: bool,
    decided: Mapping[str, Side] | None = None,
) -> SyncResult:
    """Bring in what the remote branch has, and with ``pushes`` give it what is here.

    Raises:
        TaxonomyConflict: both changed the same; nothing was committed.
        RemoteProblem, StoreProblem: it cannot be reached, let in, read, or joined with what is here.
    """
    before = store.head()
    outcome: Literal["same", "forward", "merged"] = "same"
    rejections = 0
    while True:
        fetched = fetch(store, remote, program)
        head = store.head()
        if fetched is not None and fetched != head and (head is None or not store.contains(head, fetched)):
            look_over(store.repository, fetched, head)
            merged = merge_histories(
                store,
                fetched,
                author=author,
                message=f"Merge {remote.branch} of {remote.name}",
                when=when,
                decided=decided,
            )
            outcome = "forward" if merged == fetched and outcome == "same" else "merged"
        head = store.head()
        if not pushes or head is None or head == fetched:
            return SyncResult(before, head, fetched, outcome, False, rejections)
        try:
            push(store, remote, program, head)
        except PushRejected as rejected:
            rejections += 1
            if rejections >= TRIES:
                raise RemoteProblem(
                    "keeps-moving", "The other end kept changing while this was pushed. It is tried again later."
                ) from rejected
            continue
        return SyncResult(before, head, head, outcome, True, rejections)


def look_over(repository: Repository, commit: str, known: str | None = None) -> None:
    """Refuse a history that this program could not show: too many or too large files, paths that are unsafe.

    Every version after ``known`` is looked at, for the index follows all of them. A folder that occurs many times (in
    one version or in many) is measured once, so that a small pack that unfolds without end is found out at once.

    Raises RemoteProblem (``unusable``) with the first thing that is wrong.
    """
    walker = repository.git.walk(repository.commit(commit).id)
    if known is not None:
        walker.hide(repository.commit(known).id)
    measured: dict[pygit2.Oid, _Extent] = {}
    for step in walker:
        extent = _measure(step.tree, "", measured)
        if extent.files > MOST_FILES:
            raise _unusable("", f"it has more than {MOST_FILES:,} files")
        if extent.longest > LONGEST_PATH:
            raise _unusable("", f"a path in it is longer than {LONGEST_PATH} characters")


@dataclass(frozen=True)
class _Extent:
    """How many files lie under a folder, and how long the longest path below it is."""

    files: int
    longest: int


def _measure(tree: pygit2.Tree, at: str, measured: dict[pygit2.Oid, _Extent]) -> _Extent:
    found = measured.get(tree.id)
    if found is not None:
        return found
    if len(at) > LONGEST_PATH:
        raise _unusable(at, f"its path is longer than {LONGEST_PATH} characters")
    files, longest = 0, 0
    for entry in tree:
        name = str(entry.name)
        _require_usable(f"{at}{name}", name, entry)
        below = _measure(entry, f"{at}{name}/", measured) if isinstance(entry, pygit2.Tree) else _Extent(1, -1)
        files += below.files
        longest = max(longest, len(name) + 1 + below.longest)
    measured[tree.id] = _Extent(files, longest)
    return measured[tree.id]


def _require_usable(path: str, name: str, entry: pygit2.Object) -> None:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise _unusable(path, "its name is not written in UTF-8") from None
    reason = unsafe_reason(name)
    if reason is None and len(name) > LONGEST_NAME:
        reason = f"its name is longer than {LONGEST_NAME} characters"
    if reason is None and isinstance(entry, pygit2.Blob) and entry.size > MOST_BYTES_OF_A_FILE:
        reason = f"it has {entry.size:,} bytes and {MOST_BYTES_OF_A_FILE:,} is the most"
    if reason is not None:
        raise _unusable(path, reason)


def _unusable(path: str, reason: str) -> RemoteProblem:
    what = f"The file {path[:100].encode('utf-8', 'replace').decode()!r} of the" if path else "The"
    return RemoteProblem("unusable", f"{what} repository cannot be taken in: {reason}.")
