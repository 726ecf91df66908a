"""Whole taxonomies as plain files: read from a folder, a zip or a tar archive; written into them.

What is read is never trusted: paths are checked, links and devices are left out and counted, and an archive that
unfolds without end is given up. What is written is the same bytes for the same commit, whenever it is written.
"""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal

from taxonomy_repo.paths import BRANCHES, QNA_FILE, unsafe_reason

__all__ = [
    "ArchiveKind",
    "ArchiveProblem",
    "PlainFiles",
    "archive_kind",
    "read_archive",
    "read_folder",
    "write_archive",
]

ArchiveKind = Literal["zip", "tar.gz"]
MOST_FILES = 400_000
MOST_BYTES_OF_A_FILE = 50_000_000
MOST_BYTES = 1_000_000_000
LONGEST_PATH = 480
LONGEST_NAME = 250
_TAR_ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


class ArchiveProblem(ValueError):
    """A folder or archive cannot be read. ``code`` is stable; the message is one sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class PlainFiles:
    """Files by their path in the taxonomy, and what was left out: path → why."""

    files: dict[str, bytes] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def leaves(self) -> int:
        """How many leaves there are among them."""
        return sum(path.endswith(f"/{QNA_FILE}") for path in self.files)


def archive_kind(name: str) -> Literal["zip", "tar"] | None:
    """What kind of archive a file is by its name, or None."""
    lower = name.lower()
    if lower.endswith(".zip"):
        return "zip"
    return "tar" if lower.endswith(_TAR_ENDINGS) else None


def read_folder(folder: Path) -> PlainFiles:
    """The files of a taxonomy on disk. ``.git`` is left out; links are left out and counted.

    Raises ArchiveProblem where there is no leaf, or far too much.
    """
    gathered = _Gathered()
    for at, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        below = Path(at).relative_to(folder)
        for name in [one for one in folders if (Path(at) / one).is_symlink()]:
            gathered.leave_out((below / name).as_posix(), "it is a link")
        for name in sorted(names):
            path = Path(at) / name
            shown = (below / name).as_posix()
            if name == ".git":
                continue
            if not stat.S_ISREG(path.lstat().st_mode):
                gathered.leave_out(shown, "it is a link" if path.is_symlink() else "it is no plain file")
                continue
            with path.open("rb") as file:
                gathered.take(shown, file)
    return _at_root(gathered.found, str(folder))


def read_archive(file: BinaryIO, name: str) -> PlainFiles:
    """The files of a taxonomy in a zip or tar archive (``name`` says which). A folder around all of it is taken off.

    Raises ArchiveProblem where it cannot be read, has no leaf, or far too much.
    """
    kind = archive_kind(name)
    if kind is None:
        raise ArchiveProblem(
            "archive-kind",
            f"{name[:100]} is no archive that can be read. Give a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz.",
        )
    gathered = _Gathered()
    try:
        for path, regular, content in _zip_entries(file) if kind == "zip" else _tar_entries(file):
            if regular:
                gathered.take(path, content)
            else:
                gathered.leave_out(path, "it is a link or no plain file")
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        EOFError,
        OSError,
        zlib.error,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise ArchiveProblem(
            "archive-damaged", f"{name[:100]} cannot be read: it is damaged, encrypted or another kind of file."
        ) from error
    return _at_root(gathered.found, name[:100])


def _zip_entries(file: BinaryIO) -> Iterator[tuple[str, bool, BinaryIO]]:
    with zipfile.ZipFile(file) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            mode = entry.external_attr >> 16
            regular = not mode or stat.S_IFMT(mode) in (0, stat.S_IFREG)
            with archive.open(entry) as content:
                yield entry.filename, regular, content  # type: ignore[misc]  # reads like a file


def _tar_entries(file: BinaryIO) -> Iterator[tuple[str, bool, BinaryIO]]:
    with tarfile.open(fileobj=file, mode="r:*") as archive:
        for entry in archive:
            if entry.isdir():
                continue
            content = archive.extractfile(entry) if entry.isreg() else None
            yield entry.name, content is not None, content or io.BytesIO()  # type: ignore[misc]


class _Gathered:
    """Files being read, and the limits that hold for all of them together."""

    def __init__(self) -> None:
        self.found = PlainFiles()
        self.bytes = 0

    def take(self, path: str, content: BinaryIO) -> None:
        path = path.removeprefix("./")
        reason = _reason(path)
        if reason is not None:
            self.leave_out(path, reason)
            return
        # What a header says of a size is not believed: it is read up to the limit and no further.
        data = content.read(min(MOST_BYTES_OF_A_FILE, MOST_BYTES - self.bytes) + 1)
        if len(data) > MOST_BYTES_OF_A_FILE:
            raise ArchiveProblem("too-large", f"{path[:100]} is larger than {MOST_BYTES_OF_A_FILE:,} bytes.")
        self.bytes += len(data)
        self.found.files[path] = data
        if self.bytes > MOST_BYTES or len(self.found.files) > MOST_FILES:
            raise ArchiveProblem("too-large", f"It has more than {MOST_FILES:,} files or {MOST_BYTES:,} bytes.")

    def leave_out(self, path: str, reason: str) -> None:
        if len(self.found.left_out) > MOST_FILES:
            raise ArchiveProblem("too-large", f"It has more than {MOST_FILES:,} files.")
        self.found.left_out[path[:LONGEST_PATH]] = reason


def _reason(path: str) -> str | None:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return "its name is not written in UTF-8"
    if len(path) > LONGEST_PATH or max(map(len, path.split("/"))) > LONGEST_NAME:
        return "its path is too long"
    return unsafe_reason(path)


def _at_root(found: PlainFiles, name: str) -> PlainFiles:
    """The files as they lie in the taxonomy: the folder that has the branches is the root."""
    roots: dict[str, int] = {}
    for path in found.files:
        if path.rpartition("/")[2] != QNA_FILE:
            continue
        parts = path.split("/")
        at = next((index for index, part in enumerate(parts[:-1]) if part in BRANCHES), None)
        if at is not None:
            root = "/".join(parts[:at])
            roots[root] = roots.get(root, 0) + 1
    if not roots:
        raise ArchiveProblem(
            "no-leaves", f"{name} has no leaf: no {QNA_FILE} in or below a folder called {', '.join(BRANCHES)}."
        )
    root = max(sorted(roots), key=roots.__getitem__)
    if not root:
        return found
    prefix = f"{root}/"
    moved = PlainFiles(left_out=dict(found.left_out))
    for path, data in found.files.items():
        if path.startswith(prefix):
            moved.files[path.removeprefix(prefix)] = data
        else:
            moved.left_out[path] = f"it is outside the folder {root}"
    return moved


def write_archive(
    file: BinaryIO, files: Iterable[tuple[str, bytes]] | Mapping[str, bytes], *, kind: ArchiveKind, when: datetime
) -> int:
    """Write files into an archive in the order given, all dated ``when``; how many there were."""
    pairs = files.items() if isinstance(files, Mapping) else files
    count = 0
    if kind == "zip":
        # 1980 is the oldest year that a zip can hold.
        date = max(when.timetuple()[:6], (1980, 1, 1, 0, 0, 0))
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, data in pairs:
                entry = zipfile.ZipInfo(path, date)
                entry.external_attr = (stat.S_IFREG | 0o644) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, data)
                count += 1
        return count
    import gzip

    # The time in gzip's own header would make two archives of one commit differ.
    with (
        gzip.GzipFile(fileobj=file, mode="wb", mtime=int(when.timestamp())) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path, data in pairs:
            member = tarfile.TarInfo(path)
            member.size, member.mtime, member.mode = len(data), int(when.timestamp()), 0o644
            tar.addfile(member, io.BytesIO(data))
            count += 1
    return count
