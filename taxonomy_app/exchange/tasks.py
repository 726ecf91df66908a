"""The exchange's background jobs, on the queue ``transfers``."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from taxonomy_app.exchange import execution


@shared_task(name="seedbed.exchange.run")
def run() -> int:
    """Do the transfers that wait."""
    return execution.transfers_run(now=timezone.now())


@shared_task(name="seedbed.exchange.tick")
def tick() -> None:
    """Ask remotes that were not asked for long, and do what waits; asked for by the clock."""
    execution.tick(now=timezone.now())
