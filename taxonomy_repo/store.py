"""The taxonomy in its bare repository: snapshots, changes, histories, identities, and the commits that are approved.

Only leaves' own files live there. Reading needs no lock; a commit takes the writer's mutex (see ``repository``) and
lands by compare-and-swap. What a leaf's identity is, is decided in ``identity``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

import pygit2

from taxonomy_repo import identity
from taxonomy_repo.identity import LeafStep
from taxonomy_repo.message import MOVE_TRAILER, compose_message, trailers_of
from taxonomy_repo.paths import LEAF_FILES, QNA_FILE, unsafe_reason
from taxonomy_repo.repository import COMMITTER, BranchMoved, Person, Repository, StoreProblem, Writer

__all__ = [
    "CommitInfo",
    "CommitResult",
    "Conflict",
    "FileChange",
    "FileConflict",
    "LeafChange",
    "LeafEntry",
    "LeafStep",
    "Person",
    "Snapshot",
    "StoreProblem",
    "TaxonomyStore",
]

_TAG_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}\Z")


@dataclass(frozen=True)
class LeafEntry:
    """A leaf at one commit: its folder and the blobs of its files."""

    path: str
    blob: str
    attribution_blob: str | None = None
    data_blob: str | None = None


@dataclass(frozen=True)
class LeafChange:
    """What happened to a leaf between two commits. ``old_path`` is where a moved one was; it may be edited as well."""

    kind: Literal["added", "modified", "removed", "moved"]
    path: str
    old_path: str | None = None


@dataclass(frozen=True)
class FileChange:
    """A wanted state of one file: ``data`` (None: not there), based on ``base_blob`` (None: was not there)."""

    path: str
    data: bytes | None
    base_blob: str | None


@dataclass(frozen=True)
class CommitResult:
    """``commit`` holds what was wanted; ``already_there`` when an earlier one did (then nothing was written)."""

    commit: str
    already_there: bool


@dataclass(frozen=True)
class FileConflict:
    """A file that is no longer what the change was based on."""

    path: str
    base_blob: str | None
    current_blob: str | None


class Conflict(Exception):
    """What the change was based on is not there any more. ``files`` says where; ``commit`` is the branch's then."""

    def __init__(self, commit: str | None, files: Sequence[FileConflict]) -> None:
        super().__init__("The leaf was changed by someone else in the meantime.")
        self.commit = commit
        self.files = tuple(files)


@dataclass(frozen=True)
class CommitInfo:
    """A commit that touched a leaf, and where the leaf lay after it."""

    commit: str
    author: Person
    when: datetime
    message: str
    trailers: Mapping[str, tuple[str, ...]]
    path: str
    kind: Literal["added", "modified", "removed", "moved"]


