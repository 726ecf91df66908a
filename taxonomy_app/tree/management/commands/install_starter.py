"""Put the starter taxonomy into a new installation and index it. Safe to repeat."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from taxonomy_app.tree import services


class Command(BaseCommand):
    help = "Create the taxonomy with the starter leaves if it is empty, and bring the index up to date."

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported late: only this command needs it.
        from taxonomy_repo.starter import install_starter

        store, documents = services.taxonomy_store(), services.document_store()
        store.create()
        documents.create()
        now = timezone.now()
        if store.head() is None:
            install_starter(store, documents, now)
        result = services.index_update(now=now)
        self.stdout.write(f"The taxonomy is at {(result.commit or 'nothing')[:12]}.")
