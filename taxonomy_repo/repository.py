"""A bare git repository that this program alone writes: opening, the writer's mutex, commits built in memory.

Knows nothing of leaves. Reading is free; writing goes through :meth:`Repository.writing`, which holds the mutex
(``mutex``) and gathers new objects in memory until a commit lands them (``new_objects``). The git environment is
sterile: no configuration outside the repository.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pygit2
from pygit2 import GIT_FILEMODE_BLOB as FILE_MODE
from pygit2 import GIT_FILEMODE_TREE as TREE_MODE
from pygit2.enums import ConfigLevel, FileMode, MergeFlag, ObjectType

from taxonomy_repo.mutex import MutexBusy, mutex
from taxonomy_repo.new_objects import NewObjects

BRANCH = "main"
REFERENCE = f"refs/heads/{BRANCH}"
TAGS = "refs/tags/"
COMMITTER = ("Seedbed", "seedbed@localhost")
MOST_RACES = 100
FULL_NAME = re.compile(r"[0-9a-f]{40}\Z")


def _make_sterile() -> None:
    """No configuration of the machine or its users, no owner checks (containers map users), everything fsynced."""
    for level in (ConfigLevel.GLOBAL, ConfigLevel.XDG, ConfigLevel.SYSTEM, ConfigLevel.PROGRAMDATA):
        pygit2.settings.search_path[level] = ""
    pygit2.settings.owner_validation = False
    pygit2.settings.enable_fsync_gitdir(True)


_make_sterile()


class StoreProblem(RuntimeError):
    """Something a repository could not do. ``code`` is stable; the message is one sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BranchMoved(Exception):
    """The branch is no longer where the writer read it."""


@dataclass(frozen=True)
class Person:
    """Who wrote something, as a commit names them."""

    name: str
    email: str