class Snapshot:
    """The leaves at one commit, sorted by path. Iterating reads folders only, no file."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self.commit = commit
        self._repository = repository
        self._tree = repository.commit(commit).tree

    def __iter__(self) -> Iterator[LeafEntry]:
        return leaves_in(self._tree)

    def get(self, path: str) -> LeafEntry | None:
        """The leaf whose folder is ``path``, or None."""
        if unsafe_reason(path) is not None or path not in self._tree:
            return None
        folder = self._tree[path]
        return leaf_entry(folder, path) if isinstance(folder, pygit2.Tree) else None


def leaf_entry(folder: pygit2.Tree, path: str) -> LeafEntry | None:
    """``folder`` as a leaf, or None where it has no qna.yaml."""
    files = identity.files_of(folder)
    return None if files is None else LeafEntry(path, *files)


def leaves_in(tree: pygit2.Tree, at: str = "") -> Iterator[LeafEntry]:
    """Every leaf below ``tree``, sorted by path within each folder."""
    if at:
        entry = leaf_entry(tree, at)
        if entry is not None:
            yield entry
    for child in tree:
        if isinstance(child, pygit2.Tree):
            yield from leaves_in(child, f"{at}/{child.name}" if at else str(child.name))


class TaxonomyStore:
    """The taxonomy at ``path``, a bare repository with one branch. Call :meth:`create` once before anything else."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.repository = Repository(path)

    def create(self) -> None:
        """Make the repository if it is not there."""
        self.repository.create()

    # -- reading

    def head(self) -> str | None:
        """The branch's commit, or None while nothing was ever committed."""
        return self.repository.head()

    def snapshot(self, commit: str) -> Snapshot:
        """The leaves at ``commit``. Raises StoreProblem for a commit that is not there."""
        return Snapshot(self.repository, commit)

    def read_blob(self, blob: str) -> bytes:
        """The bytes of a file by its blob. Raises StoreProblem for one that is not there."""
        return self.repository.read_blob(blob)

    def file_at(self, commit: str, path: str) -> bytes | None:
        """The bytes of the file ``path`` at ``commit``, or None where there is none."""
        if unsafe_reason(path) is not None:
            return None
        blob = self.repository.blob_at(commit, path)
        return None if blob is None else self.read_blob(blob)

    def contains(self, commit: str, ancestor: str) -> bool:
        """Whether ``ancestor`` is ``commit`` itself or lies before it."""
        return self.repository.contains(commit, ancestor)

    def leaf_ids(self, commit: str) -> dict[str, str]:
        """Path → identity (a UUID) of every leaf at ``commit``, from git's history alone; moves keep it."""
        return dict(identity.identities(self.repository, commit).alive)

    def changes(self, before: str | None, after: str) -> list[LeafChange]:
        """What happened to leaves from ``before`` (None: from nothing) to ``after``, sorted by path.

        A leaf is modified when any of its files is another. Moves are told by identity where ``before`` is part of
        ``after``'s history, so that a moved and edited leaf is ``moved``; otherwise by equal content.
        """
        old_tree = None if before is None else self.repository.commit(before).tree
        old, new = identity.differing_leaves(old_tree, self.repository.commit(after).tree)
        gone, come = sorted(old.keys() - new.keys()), sorted(new.keys() - old.keys())
        moves: dict[str, str] = {}
        if before is not None and gone and come:
            if self.contains(after, before):
                where = {leaf: path for path, leaf in self.leaf_ids(before).items() if path in old}
                now = self.leaf_ids(after)
                moves = {path: where[now[path]] for path in come if now[path] in where}
                moves = {path: source for path, source in moves.items() if source not in new}
            else:
                moves = identity.match_moves(old, new, {})
        found = [LeafChange("modified", path) for path in old.keys() & new.keys()]
        found += [
            LeafChange("moved", path, moves[path]) if path in moves else LeafChange("added", path) for path in come
        ]
        found += [LeafChange("removed", path) for path in gone if path not in moves.values()]
        return sorted(found, key=lambda change: change.path)

    def walk(self, since: str | None, until: str) -> Iterator[tuple[CommitInfo, list[LeafStep]]]:
        """Every commit after ``since`` (None: all) up to ``until``, oldest first, with what it did to leaves.

        ``CommitInfo.path`` is empty here: the steps name the leaves, their identities and blobs. ``since`` must be
        part of ``until``'s history (see :meth:`contains`).
        """
        for commit, steps in identity.walk(self.repository, since, until):
            yield commit_info(commit), steps

    def history(self, leaf: str, limit: int | None = None, *, commit: str | None = None) -> list[CommitInfo]:
        """The commits that touched a leaf, newest first, back through its moves.

        Args:
            leaf: its path, or its identity.
            limit: at most so many.
            commit: where to start looking; the branch's by default.
        """
        start = commit or self.head()
        if start is None:
            return []
        place = identity.place_of(self.repository, start, leaf)
        if place is None:
            return []
        found: list[CommitInfo] = []
        path, there_now = place
        # Where another leaf took the place of one that is gone, its part of the history is passed over.
        gone = None if there_now else identity.taken_away(self.repository, start, path)
        passing = None if gone is None else gone[0]
        for step in self.repository.first_parents(start):
            if limit is not None and len(found) >= limit:
                break
            if passing not in (None, str(step.id)):
                continue
            passing = None
            parent = self.repository.commit(str(step.parent_ids[0])) if step.parent_ids else None
            here = identity.leaf_in(step.tree, path)
            there = None if parent is None else identity.leaf_in(parent.tree, path)
            if here == there:
                continue
            info = commit_info(step)
            if here is None:
                target = identity.moved_to(self.repository, step, path)
                found.append(_told(info, target or path, "moved" if target else "removed"))
            elif there is not None:
                found.append(_told(info, path, "modified"))
            elif (source := identity.moved_from(self.repository, step, path)) is not None:
                found.append(_told(info, path, "moved"))
                path = source
            else:
                found.append(_told(info, path, "added"))
                gone = identity.taken_away(self.repository, str(parent.id) if parent else None, path)
                if gone is None or gone[1] != here[0]:
                    break
                passing = gone[0]  # it came back as it was: the same leaf
        return found

    # -- writing

    def writing(self, timeout: float = 60.0) -> AbstractContextManager[Writer]:
        """Hold the writer's mutex over several commits. :meth:`commit` takes it by itself where it is not held."""
        return self.repository.writing(timeout)

    def commit(
        self,
        changes: Sequence[FileChange],
        *,
        author: Person,
        message: str,
        when: datetime,
        trailers: Mapping[str, str | Sequence[str]] | None = None,
        moves: Mapping[str, str] | None = None,
    ) -> CommitResult:
        """Bring files into their wanted states in one commit, or find that they are already.

        Args:
            changes: at least one; files of leaves only (``qna.yaml``, ``attribution.txt``, ``data.jsonl``).
            author: the contributor. The committer is always the program.
            message: a title, and more after a blank line.
            when: the time of the commit, aware of its zone.
            trailers: ``Key: value`` lines at the end, such as ``Reviewed-by``.
            moves: old leaf path → new leaf path, for leaves that are moved (and perhaps edited) by these changes.

        Raises:
            Conflict: a file is neither what the change was based on nor what is wanted.
            StoreProblem: a path is not that of a leaf's file, or the repository cannot be written to.
        """
        wanted = _checked(changes, moves or {})
        text = compose_message(message, {**(trailers or {})}, moves or {})
        with self.repository.writing() as writer:
            blobs = {c.path: None if c.data is None else writer.blob(c.data) for c in wanted.values()}
            while True:
                head = self.head()
                tree = None if head is None else self.repository.commit(head).tree
                current = {path: None if tree is None else self.repository.blob_in(tree, path) for path in wanted}
                if current == blobs:
                    if head is None:
                        raise StoreProblem("nothing-to-do", "There is nothing to commit.")
                    return CommitResult(self._introduced(head, blobs), already_there=True)
                conflicts = [
                    FileConflict(path, change.base_blob, current[path])
                    for path, change in wanted.items()
                    if current[path] not in (change.base_blob, blobs[path])
                ]
                if conflicts:
                    raise Conflict(head, conflicts)
                made = writer.tree(head, blobs)
                try:
                    commit = writer.commit(tree=made, parent=head, author=author, message=text, when=when)
                except BranchMoved:
                    continue
                return CommitResult(commit, already_there=False)

    def tag(self, name: str, commit: str, *, message: str, when: datetime) -> None:
        """Give a commit a name that stays, such as that of a release. The same again changes nothing.

        Raises StoreProblem for a name that cannot be one (``bad-tag``), one that another commit has (``tag-taken``),
        or a commit that is not there.
        """
        if not _TAG_NAME.match(name) or ".." in name or name.endswith((".", ".lock")):
            raise StoreProblem("bad-tag", f"{name[:100]!r} cannot be a tag. Use small letters, digits, dots, - and _.")
        with self.repository.writing() as writer:
            taken = self.repository.tags().get(name)
            if taken == commit:
                return
            if taken is not None:
                raise StoreProblem("tag-taken", f"The tag {name} stands for another version, {taken[:12]}.")
            writer.tag(name, commit, tagger=Person(*COMMITTER), message=compose_message(message, {}), when=when)

    def tags(self) -> dict[str, str]:
        """Name → commit of every tag."""
        return self.repository.tags()

    def _introduced(self, head: str, blobs: Mapping[str, str | None]) -> str:
        """The newest commit since which all these files are as they are: the one that made them so."""
        found = head
        for step in self.repository.first_parents(head):
            if any(self.repository.blob_in(step.tree, path) != blob for path, blob in blobs.items()):
                break
            found = str(step.id)
        return found


