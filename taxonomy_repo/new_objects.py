"""New git objects: gathered in memory while a commit is put together, then made durable all at once.

libgit2 can fsync each object as it is written, file and folder, one after the other: twenty times for one leaf, nine
tenths of what a commit took. Here the objects of a commit are flushed side by side, which lets the file system join
the flushes, and a change that is given up leaves nothing behind. An object has its name only when its content is on
the disk, so that a machine that loses power leaves no empty object behind which a later write would take for done.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import secrets
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

# More than so many go into one pack: two files, however many objects.
MOST_LOOSE = 64
# More threads hand the interpreter to one another more often than they save by waiting together.
_AT_ONCE = 2
_MOST_TRIES = 100
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BEFORE_OTHERS = 10  # libgit2's own backends have 1 and 2; writes go to the highest


class NewObjects(pygit2.OdbBackend):
    """A place for objects in front of the repository's own. Names are those of libgit2's interface for backends."""

    def __init__(self) -> None:
        super().__init__()
        self._objects: dict[str, tuple[ObjectType, bytes]] = {}

    def gather_for(self, git: pygit2.Repository) -> None:
        """From now on everything that ``git`` writes is kept here, and read from here."""
        git.odb.add_backend(self, _BEFORE_OTHERS)

    def forget(self) -> None:
        """Drop what was gathered and not landed."""
        self._objects.clear()

    def land(self, git: pygit2.Repository) -> None:
        """Put everything that was gathered into the repository of ``git``. When this returns it survives anything."""
        folder = Path(git.path) / "objects"
        if len(self._objects) > MOST_LOOSE:
            pack = pygit2.PackBuilder(git)
            for name in self._objects:
                pack.add(pygit2.Oid(hex=name))
            pack.write(folder / "pack")  # libgit2 flushes it
        elif self._objects:
            with ThreadPoolExecutor(_AT_ONCE - 1) as pool:  # this thread flushes, too
                _land_loose(folder, self._objects, pool)
        self._objects.clear()

    # -- what libgit2 asks

    def write_cb(self, oid: pygit2.Oid, data: bytes, kind: ObjectType) -> None:
        self._objects[str(oid)] = (kind, data)

    def read_cb(self, oid: pygit2.Oid) -> tuple[ObjectType, bytes]:
        return self._objects[str(oid)]

    def read_prefix_cb(self, oid: pygit2.Oid) -> tuple[ObjectType, bytes, pygit2.Oid]:
        return *self._objects[str(oid)], oid  # only full names are ever asked for

    def read_header_cb(self, oid: pygit2.Oid) -> tuple[ObjectType, int]:
        kind, data = self._objects[str(oid)]
        return kind, len(data)

    def exists_cb(self, oid: pygit2.Oid) -> bool:
        return str(oid) in self._objects

    def exists_prefix_cb(self, oid: pygit2.Oid) -> pygit2.Oid:
        if str(oid) not in self._objects:
            raise KeyError(oid)
        return oid

    def refresh_cb(self) -> None:
        """Nothing else writes here."""

    def __iter__(self) -> Iterator[pygit2.Oid]:
        return iter([pygit2.Oid(hex=name) for name in self._objects])


_KINDS = {ObjectType.COMMIT: "commit", ObjectType.TREE: "tree", ObjectType.BLOB: "blob", ObjectType.TAG: "tag"}


def _land_loose(folder: Path, objects: Mapping[str, tuple[ObjectType, bytes]], pool: ThreadPoolExecutor) -> None:
    """Write objects as git keeps single ones (gitformat-loose): content to the disk, then names, then folders."""
    at = os.fspath(folder)
    # Everything that is open here: descriptor, temporary name, name.
    waiting: list[tuple[int, str, str]] = []
    folders: dict[str, int] = {}
    try:
        for name, (kind, data) in objects.items():
            # A killed process leaves the temporary file; git's prune knows it by this name.
            temporary = os.path.join(at, f"tmp_obj_{secrets.token_hex(8)}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
            waiting.append((descriptor, temporary, name))
            _write(descriptor, zlib.compress(f"{_KINDS[ObjectType(kind)]} {len(data)}\0".encode() + data, 1))
            # The kernel begins to write it now. Files that are all on their way are flushed by one write of the file
            # system's journal, instead of one each.
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        _flush_all([descriptor for descriptor, _, _ in waiting], pool)
        folders[at] = os.open(at, _FOLDER)  # some of those below it may be new
        while waiting:
            descriptor, temporary, name = waiting[-1]
            below = f"{at}/{name[:2]}"
            _move_into(below, temporary, name[2:])
            waiting.pop()
            os.close(descriptor)
            if below not in folders:
                folders[below] = os.open(below, _FOLDER)
        _flush_all(list(folders.values()), pool)
    finally:
        for descriptor, temporary, _ in waiting:
            os.close(descriptor)
            os.unlink(temporary)
        for descriptor in folders.values():
            os.close(descriptor)


def _write(descriptor: int, data: bytes) -> None:
    """All of ``data``, however many times it takes."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _move_into(folder: str, temporary: str, name: str) -> None:
    for _ in range(_MOST_TRIES):
        try:
            os.rename(temporary, f"{folder}/{name}")
        except FileNotFoundError:
            with contextlib.suppress(FileExistsError):  # not there yet, or a repacking took the empty folder away
                os.mkdir(folder)
            continue
        return
    raise FileNotFoundError(f"The folder {folder} goes away as often as it is made.")


def _flush_all(descriptors: Sequence[int], pool: ThreadPoolExecutor) -> None:
    """Flush files or folders to the disk, several at a time: the file system joins the writes of its journal."""
    mine, *others = [descriptors[start::_AT_ONCE] for start in range(min(_AT_ONCE, len(descriptors)))]
    flushed = [pool.submit(_flush, part) for part in others]
    try:
        _flush(mine)
    finally:
        concurrent.futures.wait(flushed)  # what they flush is closed after this
    for each in flushed:
        each.result()  # only for what one of them may raise


def _flush(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.fsync(descriptor)
