"""A copy of everything that cannot be made again, taken while the site runs, laid out as ``SEEDBED_VAR`` is.

The database comes first: what it names (commits, documents, artifacts) is written before it is named and never changed
afterwards, so a later copy of those has all of it. What they have beyond it is found again by the outbox and the index.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import fsspec
from django.conf import settings
from django.db import connection

from taxonomy_app.tree.services import document_store, taxonomy_store
from taxonomy_repo.maintenance import mirror
from taxonomy_repo.repository import StoreProblem

# Written last: a folder without it is a copy that was not finished.
MARK = "backup.json"
# libpq's names in the environment of what a database's address may carry (environment.database).
_LIBPQ = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
}


class BackupProblem(RuntimeError):
    """One sentence for the operator."""


@dataclass(frozen=True)
class Backup:
    """What was copied. ``artifacts`` is the number of files, None where they were left out or lie in another store."""

    made_at: str
    code_version: str
    database: str
    taxonomy_commit: str
    artifacts: int | None
    artifacts_bytes: int
    vanished: int


def backup(target: Path, *, now: datetime, artifacts: bool = True) -> Backup:
    """Copy everything into ``target``, a folder that is not there yet or empty.

    Raises:
        BackupProblem: the folder has something in it, or a part could not be copied.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BackupProblem(f"{target} has something in it. Name a folder that is not there yet.")
    target.mkdir(parents=True, exist_ok=True)
    target.chmod(0o700)  # people's addresses and the secret key
    database = _postgresql(target) if connection.vendor == "postgresql" else _sqlite(target)
    try:
        for store, name in ((taxonomy_store(), "taxonomy.git"), (document_store(), "documents.git")):
            if store.repository.path.exists():
                mirror(store.repository, target / name)
        commit = taxonomy_store().head() or ""
    except StoreProblem as problem:
        raise BackupProblem(str(problem)) from problem
    files = size = vanished = 0
    root = _artifacts_folder() if artifacts else None
    if root is not None:
        files, size, vanished = _copy(root, target / "artifacts")
    _copy(Path(settings.EXCHANGE_FOLDER), target / "exchange")
    key = Path(settings.VAR) / "secret_key"
    if key.exists():
        shutil.copy2(key, target / "secret_key")
    made = Backup(
        now.isoformat(), str(settings.CODE_VERSION), database, commit, None if root is None else files, size, vanished
    )
    (target / MARK).write_text(json.dumps(asdict(made), indent=2) + "\n", encoding="utf-8")
    return made


def _sqlite(target: Path) -> str:
    """The database at one moment, by SQLite's own way of copying one that is written to; checked."""
    name = "seedbed.sqlite3"
    with (
        closing(sqlite3.connect(connection.settings_dict["NAME"])) as source,
        closing(sqlite3.connect(target / name)) as copy,
    ):
        source.backup(copy)
        # The copy shall be one file, which the site turns to WAL again.
        copy.execute("PRAGMA journal_mode=DELETE")
        (said,) = copy.execute("PRAGMA quick_check").fetchone()
    if said != "ok":
        raise BackupProblem(f"The copy of the database is not sound: {said}")
    return name


def _postgresql(target: Path) -> str:
    """The database at one moment, by pg_dump in its own format."""
    name = "seedbed.dump"
    known = connection.settings_dict
    program = shutil.which("pg_dump")
    if program is None:
        raise BackupProblem("The program pg_dump is not installed. Install PostgreSQL's client programs.")
    given = {"PGHOST": known["HOST"], "PGPORT": known["PORT"], "PGUSER": known["USER"], "PGPASSWORD": known["PASSWORD"]}
    given |= {_LIBPQ[option]: str(value) for option, value in known["OPTIONS"].items() if option in _LIBPQ}
    environ = {**os.environ, **{name: value for name, value in given.items() if value}, "PGDATABASE": known["NAME"]}
    done = subprocess.run(
        [program, "--format=custom", "--no-owner", "--file", str(target / name)],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BackupProblem(f"pg_dump failed: {' '.join(done.stderr.split())[-500:]}")
    return name


def _artifacts_folder() -> Path | None:
    """The folder of the artifact store, or None where it is another kind of store, which keeps copies of its own."""
    filesystem, root = fsspec.core.url_to_fs(settings.SHARED.artifacts_url)
    known = [filesystem.protocol] if isinstance(filesystem.protocol, str) else filesystem.protocol
    return Path(root) if "file" in known else None


def _copy(source: Path, target: Path) -> tuple[int, int, int]:
    """Copy a folder; files, bytes, and how many had gone when it was their turn (parts of unfinished artifacts)."""
    files = size = vanished = 0
    for folder, _, names in os.walk(source):
        there = target / Path(folder).relative_to(source)
        there.mkdir(parents=True, exist_ok=True)
        for name in names:
            try:
                shutil.copy2(Path(folder) / name, there / name)
            except FileNotFoundError:
                vanished += 1
                continue
            files += 1
            size += (there / name).stat().st_size
    return files, size, vanished
