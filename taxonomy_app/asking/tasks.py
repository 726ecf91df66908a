"""Askings' short jobs on the queue ``default``."""

from __future__ import annotations

from typing import Any

from celery import shared_task
from django.db import OperationalError
from django.utils import timezone

from taxonomy_app.asking import services
from workers.asking.specs import ASKING_REPORT_TASK


@shared_task(name=ASKING_REPORT_TASK, autoretry_for=(OperationalError,), retry_backoff=True, max_retries=6)
def report(report: dict[str, Any]) -> bool:
    """Take in a word from a worker."""
    return services.asking_report(report=report, now=timezone.now())


@shared_task(name="seedbed.asking.reap")
def reap() -> int:
    """Send again what got lost; asked for by the clock."""
    return services.askings_reap(now=timezone.now())
