"""New git objects: gathered in memory while a commit is put together, then made durable all at once.

libgit2 can fsync each object as it is written, file and folder, one after the other: twenty times for one leaf, nine
tenths of what a commit took. Here the objects of a commit are flushed side by side, which lets the file system join
the flushes, and a change that is given up leaves nothing behind. An object has its name only when its content is on
the disk, so that a machine that loses power leaves no empty object behind which a later write would take for done.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pygit2
from pygit2.enums import ObjectType

# More than so many go into one pack: two files, however many objects.
MOST_LOOSE = 64
_AT_ONCE = 4
_MOST_TRIES = 100
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
            with ThreadPoolExecutor(_AT_ONCE) as pool:
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
    waiting: dict[str, str] = {}
    try:
        for name, (kind, data) in objects.items():
            # A killed process leaves the temporary file; git's prune knows it by this name.
            descriptor, temporary = tempfile.mkstemp(prefix="tmp_obj_", dir=folder)
            waiting[name] = temporary
            with os.fdopen(descriptor, "wb") as file:
                file.write(zlib.compress(f"{_KINDS[ObjectType(kind)]} {len(data)}\0".encode() + data, 1))
                os.fchmod(descriptor, 0o444)
        _flush_all(list(waiting.values()), pool)
        folders = {folder}  # some of those below it may be new
        for name in objects:
            folders.add(_move_into(folder / name[:2], waiting[name], name[2:]))
            del waiting[name]
    finally:
        for temporary in waiting.values():
            os.unlink(temporary)
    _flush_all([str(each) for each in folders], pool)


def _move_into(folder: Path, temporary: str, name: str) -> Path:
    for _ in range(_MOST_TRIES):
        folder.mkdir(exist_ok=True)
        try:
            os.rename(temporary, folder / name)
        except FileNotFoundError:
            continue  # a repacking took the empty folder away just now
        return folder
    raise FileNotFoundError(f"The folder {folder} goes away as often as it is made.")


def _flush_all(paths: Sequence[str], pool: ThreadPoolExecutor) -> None:
    """Flush files or folders to the disk, several at a time: the file system joins the writes of its journal."""
    parts = [paths[start::_AT_ONCE] for start in range(min(_AT_ONCE, len(paths)))]
    for _ in pool.map(_flush, parts):
        pass  # only for what one of them may raise


def _flush(paths: Sequence[str]) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
