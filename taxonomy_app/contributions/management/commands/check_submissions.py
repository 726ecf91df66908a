"""Check again what waits for review, as after an update that brought other checks."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from taxonomy_app.contributions.findings import findings_renew


class Command(BaseCommand):
    help = "Check every submission that waits for review again, so that the queue's filter by checks is up to date."

    def handle(self, *args: Any, **options: Any) -> None:
        count = findings_renew()
        self.stdout.write(f"{count} submission{'' if count == 1 else 's'} checked.")
