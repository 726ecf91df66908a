"""Writes of this app: an e-mail is added to the outbox in the transaction of what it tells; ``sending`` sends it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse
from kombu.exceptions import OperationalError

from taxonomy_app.mail.choices import email_is_on
from taxonomy_app.mail.links import absolute, unsubscribe_path
from taxonomy_app.mail.models import Email

if TYPE_CHECKING:
    from taxonomy_app.people.models import User

_LOG = logging.getLogger(__name__)
# What was settled so long ago is forgotten.
KEPT = timedelta(days=30)


def email_add(
    *, person: User, kind: str, subject: str, template: str, context: dict[str, Any], now: datetime, key: str = ""
) -> Email | None:
    """Put one message into the outbox, rendered from ``templates/mail/<template>.txt`` and ``.html``.

    None where e-mail is off. The default worker is asked to send it once the transaction has been committed.

    Raises:
        IntegrityError: one with this ``key`` is there already.
    """
    if not email_is_on():
        return None
    shown = {"person": person, "site": settings.SITE_URL, "subject": subject, **context}
    if kind != Email.Kind.CONFIRMATION:
        shown["unsubscribe"] = absolute(unsubscribe_path(person, kind))
        shown["choose"] = absolute(reverse("mail:choices"))
    email = Email.objects.create(
        person=person,
        address=person.email,
        kind=kind,
        # A title that a person wrote may hold a line's end; a header may not.
        subject=" ".join(subject.split())[:200],
        text=render_to_string(f"mail/{template}.txt", shown),
        html=render_to_string(f"mail/{template}.html", shown),
        key=key or None,
        created_at=now,
    )
    transaction.on_commit(emails_send_soon)
    return email


def emails_send_soon() -> None:
    """Ask the default worker. With Redis away nothing is lost: the clock asks again."""
    from taxonomy_app.mail.tasks import send

    try:
        send.apply_async(retry=False)
    except OperationalError:
        _LOG.warning("Redis cannot be reached; e-mails leave when the clock next asks for them.")


def emails_retry(*, now: datetime) -> int:
    """Try once more, from the beginning, all that was given up or refused and is still kept; how many.

    What perhaps arrived is left alone: nobody shall get it twice.
    """
    again = Email.objects.filter(state__in=(Email.State.GIVEN_UP, Email.State.REFUSED)).exclude(text="")
    count = again.update(state=Email.State.WAITING, attempts=0, next_try_at=now, settled_at=None)
    if count:
        transaction.on_commit(emails_send_soon)
    return count


def emails_forget(*, now: datetime) -> int:
    """Remove what was settled long ago; how many."""
    done = Email.objects.exclude(state__in=(Email.State.WAITING, Email.State.HANDED_OVER))
    return done.filter(settled_at__lt=now - KEPT).delete()[0]