def _checked(changes: Sequence[FileChange], moves: Mapping[str, str]) -> dict[str, FileChange]:
    """The changes by path, each of which names a leaf's file."""
    wanted: dict[str, FileChange] = {}
    if not changes:
        raise StoreProblem("nothing-to-do", "There is nothing to commit.")
    for change in changes:
        reason = unsafe_reason(change.path)
        if reason is None and (change.path.rpartition("/")[2] not in LEAF_FILES or change.path.count("/") < 1):
            reason = "it is not a file of a leaf"
        if reason is None and any(part in LEAF_FILES for part in change.path.split("/")[:-1]):
            reason = "a folder cannot be called like a file of a leaf"
        if reason is None and change.path in wanted:
            reason = "it is given twice"
        if reason is not None:
            raise StoreProblem("bad-path", f"{change.path[:200]!r} cannot be written: {reason}.")
        wanted[change.path] = change
    for old, new in moves.items():
        here, there = wanted.get(f"{old}/{QNA_FILE}"), wanted.get(f"{new}/{QNA_FILE}")
        if here is None or there is None or here.data is not None or there.data is None:
            raise StoreProblem("bad-move", f"A move from {old} to {new} must take the one away and put the other.")
    return wanted


def commit_info(commit: pygit2.Commit) -> CommitInfo:
    """What a commit says of itself; ``path`` and ``kind`` are for the caller to fill."""
    zone = timezone(timedelta(minutes=commit.author.offset))
    return CommitInfo(
        commit=str(commit.id),
        author=Person(commit.author.name, commit.author.email),
        when=datetime.fromtimestamp(commit.author.time, tz=UTC).astimezone(zone),
        message=commit.message,
        trailers=trailers_of(commit.message),
        path="",
        kind="modified",
    )


def _told(info: CommitInfo, path: str, kind: Literal["added", "modified", "removed", "moved"]) -> CommitInfo:
    trailers = {key: values for key, values in info.trailers.items() if key != MOVE_TRAILER}
    return CommitInfo(info.commit, info.author, info.when, info.message, trailers, path, kind)
