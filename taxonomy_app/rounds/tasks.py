"""Rounds' short jobs on the queue ``default``: each fetches what it needs and calls a service."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.db import OperationalError
from django.utils import timezone

from taxonomy_app.rounds import services
from taxonomy_app.rounds.services.plan import PREPARE_TASK
from workers.specs import REPORT_TASK

# A database that is busy or away for a moment must not lose a worker's word.
_AGAIN: dict[str, Any] = {"autoretry_for": (OperationalError,), "retry_backoff": True, "max_retries": 6}


@shared_task(name=REPORT_TASK, **_AGAIN)
def report(report: dict[str, Any]) -> bool:
    """Take in a word from a GPU worker."""
    return services.report_apply(report=report, now=timezone.now())


@shared_task(name="seedbed.rounds.reap")
def reap() -> int:
    """Give up attempts that say nothing; asked for by the clock."""
    return services.attempts_reap(now=timezone.now())


@shared_task(name=PREPARE_TASK, **_AGAIN)
def prepare(round_id: str) -> bool:
    """Write a started round's plan for the workers and send its first stage."""
    return services.round_prepare(round_id=round_id, now=timezone.now())
