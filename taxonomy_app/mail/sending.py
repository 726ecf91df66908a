"""The outbox of e-mails, in the default worker: nothing is lost while the mail server is away, nothing is sent twice.

A message in the server's hands and its mark in the database cannot be one transaction. So its row is marked right
before its text leaves (``backend``): a worker that is killed earlier has sent nothing, and the message is tried again;
one that is killed later may have, and the message is not repeated but counted as “perhaps arrived”. What an e-mail
tells is also told in the app, and a confirmation can be asked for again: one too few does less harm than two.
"""

from __future__ import annotations

import logging
import smtplib
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db.models import F

from taxonomy_app.mail import choices
from taxonomy_app.mail.links import absolute, unsubscribe_path
from taxonomy_app.mail.models import Choice, Delivery, Email
from taxonomy_app.mail.services import emails_forget

_LOG = logging.getLogger(__name__)
# While one run works on a message, another leaves it alone; a killed one is taken up after this. Far longer than the
# time that a connection may take (EMAIL_TIMEOUT for each answer).
LEASE = timedelta(minutes=5)
# One minute after the first try, then twice as long each time up to six hours: three days in all.
FIRST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=6)
MOST_ATTEMPTS = 20
# So much of one run; other work of the queue has its turn in between.
MOST_AT_ONCE = 50
MOST_SECONDS = 20.0


@dataclass
class SendResult:
    """How many messages one run brought to which end."""

    sent: int = 0
    postponed: int = 0
    refused: int = 0
    given_up: int = 0
    unsure: int = 0
    dropped: int = 0


class _Taken(Exception):
    """Another run has this message; nothing was sent."""


def emails_send(*, now: datetime) -> SendResult:
    """Send what is due. Safe to run in several processes at once and to kill at any time."""
    result = SendResult()
    if not choices.email_is_on():
        return result
    result.unsure += _give_up_on_unanswered(now=now)
    emails_forget(now=now)
    due = list(Email.objects.due(now=now).select_related("person")[:MOST_AT_ONCE])
    if not due:
        return result
    begun = time.monotonic()
    connection = get_connection()
    try:
        connection.open()
    except (smtplib.SMTPException, OSError) as error:
        _LOG.warning("The mail server cannot be reached: %s", error)
        for email in due:
            if _lease(email, now=now):
                _postpone(email, f"The mail server cannot be reached: {_told(error)}", result, now=now)
        return result
    try:
        for email in due:
            if time.monotonic() - begun > MOST_SECONDS or not _one(connection, email, result, now=now):
                break
    finally:
        try:
            connection.close()
        except (smtplib.SMTPException, OSError):
            _LOG.info("The mail server had closed the connection already.")
    return result


def _one(connection: Any, email: Email, result: SendResult, *, now: datetime) -> bool:
    """Bring one message to its end; whether the connection is good for another one."""
    if not _lease(email, now=now):
        return True
    if not _still_wanted(email):
        _settle(email, Email.State.DROPPED, "", now=now)
        result.dropped += 1
        return True
    handed_over = False

    def handing_over() -> None:
        nonlocal handed_over
        marked = Email.objects.waiting().filter(pk=email.pk, attempts=email.attempts)
        if not marked.update(state=Email.State.HANDED_OVER, settled_at=now):
            raise _Taken
        handed_over = True

    if hasattr(connection, "tell"):
        connection.tell(handing_over)
    else:  # a backend that hands over in one step
        handing_over()
    try:
        connection.send_messages([message(email)])
    except _Taken:
        return False
    except smtplib.SMTPResponseException as error:
        # The server's answer, to the sender or to the message itself: it has not taken it.
        text = f"{error.smtp_code} {_told(error)}"
        if isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= 500:
            _settle(email, Email.State.REFUSED, text, now=now)
            result.refused += 1
        else:
            _postpone(email, text, result, now=now)
        return error.smtp_code != 421
    except smtplib.SMTPRecipientsRefused as error:
        code, said = next(iter(error.recipients.values()))
        text = f"{code} {said.decode('utf-8', 'replace') if isinstance(said, bytes) else said}"
        if code >= 500:
            _settle(email, Email.State.REFUSED, text, now=now)
            result.refused += 1
        else:
            _postpone(email, text, result, now=now)
        return code != 421
    except Exception as error:  # noqa: BLE001  # one message that fails does not hold up the others
        if handed_over:
            _settle(email, Email.State.UNSURE, f"No answer came to what was handed over: {_told(error)}", now=now)
            result.unsure += 1
        else:
            _postpone(email, _told(error), result, now=now)
        if not isinstance(error, smtplib.SMTPException | OSError):
            _LOG.exception("E-mail %s could not be sent", email.pk)
        return False
    _settle(email, Email.State.SENT, "", now=now, text="", html="")
    result.sent += 1
    return True


