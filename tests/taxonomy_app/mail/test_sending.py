"""The outbox of e-mails against a real SMTP server: away, refusing, stalling, and workers that are killed."""

from __future__ import annotations

import os
import signal
import socket
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from taxonomy_app.mail import sending, services
from taxonomy_app.mail.models import Email
from tests.taxonomy_app.mail.conftest import confirm, through

pytestmark = pytest.mark.django_db


def add(person: Any, now: Any, kind: str = "notices", subject: str = "Something happened") -> Email:
    context = {"told": [], "more": 0, "all": "https://beds.example/", "link": "https://beds.example/", "days": 3}
    template = "confirmation" if kind == "confirmation" else "notices"
    made = services.email_add(person=person, kind=kind, subject=subject, template=template, context=context, now=now)
    assert made is not None
    return made


def state(email: Email) -> tuple[str, int]:
    email.refresh_from_db()
    return email.state, email.attempts


def test_a_message_arrives_whole_and_its_text_is_not_kept(contributor, now, mail):
    confirm(contributor, now=now)
    email = add(contributor, now, subject="A title\nwith a line's end")
    assert sending.emails_send(now=now).sent == 1
    message = mail.messages[0]
    assert mail.recipients == ["rosa@example.org"]
    assert (message["From"], message["To"]) == ("Seedbed <seedbed@beds.example>", "rosa@example.org")
    assert message["Subject"] == "A title with a line's end"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"].strip().startswith("<https://beds.example/mail/unsubscribe/")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["Message-ID"].endswith("@beds.example>")
    plain, html = mail.parts()
    assert "Hello Rosa" in plain
    assert "Hello Rosa" in html
    assert state(email) == ("sent", 1)
    assert (email.text, email.html) == ("", "")
    assert sending.emails_send(now=now + timedelta(days=1)).sent == 0
    assert len(mail.messages) == 1


def test_while_the_server_is_away_nothing_is_lost(contributor, now, mail, settings):
    confirm(contributor, now=now)
    email = add(contributor, now)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        through(settings, free.getsockname()[1])  # nobody listens there
        assert sending.emails_send(now=now).postponed == 1
        assert state(email) == ("waiting", 1)
        assert "cannot be reached" in email.problem
        # Not due yet; then due, and later each time.
        assert sending.emails_send(now=now + timedelta(seconds=59)).postponed == 0
        assert sending.emails_send(now=now + timedelta(seconds=60)).postponed == 1
        assert email.next_try_at == now + timedelta(minutes=1)
        email.refresh_from_db()
        assert email.next_try_at == now + timedelta(minutes=3)
    through(settings, mail.port)
    assert sending.emails_send(now=now + timedelta(minutes=3)).sent == 1
    assert state(email) == ("sent", 3)


def test_what_no_server_takes_in_three_days_is_given_up_and_can_be_tried_again(contributor, now, mail, settings):
    confirm(contributor, now=now)
    email = add(contributor, now)
    port = mail.port
    mail.answers["MAIL FROM"] = "451 come back later"
    moment = now
    while state(email)[0] == "waiting":
        sending.emails_send(now=moment)
        email.refresh_from_db()
        moment = email.next_try_at or moment
    assert state(email) == ("given_up", sending.MOST_ATTEMPTS)
    assert timedelta(days=2.5) < moment - now < timedelta(days=3.5)
    assert email.problem == "451 come back later"
    assert list(Email.objects.undelivered()) == [email]
    mail.answers.clear()
    through(settings, port)
    assert services.emails_retry(now=moment) == 1
    assert sending.emails_send(now=moment).sent == 1


@pytest.mark.parametrize(
    ("command", "answer", "becomes"),
    [
        ("RCPT", "550 no such person", "refused"),
        ("RCPT", "450 mailbox is busy", "waiting"),
        (".", "554 looks like spam", "refused"),
        (".", "452 the disk is full", "waiting"),
        ("DATA", "451 not now", "waiting"),
        ("MAIL", "550 not from here", "waiting"),
        ("MAIL", "drop", "waiting"),
        ("RCPT", "drop", "waiting"),
        (".", "drop", "unsure"),
    ],
)
def test_each_answer_of_the_server_leads_to_its_end(command, answer, becomes, contributor, now, mail):
    confirm(contributor, now=now)
    email = add(contributor, now)
    mail.answers[command] = answer
    sending.emails_send(now=now)
    assert state(email) == (becomes, 1)
    assert email.problem
    assert mail.messages == []
    mail.answers.clear()
    sending.emails_send(now=now + timedelta(days=1))
    assert len(mail.messages) == (1 if becomes == "waiting" else 0)