def signature(person: Person, when: datetime) -> pygit2.Signature:
    """``person`` at ``when`` (aware of its zone). Characters that a commit cannot hold are dropped."""
    if when.tzinfo is None:
        raise ValueError("The time of a commit needs a time zone.")
    offset = when.utcoffset()
    name = _plain(person.name) or "Unknown"
    email = _plain(person.email) or "unknown@localhost"
    return pygit2.Signature(name, email, int(when.timestamp()), int(offset.total_seconds() // 60) if offset else 0)


def _plain(text: str) -> str:
    return " ".join("".join(" " if ord(c) < 32 or c in "<>\x7f" else c for c in text).split()).strip(" .,;:'\"")


def _object_in(git: pygit2.Repository, name: str) -> object:
    """The object of that full name (40 hex digits, nothing shorter), or None."""
    try:
        return git.get(name) if FULL_NAME.match(name) else None
    except ValueError:
        return None


def _commit_in(git: pygit2.Repository, name: str) -> pygit2.Commit:
    found = _object_in(git, name)
    if not isinstance(found, pygit2.Commit):
        raise StoreProblem("unknown-commit", f"There is no version {name[:60]} here.")
    return found


class Repository:
    """One bare repository at ``path``. Objects of this class may be shared by threads and survive a fork."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._local = threading.local()
        self._writing = threading.RLock()
        self._writer: Writer | None = None

    def create(self) -> None:
        """Make the repository if it is not there. Calling it again does nothing; two at once do no harm."""
        self.path.mkdir(parents=True, exist_ok=True)
        with self._mutex_file():
            if not (self.path / "HEAD").exists() or not (self.path / "objects").is_dir():
                pygit2.init_repository(os.fspath(self.path), bare=True, initial_head=BRANCH)

    @property
    def git(self) -> pygit2.Repository:
        """This thread's handle; libgit2's are not to be shared."""
        held: tuple[int, pygit2.Repository] | None = getattr(self._local, "held", None)
        if held is None or held[0] != os.getpid():
            held = (os.getpid(), self._opened())
            self._local.held = held
        return held[1]

    def for_writing(self) -> tuple[pygit2.Repository, NewObjects]:
        """This thread's handle for the writer, and the place where it gathers what is new.

        Kept from one change to the next: a new handle would open every pack anew.
        """
        held: tuple[int, pygit2.Repository, NewObjects] | None = getattr(self._local, "for_writing", None)
        if held is None or held[0] != os.getpid():
            held = (os.getpid(), self._opened(), NewObjects())
            held[2].gather_for(held[1])
            self._local.for_writing = held
        return held[1], held[2]

    def _opened(self) -> pygit2.Repository:
        """A new handle. Raises StoreProblem where there is no repository."""
        try:
            return pygit2.Repository(os.fspath(self.path))
        except pygit2.GitError as error:
            raise StoreProblem("no-repository", f"There is no repository at {self.path}. Create it first.") from error

    # -- reading

    def head(self) -> str | None:
        """The branch's commit, or None while there is none."""
        reference = self.git.references.get(REFERENCE)
        return None if reference is None else str(reference.target)

    def commit(self, commit: str) -> pygit2.Commit:
        """The commit of that full name. Raises StoreProblem where there is none."""
        return _commit_in(self.git, commit)

    def read_blob(self, blob: str) -> bytes:
        """The bytes of a blob. Raises StoreProblem where there is none."""
        found = _object_in(self.git, blob)
        if not isinstance(found, pygit2.Blob):
            raise StoreProblem("unknown-blob", f"There is no content {blob[:60]} here.")
        return found.data

    def blob_at(self, commit: str, path: str) -> str | None:
        """The blob of the file ``path`` at ``commit``, or None."""
        return self.blob_in(self.commit(commit).tree, path)

    @staticmethod
    def blob_in(tree: pygit2.Tree, path: str) -> str | None:
        """The blob of the file ``path`` in ``tree``, or None."""
        try:
            entry = tree[path]
        except (KeyError, ValueError):
            return None
        return str(entry.id) if isinstance(entry, pygit2.Blob) else None

    def first_parents(self, commit: str | None, stop: str | None = None) -> Iterator[pygit2.Commit]:
        """``commit``, its first parent and so on, newest first, up to but without ``stop``."""
        while commit is not None and commit != stop:
            found = self.commit(commit)
            yield found
            commit = str(found.parent_ids[0]) if found.parent_ids else None

    def contains(self, commit: str, ancestor: str) -> bool:
        """Whether ``ancestor`` is ``commit`` or one of those before it."""
        first, second = self.commit(commit), self.commit(ancestor)
        return first.id == second.id or self.git.descendant_of(first.id, second.id)

    def tags(self) -> dict[str, str]:
        """Name → commit of every tag."""
        names = [name for name in self.git.references if name.startswith(TAGS)]
        return {name.removeprefix(TAGS): str(self.git.references[name].peel(pygit2.Commit).id) for name in names}

    # -- writing

    @contextmanager
    def writing(self, timeout: float = 60.0) -> Iterator[Writer]:
        """Hold the mutex. What is yielded is the only thing that can write, and only inside this block.

        Raises StoreProblem (``busy``) when another holder does not finish within ``timeout`` seconds.
        """
        if not self._writing.acquire(timeout=timeout):
            raise StoreProblem("busy", "Something else is writing just now. Try again soon.")
        try:
            if self._writer is not None:  # this thread holds it already
                yield self._writer
                return
            with self._mutex_file(timeout):
                self._writer = Writer(self)
                try:
                    yield self._writer
                finally:
                    self._writer.open = False
                    self._writer = None
        finally:
            self._writing.release()

    @contextmanager
    def _mutex_file(self, timeout: float = 60.0) -> Iterator[None]:
        try:
            with mutex(self.path, timeout):
                yield
        except MutexBusy:
            raise StoreProblem("busy", "Something else is writing just now. Try again soon.") from None


class Writer:
    """What may write, for as long as the mutex is held. Get it from :meth:`Repository.writing`."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._handle, self._new = repository.for_writing()
        self._new.forget()  # what a change that was given up has left
        self.open = True

    def _git(self) -> pygit2.Repository:
        """A handle of its own, whose new objects are in memory until they land with a commit."""
        if not self.open:
            raise StoreProblem("not-locked", "Writing outside the mutex is refused.")
        return self._handle

    def blob(self, data: bytes) -> str:
        """Keep ``data`` for the next commit, and name it."""
        return str(self._git().create_blob(data))

    def tree(self, base: str | None, changes: Mapping[str, str | None]) -> str:
        """The tree of commit ``base`` with files put (path → blob) or taken away (path → None).

        Only the folders on the way to a change are rewritten; folders that become empty go.
        """
        git = self._git()
        # Looked up by the writer's own handle: libgit2 builds a tree only on one of the same handle.
        root = None if base is None else _commit_in(git, base).tree
        written = _write_tree(git, root, _nested(changes), "")
        return written if written is not None else str(git.TreeBuilder().write())

    def commit(
        self,
        *,
        tree: str,
        parent: str | None,
        author: Person,
        message: str,
        when: datetime,
        joined: Sequence[str] = (),
    ) -> str:
        """Make a commit of ``tree`` and move the branch from ``parent`` to it, or raise BranchMoved.

        ``joined``: commits whose history comes in with this one, as further parents.
        """
        git = self._git()
        committer = Person(*COMMITTER)
        parents: Sequence[str] = [*([] if parent is None else [parent]), *joined]
        made = git.create_commit(
            None, signature(author, when), signature(committer, when), message, tree, list(parents)
        )
        self._swap(git, parent, made)
        return str(made)

    def joined_tree(
        self, base: str | None, ours: str, theirs: str, resolved: Mapping[str, str | None]
    ) -> tuple[str | None, list[str]]:
        """The tree of two commits joined on ``base``, file by file, with ``resolved`` (path → blob, None: gone) put
        over it. Without a tree: the files that both changed and that ``resolved`` does not settle.
        """
        git = self._git()
        start = git.TreeBuilder().write() if base is None else self._repository.commit(base).tree.id
        first, second = self._repository.commit(ours).tree.id, self._repository.commit(theirs).tree.id
        index = git.merge_trees(start, first, second, flags=MergeFlag(0))
        clashes = list(index.conflicts or ())
        names = {entry.path for clash in clashes for entry in clash if entry is not None}
        for path in names & resolved.keys():
            del index.conflicts[path]
        for path, blob in resolved.items():
            present = path in index
            if blob is not None:
                mode = index[path].mode if present else FileMode.BLOB
                index.add(pygit2.IndexEntry(path, pygit2.Oid(hex=blob), mode))
            elif present:
                index.remove(path)
        unsettled = sorted(names - resolved.keys())
        return (None if unsettled else str(index.write_tree(git))), unsettled

    def forward(self, parent: str | None, commit: str) -> None:
        """Move the branch from ``parent`` to ``commit``, which is there already, or raise BranchMoved."""
        git = self._git()
        self._swap(git, parent, self._repository.commit(commit).id)

    def commit_apart(self, reference: str, *, tree: str, message: str, when: datetime) -> str:
        """Make a commit of ``tree`` that is on no branch and is named by ``reference`` (below ``refs/seedbed/``)."""
        git = self._git()
        committer = signature(Person(*COMMITTER), when)
        made = git.create_commit(None, committer, committer, message, tree, [])
        self._new.land(git)  # what a reference names is there before the reference
        self.keep(reference, str(made))
        return str(made)

    def keep(self, reference: str, commit: str) -> None:
        """Let ``reference`` (below ``refs/seedbed/``) name ``commit``, so that it is never tidied away."""
        if not reference.startswith("refs/seedbed/"):
            raise StoreProblem("bad-reference", f"{reference} is not a place for what is kept.")
        self._git().references.create(reference, self._repository.commit(commit).id, force=True)

    def tag(self, name: str, commit: str, *, tagger: Person, message: str, when: datetime) -> None:
        """Give ``commit`` the annotated tag ``name``, which must not be there yet (StoreProblem ``tag-taken``)."""
        git = self._git()
        target = self._repository.commit(commit).id
        by = signature(tagger, when)
        minutes = abs(by.offset)
        zone = f"{'-' if by.offset < 0 else '+'}{minutes // 60:02}{minutes % 60:02}"
        text = f"object {target}\ntype commit\ntag {name}\ntagger {by.name} <{by.email}> {by.time} {zone}\n\n{message}"
        made = git.odb.write(ObjectType.TAG, text.encode())
        self._new.land(git)
        try:
            git.references.create(f"{TAGS}{name}", made, force=False)
        except (pygit2.GitError, ValueError, OSError) as error:
            raise StoreProblem("tag-taken", f"The tag {name} cannot be made: {error}.") from error

    def _swap(self, git: pygit2.Repository, parent: str | None, made: pygit2.Oid) -> None:
        """Compare and swap. libgit2 locks the reference and fails when it is not what was read."""
        self._new.land(git)  # what a reference names is there before the reference
        for attempt in range(MOST_RACES):
            reference = git.references.get(REFERENCE)
            if (None if reference is None else str(reference.target)) != parent:
                raise BranchMoved
            try:
                if reference is None:
                    git.references.create(REFERENCE, made, force=False)
                else:
                    reference.set_target(made)
            except (pygit2.GitError, ValueError, OSError) as error:
                if attempt == MOST_RACES - 1:
                    raise StoreProblem(
                        "cannot-write", f"The repository cannot be written to: {error}. Check disk and permissions."
                    ) from error
                time.sleep(0.01)  # another program holds git's own lock for an instant; look again
                continue
            return


def _nested(changes: Mapping[str, str | None]) -> dict[str, object]:
    """Changes by folder: name → blob, None, or the changes of the folder of that name."""
    nested: dict[str, object] = {}
    for path, blob in changes.items():
        *folders, name = path.split("/")
        level = nested
        for folder in folders:
            step = level.setdefault(folder, {})
            if not isinstance(step, dict):
                raise StoreProblem("path-taken", f"{path} would lie below a file.")
            level = step
        if isinstance(level.get(name), dict):
            raise StoreProblem("path-taken", f"{path} would be a file and a folder.")
        level[name] = blob
    return nested


def _write_tree(git: pygit2.Repository, tree: pygit2.Tree | None, changes: Mapping[str, object], at: str) -> str | None:
    """Write one folder and those below it; None when nothing is left in it."""
    builder = git.TreeBuilder() if tree is None else git.TreeBuilder(tree)
    for name, change in changes.items():
        present = tree[name] if tree is not None and name in tree else None
        if isinstance(change, dict):
            if isinstance(present, pygit2.Blob):
                raise StoreProblem("path-taken", f"{at}{name} is a file; nothing can lie below it.")
            below = present if isinstance(present, pygit2.Tree) else None
            written = _write_tree(git, below, change, f"{at}{name}/")
            if written is not None:
                builder.insert(name, written, TREE_MODE)
            elif present is not None:
                builder.remove(name)
        elif isinstance(change, str):
            if isinstance(present, pygit2.Tree):
                raise StoreProblem("path-taken", f"{at}{name} is a folder; a file cannot take its place.")
            builder.insert(name, change, FILE_MODE)
        elif present is not None:
            builder.remove(name)
    return str(builder.write()) if len(builder) else None
