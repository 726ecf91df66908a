"""Bring the index to the taxonomy's newest commit, or make it anew."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from taxonomy_app.tree import services


class Command(BaseCommand):
    help = "Bring the index of the taxonomy up to date; --rebuild forgets it first and makes it from git alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rebuild", action="store_true", help="forget the index and make it anew")

    def handle(self, *args: Any, **options: Any) -> None:
        services.taxonomy_store().create()
        begun = time.monotonic()
        update = services.index_rebuild if options["rebuild"] else services.index_update
        result = update(now=timezone.now())
        at = f"at {result.commit[:12]}" if result.commit else "empty: the taxonomy has no leaves"
        self.stdout.write(
            f"The index is {at}; {result.leaves_written} leaves written in {time.monotonic() - begun:.1f} s."
        )
