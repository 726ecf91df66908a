"""Handing out the taxonomy: all of it, or only the leaves that changed since a commit, byte for byte as in git."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pygit2

from taxonomy_repo.archives import ArchiveKind, write_archive
from taxonomy_repo.paths import ATTRIBUTION_FILE, DATA_FILE, QNA_FILE, unsafe_reason
from taxonomy_repo.store import LeafChange, TaxonomyStore

__all__ = ["CHANGES_FILE", "ExportResult", "export_archive", "export_folder", "exported_files"]

CHANGES_FILE = "changes.json"


@dataclass(frozen=True)
class ExportResult:
    """What was handed out: the commit, how many files and leaves, and what changed where only that was asked for."""

    commit: str
    since: str | None
    files: int
    leaves: int
    changes: tuple[LeafChange, ...] = ()


def exported_files(store: TaxonomyStore, commit: str, since: str | None = None) -> Iterator[tuple[str, bytes]]:
    """Path and bytes of every file at ``commit``, sorted; with ``since`` those of leaves that changed after it.

    A leaf that was only moved counts as changed. Then there is ``changes.json`` as well, which names what was added,
    modified, moved and removed: a removed leaf has no file to be told by.
    """
    if since is None:
        yield from _all(store, store.repository.commit(commit).tree)
        return
    changes = store.changes(since, commit)
    yield CHANGES_FILE, _told(commit, since, changes)
    snapshot = store.snapshot(commit)
    for change in changes:
        entry = snapshot.get(change.path)
        if entry is None:
            continue
        blobs = {QNA_FILE: entry.blob, ATTRIBUTION_FILE: entry.attribution_blob, DATA_FILE: entry.data_blob}
        for name, blob in sorted(blobs.items()):
            if blob is not None:
                yield f"{entry.path}/{name}", store.read_blob(blob)


def _all(store: TaxonomyStore, tree: pygit2.Tree, at: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in tree:
        path = f"{at}{entry.name}"
        if unsafe_reason(path) is not None:  # nothing of the kind is taken in; a file system is not trusted to that
            continue
        if isinstance(entry, pygit2.Tree):
            yield from _all(store, entry, f"{path}/")
        elif isinstance(entry, pygit2.Blob) and entry.filemode != pygit2.GIT_FILEMODE_LINK:
            yield path, entry.data


def _told(commit: str, since: str, changes: list[LeafChange]) -> bytes:
    told = {"commit": commit, "since": since, "leaves": [asdict(change) for change in changes]}
    return json.dumps(told, indent=2, ensure_ascii=False).encode() + b"\n"


def export_archive(
    store: TaxonomyStore, commit: str, file: BinaryIO, *, kind: ArchiveKind, since: str | None = None
) -> ExportResult:
    """Write an archive. The same commit gives the same archive, byte for byte."""
    counted = _Counted(exported_files(store, commit, since))
    when = datetime.fromtimestamp(store.repository.commit(commit).commit_time, tz=UTC)
    write_archive(file, counted, kind=kind, when=when)
    return counted.result(store, commit, since)


def export_folder(store: TaxonomyStore, commit: str, folder: Path, *, since: str | None = None) -> ExportResult:
    """Write plain files into ``folder``, which is made; one that has anything in it is refused with FileExistsError."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty. Name a folder that is not there yet.")
    counted = _Counted(exported_files(store, commit, since))
    for path, data in counted:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    return counted.result(store, commit, since)


class _Counted:
    """Files on their way out, counted."""

    def __init__(self, files: Iterator[tuple[str, bytes]]) -> None:
        self._files = files
        self.files = 0
        self.leaves = 0

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        for path, data in self._files:
            self.files += 1
            self.leaves += path.endswith(f"/{QNA_FILE}")
            yield path, data

    def result(self, store: TaxonomyStore, commit: str, since: str | None) -> ExportResult:
        changes = () if since is None else tuple(store.changes(since, commit))
        return ExportResult(commit, since, self.files, self.leaves, changes)
