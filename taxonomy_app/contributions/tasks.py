"""The contributions' background job; beat and every approval ask for it."""

from celery import shared_task
from django.utils import timezone

from taxonomy_app.contributions.outbox import outbox_run


@shared_task(name="seedbed.contributions.outbox")
def outbox() -> None:
    """Commit what was approved."""
    outbox_run(now=timezone.now())
