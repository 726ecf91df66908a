"""Hand out the taxonomy: all of it, or only the leaves that changed since a version or a release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from taxonomy_app.releases.models import Release
from taxonomy_app.tree.services import taxonomy_store
from taxonomy_repo.exporting import export_archive, export_folder
from taxonomy_repo.repository import FULL_NAME, StoreProblem


class Command(BaseCommand):
    help = (
        "Write the taxonomy, byte for byte, into TARGET: a .zip, a .tar.gz, or a folder that is not there yet. "
        "The last line is JSON with what was done."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("target", type=Path)
        parser.add_argument("--since", default="", help="only leaves that changed since this commit or release's name")
        parser.add_argument("--commit", default="", help="the taxonomy as it was at this commit")

    def handle(self, *args: Any, **options: Any) -> None:
        store = taxonomy_store()
        target: Path = options["target"]
        kind = next((one for one in ("zip", "tar.gz") if target.name.endswith(f".{one}")), None)
        try:
            commit = options["commit"] or store.head()
            if commit is None:
                raise CommandError("There is nothing in the taxonomy yet.")
            since = self._since(options["since"])
            if kind is None:
                done = export_folder(store, commit, target, since=since)
            else:
                with target.open("xb") as file:
                    done = export_archive(store, commit, file, kind=kind, since=since)  # type: ignore[arg-type]
        except FileExistsError as error:
            raise CommandError(f"{target} is there already. Name another one.") from error
        except OSError as error:
            raise CommandError(f"{target} cannot be written: {error.strerror}.") from error
        except StoreProblem as problem:
            raise CommandError(str(problem)) from problem
        told = {"commit": done.commit, "since": done.since, "leaves": done.leaves, "files": done.files}
        self.stdout.write(json.dumps({**told, "changes": len(done.changes)}))

    def _since(self, text: str) -> str | None:
        if not text or FULL_NAME.match(text):
            return text or None
        release = Release.objects.filter(name=text).first()
        if release is None:
            raise CommandError(
                f"There is no release called {text}. Give its name, or a commit's full name of 40 digits."
            )
        return str(release.taxonomy_commit)