def message(email: Email) -> EmailMultiAlternatives:
    """The message as it leaves. Its Message-ID is that of its row: one that a reader gets twice is known as one."""
    host = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    headers = {
        "Message-ID": f"<seedbed-{email.pk}-{email.created_at:%Y%m%d%H%M%S}@{host}>",
        "Auto-Submitted": "auto-generated",
    }
    if email.kind != Email.Kind.CONFIRMATION:
        link = absolute(unsubscribe_path(email.person, email.kind))
        headers["List-Unsubscribe"] = f"<{link}>"
        if link.startswith("https://"):  # RFC 8058, section 3.1
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    made = EmailMultiAlternatives(email.subject, email.text, to=[email.address], headers=headers)
    made.attach_alternative(email.html, "text/html")
    return made


def _still_wanted(email: Email) -> bool:
    person = email.person
    if not person.is_active or person.email != email.address:
        return False
    if email.kind == Email.Kind.CONFIRMATION:
        return person.email_confirmed_at is None
    if email.kind == Email.Kind.REVIEWERS:
        off = Choice.objects.filter(person=person, kind=choices.REVIEWERS, delivery=Delivery.OFF).exists()
        return person.can_review and not off and person.email_confirmed_at is not None
    return person.email_confirmed_at is not None


# --- Marks in the database --------------------------------------------------------------------------


def _lease(email: Email, *, now: datetime) -> bool:
    """Take this message for one run, by a conditional UPDATE."""
    taken = (
        Email.objects.due(now=now)
        .order_by()
        .filter(pk=email.pk, attempts=email.attempts)
        .update(attempts=F("attempts") + 1, next_try_at=now + LEASE)
    )
    email.attempts += 1
    return bool(taken)


def _mine(email: Email) -> Any:
    """The row, if no other run has taken it meanwhile."""
    states = (Email.State.WAITING, Email.State.HANDED_OVER)
    return Email.objects.filter(pk=email.pk, attempts=email.attempts, state__in=states)


def _settle(email: Email, state: str, problem: str, *, now: datetime, **fields: Any) -> None:
    _mine(email).update(state=state, problem=problem[:500], settled_at=now, next_try_at=None, **fields)


def _postpone(email: Email, problem: str, result: SendResult, *, now: datetime) -> None:
    if email.attempts >= MOST_ATTEMPTS:
        _LOG.error("E-mail %s is given up after %s tries: %s", email.pk, email.attempts, problem)
        _settle(email, Email.State.GIVEN_UP, problem, now=now)
        result.given_up += 1
        return
    wait = min(FIRST_WAIT * 2 ** (email.attempts - 1), LONGEST_WAIT)
    _mine(email).update(state=Email.State.WAITING, problem=problem[:500], next_try_at=now + wait, settled_at=None)
    result.postponed += 1


def _give_up_on_unanswered(*, now: datetime) -> int:
    """Messages whose worker ended while the server was taking them."""
    left = Email.objects.filter(state=Email.State.HANDED_OVER, settled_at__lte=now - LEASE)
    return left.update(
        state=Email.State.UNSURE,
        problem="The worker ended while the mail server was taking it.",
        settled_at=now,
        next_try_at=None,
    )


def _told(error: Exception) -> str:
    """What went wrong, in the server's words where it has said any."""
    said = getattr(error, "smtp_error", None)
    if isinstance(said, bytes):
        return said.decode("utf-8", "replace")
    return str(said or error or type(error).__name__)
