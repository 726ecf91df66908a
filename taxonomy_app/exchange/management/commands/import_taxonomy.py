"""Take in a taxonomy that exists already: a folder, an archive, or a repository with its history."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from taxonomy_app.exchange import execution
from taxonomy_app.tree import services as tree
from taxonomy_repo.archives import ArchiveProblem, read_archive, read_folder
from taxonomy_repo.importing import ImportResult, fetch_local, import_files, import_history, is_repository
from taxonomy_repo.remote.address import RemoteProblem
from taxonomy_repo.repository import StoreProblem


class Command(BaseCommand):
    help = (
        "Take in a taxonomy: a folder, an archive (.zip, .tar, .tar.gz), a git repository on this machine, or "
        "https://… of one on a code host. A repository comes with its history. The last line is JSON with the outcome."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("source", help="a path, or an address that begins with https://")
        parser.add_argument("--replace", action="store_true", help="in the place of what is here, not beside it")
        parser.add_argument("--branch", default="", help="of a repository (default: main, or what is checked out)")
        parser.add_argument("--files-only", action="store_true", help="a folder's files without its history")
        parser.add_argument("--username", default="", help="name to sign in with at the code host")
        parser.add_argument(
            "--token-setting",
            default="",
            metavar="NAME",
            help="the environment variable (or its _FILE form) that holds the access token",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        begun = time.monotonic()
        now = timezone.now()
        store = tree.taxonomy_store()
        store.create()
        tree.document_store().create()
        try:
            done = self._import(options, now)
        except (RemoteProblem, StoreProblem, ArchiveProblem) as problem:
            raise CommandError(str(problem)) from problem
        tree.index_update(now=now)
        for path, reason in done.left_alone.items():
            self.stderr.write(f"{path}: left as it was: {reason}")
        for path, reason in done.left_out.items():
            self.stderr.write(f"{path}: left out: {reason}")
        told = execution.told_import(done)
        counts = {name: value["count"] if isinstance(value, dict) else value for name, value in told.items()}
        self.stdout.write(json.dumps({**counts, "seconds": round(time.monotonic() - begun, 3)}))

    def _import(self, options: dict[str, Any], now: Any) -> ImportResult:
        source: str = options["source"]
        how: dict[str, Any] = {
            "mode": "replace" if options["replace"] else "add",
            "author": execution.SEEDBED,
        }
        if "://" in source:
            return execution.import_remote(
                url=source,
                branch=options["branch"] or "main",
                username=options["username"],
                token_setting=options["token_setting"],
                now=now,
                **how,
            )
        path = Path(source)
        store = tree.taxonomy_store()
        how |= {"when": now, "source": path.resolve().name}
        if path.is_dir():
            if is_repository(path) and not options["files_only"]:
                return import_history(store, fetch_local(store, path, options["branch"]), **how)
            return import_files(store, read_folder(path), **how)
        try:
            with path.open("rb") as file:
                return import_files(store, read_archive(file, path.name), **how)
        except OSError as error:
            raise CommandError(f"{source} cannot be read: {error.strerror}. Check the name.") from error
