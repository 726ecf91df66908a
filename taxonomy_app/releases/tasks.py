"""Releases' short job on the queue ``default``, the only writer of git."""

from __future__ import annotations

from celery import shared_task

from taxonomy_app.releases import services


@shared_task(name=services.TAG_TASK)
def tag() -> None:
    """Tag what was published in the taxonomy; asked for by each publishing, and by the clock."""
    services.releases_tag()