def test_one_refused_address_does_not_hold_up_the_others(contributor, other_contributor, now, mail):
    confirm(contributor, other_contributor, now=now)
    bad, good = add(contributor, now), add(other_contributor, now)
    mail.answers["RCPT TO:<rosa"] = "550 no such person"
    sending.emails_send(now=now)
    assert (state(bad)[0], state(good)[0]) == ("refused", "sent")
    assert mail.connections == 1


def test_what_is_not_wanted_any_more_is_not_sent(contributor, other_contributor, reviewer, now, mail):
    confirm(contributor, other_contributor, now=now)
    closed, moved, unconfirmed = add(contributor, now), add(other_contributor, now), add(reviewer, now)
    contributor.is_active = False
    contributor.save()
    other_contributor.email = "elsewhere@example.org"
    other_contributor.save()
    assert sending.emails_send(now=now).dropped == 3
    assert {state(email)[0] for email in (closed, moved, unconfirmed)} == {"dropped"}
    assert mail.messages == []


def test_where_email_is_off_nothing_is_kept_to_be_sent_later(contributor, now, settings):
    assert settings.EMAIL is None
    made = services.email_add(person=contributor, kind="notices", subject="x", template="notices", context={}, now=now)
    assert made is None
    assert not Email.objects.exists()


def test_what_was_settled_long_ago_is_forgotten(contributor, now, mail):
    confirm(contributor, now=now)
    add(contributor, now)
    sending.emails_send(now=now)
    waiting = add(contributor, now)
    Email.objects.filter(pk=waiting.pk).update(next_try_at=now + timedelta(days=90))
    sending.emails_send(now=now + timedelta(days=31))
    assert list(Email.objects.all()) == [waiting]


# --- Workers that are killed --------------------------------------------------------------------------


def _killed_at(mail: Any, command: str, now: Any) -> None:
    """Run the worker's part in a process of its own and kill it while the server is silent after ``command``."""
    mail.answers[command] = "stall"
    connection.close()  # a connection is not shared with a child
    pid = os.fork()
    if pid == 0:
        try:
            sending.emails_send(now=now)
        finally:
            os._exit(1)
    reached = mail.reached.wait(20)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert reached
    assert os.WIFSIGNALED(status)
    mail.answers.clear()


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_before_the_text_left_has_sent_nothing_and_another_sends_it_once(contributor, now, mail):
    confirm(contributor, now=now)
    email = add(contributor, now)
    _killed_at(mail, "RCPT", now)
    assert state(email) == ("waiting", 1)
    # The dead one's lease still runs.
    assert sending.emails_send(now=now + timedelta(minutes=1)).sent == 0
    assert sending.emails_send(now=now + sending.LEASE).sent == 1
    assert len(mail.messages) == 1


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_while_the_server_takes_it_is_never_followed_by_a_second_one(contributor, now, mail):
    confirm(contributor, now=now)
    email = add(contributor, now)
    _killed_at(mail, ".", now)
    assert state(email) == ("handed_over", 1)
    assert sending.emails_send(now=now + timedelta(minutes=1)).unsure == 0
    assert sending.emails_send(now=now + sending.LEASE).unsure == 1
    assert state(email) == ("unsure", 1)
    assert services.emails_retry(now=now + sending.LEASE) == 0
    sending.emails_send(now=now + timedelta(days=1))
    assert mail.messages == []
    assert list(Email.objects.undelivered()) == [email]


@pytest.mark.django_db(transaction=True)
def test_a_worker_whose_lease_ran_out_sends_nothing(contributor, now, mail, monkeypatch):
    confirm(contributor, now=now)
    email = add(contributor, now)
    opened = sending.message

    def slow(email: Email) -> Any:
        # Another run takes the message while this one is on its way to the server.
        Email.objects.filter(pk=email.pk).update(attempts=email.attempts + 1)
        return opened(email)

    monkeypatch.setattr(sending, "message", slow)
    assert sending.emails_send(now=now).sent == 0
    assert mail.messages == []
    assert state(email) == ("waiting", 2)
