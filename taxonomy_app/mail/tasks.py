"""The background jobs of e-mail, on the queue ``default``."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from taxonomy_app.contributions import mailing
from taxonomy_app.mail import sending


@shared_task(name="seedbed.mail.send")
def send() -> None:
    """Gather what is to be told at once, and send what waits; asked for by what happens, and by the clock."""
    now = timezone.now()
    mailing.notices_gather(now=now)
    sending.emails_send(now=now)


@shared_task(name="seedbed.mail.digests")
def digests() -> None:
    """Gather the digests whose readers' morning has come; asked for by the clock."""
    now = timezone.now()
    mailing.daily_digests_gather(now=now)
    mailing.weekly_digests_gather(now=now)
