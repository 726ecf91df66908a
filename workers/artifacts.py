"""Artifacts: folders of files with a manifest, on any fsspec URL, never changed once finished.

A part is written under a temporary name and renamed, so that a reader sees a whole file or none. An artifact is
complete when its ``manifest.json`` exists; the manifest is written last and holds the SHA-256 and size of every
file, the artifacts it was made from and the spec that made it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import fsspec

from workers.specs import canonical_json

MANIFEST = "manifest.json"
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$")
_CHUNK = 1 << 20


class ArtifactProblem(RuntimeError):
    """An artifact is missing, unfinished, already finished, or not what its manifest says."""


def _checked(name: str) -> str:
    """A relative name of plain segments, or an error: names come from specs and must not leave the folder."""
    for segment in name.split("/"):
        if not _NAME.match(segment) or segment in (".", ".."):
            raise ArtifactProblem(f"{name!r} cannot name a file of an artifact.")
    return name


class Artifact:
    """One artifact, finished or in the making. Get it from :class:`ArtifactStore`."""

    def __init__(self, store: ArtifactStore, artifact_id: str) -> None:
        self.store = store
        self.id = _checked(artifact_id)
        self._root = f"{store.root}/{self.id}"

    # -- reading

    def exists(self, name: str) -> bool:
        return bool(self.store.fs.exists(f"{self._root}/{_checked(name)}"))

    @property
    def complete(self) -> bool:
        return bool(self.store.fs.exists(f"{self._root}/{MANIFEST}"))

    def manifest(self) -> dict[str, Any]:
        """The manifest. Raises ArtifactProblem while the artifact is unfinished or absent."""
        try:
            return json.loads(self.store.fs.cat_file(f"{self._root}/{MANIFEST}"))  # type: ignore[no-any-return]
        except FileNotFoundError:
            raise ArtifactProblem(f"Artifact {self.id} is not finished.") from None

    def read_bytes(self, name: str) -> bytes:
        try:
            return self.store.fs.cat_file(f"{self._root}/{_checked(name)}")  # type: ignore[no-any-return]
        except FileNotFoundError:
            raise ArtifactProblem(f"Artifact {self.id} has no file {name}.") from None

    def read_text(self, name: str) -> str:
        return self.read_bytes(name).decode("utf-8")

    def read_json(self, name: str) -> Any:
        return json.loads(self.read_bytes(name))

    def lines(self, name: str) -> Iterator[str]:
        """The lines of a UTF-8 file without holding it whole; the newline is not part of them."""
        try:
            with self.store.fs.open(f"{self._root}/{_checked(name)}", "r", encoding="utf-8", newline="\n") as file:
                for line in file:
                    yield line.rstrip("\n")
        except FileNotFoundError:
            raise ArtifactProblem(f"Artifact {self.id} has no file {name}.") from None

    def byte_lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file as they lie there, newline included: their lengths add up to places in the file."""
        try:
            with self.store.fs.open(f"{self._root}/{_checked(name)}", "rb") as file:
                yield from file
        except FileNotFoundError:
            raise ArtifactProblem(f"Artifact {self.id} has no file {name}.") from None

    def spans(self, name: str, spans: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        """Pieces of a file, each given by its first byte and the one after its last; nothing else is read."""
        try:
            with self.store.fs.open(f"{self._root}/{_checked(name)}", "rb") as file:
                for start, end in spans:
                    file.seek(start)
                    yield file.read(end - start)
        except FileNotFoundError:
            raise ArtifactProblem(f"Artifact {self.id} has no file {name}.") from None

    def names(self, prefix: str = "") -> list[str]:
        """Names of the files present, finished parts only, sorted; with ``prefix`` only those that start with it."""
        found: list[str] = self.store.fs.find(self._root) if self.store.fs.exists(self._root) else []
        start = len(self.store.fs._strip_protocol(self._root)) + 1
        names = (path[start:] for path in found)
        return sorted(n for n in names if n.startswith(prefix) and not os.path.basename(n).startswith(".part-"))

    def local_folder(self) -> Path:
        """A local folder that holds the finished artifact: the artifact's own on a local store, else a cached copy."""
        if not self.complete:
            raise ArtifactProblem(f"Artifact {self.id} is not finished.")
        if self.store.local is not None:
            return self.store.local / self.id
        cached = self.store.cache / self.id
        if not (cached / MANIFEST).exists():
            for name in self.manifest()["files"]:
                target = cached / name
                target.parent.mkdir(parents=True, exist_ok=True)
                self._download(name, target)
            # The manifest is fetched last, so that a broken download is not taken for a whole one.
            self._download(MANIFEST, cached / MANIFEST)
        return cached

    def verify(self) -> None:
        """Compare every file with the manifest. Raises ArtifactProblem naming the first that differs."""
        for name, facts in self.manifest()["files"].items():
            digest, size = self._digest(name)
            if (digest, size) != (facts["sha256"], facts["size"]):
                raise ArtifactProblem(f"Artifact {self.id}: {name} is not the file that was written.")

    # -- writing

    def write_bytes(self, name: str, data: bytes) -> None:
        """Write one whole part. A part of that name is replaced; a finished artifact is refused."""
        target = self._open_for_writing(name)
        temporary = f"{os.path.dirname(target)}/.part-{uuid.uuid4().hex}"
        with self.store.fs.open(temporary, "wb") as file:
            file.write(data)
        self._land(temporary, target)

    def write_text(self, name: str, text: str) -> None:
        self.write_bytes(name, text.encode("utf-8"))

    def write_json(self, name: str, value: Any) -> None:
        self.write_text(name, canonical_json(value) + "\n")

    def put_file(self, name: str, source: Path) -> None:
        """Copy a local file in as a part."""
        target = self._open_for_writing(name)
        temporary = f"{os.path.dirname(target)}/.part-{uuid.uuid4().hex}"
        self.store.fs.put_file(str(source), temporary)
        self._land(temporary, target)

    def put_folder(self, source: Path) -> None:
        """Copy every regular file below ``source`` in, keeping relative names. Links are refused."""
        for path in sorted(source.rglob("*")):
            if path.is_symlink():
                raise ArtifactProblem(f"{path.name} is a link; an artifact holds files only.")
            if path.is_file():
                self.put_file(path.relative_to(source).as_posix(), path)

    def remove(self, name: str) -> None:
        """Remove one part, or all below a folder when ``name`` ends with ``/``. A finished artifact is refused.

        What is not there is no error: an attempt may have removed it before it was lost.
        """
        target = self._open_for_writing(name.rstrip("/"))
        if self.store.fence is not None:
            self.store.fence()
        if self.store.fs.exists(target):
            self.store.fs.rm(target, recursive=name.endswith("/"))

    def finish(
        self, *, kind: str, inputs: dict[str, str] | None = None, spec: Any = None, code_version: str = ""
    ) -> None:
        """Hash every part and write the manifest. Finishing a finished artifact does nothing."""
        if self.complete:
            return
        files = {}
        for name in self.names():
            digest, size = self._digest(name)
            files[name] = {"sha256": digest, "size": size}
        manifest = {
            "artifact": self.id,
            "kind": kind,
            "files": files,
            "inputs": inputs or {},
            "spec": json.loads(canonical_json(spec)) if spec is not None else None,
            "code_version": code_version,
        }
        self.write_text(MANIFEST, json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False) + "\n")

    # -- inside

    def _open_for_writing(self, name: str) -> str:
        if self.complete:
            raise ArtifactProblem(f"Artifact {self.id} is finished and is never changed.")
        target = f"{self._root}/{_checked(name)}"
        self.store.fs.makedirs(os.path.dirname(target), exist_ok=True)
        return target

    def _land(self, temporary: str, target: str) -> None:
        if self.store.fence is not None:
            try:
                self.store.fence()
            except BaseException:
                self.store.fs.rm_file(temporary)
                raise
        if self.store.local is not None:
            # rename(2) replaces at one instant; fsync first, so that a power cut cannot leave an empty part.
            plain = self.store.fs._strip_protocol
            with open(plain(temporary), "rb+") as file:
                os.fsync(file.fileno())
            os.replace(plain(temporary), plain(target))
        else:
            self.store.fs.mv(temporary, target)

    def _digest(self, name: str) -> tuple[str, int]:
        digest, size = hashlib.sha256(), 0
        with self.store.fs.open(f"{self._root}/{name}", "rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
        return digest.hexdigest(), size

    def _download(self, name: str, target: Path) -> None:
        temporary = target.with_name(f".part-{uuid.uuid4().hex}")
        self.store.fs.get_file(f"{self._root}/{name}", str(temporary))
        os.replace(temporary, target)


class ArtifactStore:
    """All artifacts below one URL (``file:///srv/artifacts``, ``s3://bucket/path``, …).

    ``cache`` is where remote artifacts are copied to when a program needs a local folder. ``fence`` is called just
    before a part lands; it raises where this process has lost the right to write (``workers.leases``).
    """

    def __init__(self, url: str, cache: Path | None = None, *, fence: Callable[[], None] | None = None) -> None:
        self.url = url.rstrip("/")
        self.fence = fence
        self.fs, path = fsspec.core.url_to_fs(self.url)
        self.root = path.rstrip("/")
        local = "file" in (self.fs.protocol if isinstance(self.fs.protocol, tuple) else (self.fs.protocol,))
        self.local: Path | None = Path(self.root) if local else None
        self.cache = cache or Path.home() / ".cache" / "seedbed" / "artifacts"

    def artifact(self, artifact_id: str) -> Artifact:
        return Artifact(self, artifact_id)
