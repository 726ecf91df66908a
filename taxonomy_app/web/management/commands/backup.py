"""Copy everything that cannot be made again into a new folder, while the site runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from taxonomy_app.web.backup import BackupProblem, backup


class Command(BaseCommand):
    help = "Copy database, taxonomy, documents and artifacts into a new folder (docs/operating.md says how to restore)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("target", type=Path, help="a folder that is not there yet")
        parser.add_argument(
            "--without-artifacts", action="store_true", help="leave out what rounds made (models, samples, scores)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = backup(options["target"], now=timezone.now(), artifacts=not options["without_artifacts"])
        except BackupProblem as problem:
            raise CommandError(str(problem)) from problem
        except OSError as error:
            raise CommandError(f"The copy could not be finished: {error.strerror or error}.") from error
        self.stdout.write(json.dumps(asdict(made)))
