"""Jobs of the taxonomy's index: short ones, and on the queue ``transfers`` those that may take minutes."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from taxonomy_app.tree import services
from taxonomy_app.tree.similarity.vectors import vectors_update


@shared_task(name="seedbed.tree.index")
def index() -> None:
    """Bring the index to the newest commit; does nothing when it is there."""
    services.index_update(now=timezone.now())


@shared_task(name="seedbed.tree.vectors")
def vectors() -> None:
    """Give leaves that are new or changed their vectors; does nothing when all have theirs."""
    vectors_update(now=timezone.now())


@shared_task(name="seedbed.tree.maintain")
def maintain() -> None:
    """Tidy the repositories where they have become untidy."""
    services.repositories_maintain()
