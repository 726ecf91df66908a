"""E-mail turned on, through a real SMTP server of the test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from taxonomy_app.environment import EmailSettings
from taxonomy_app.mail import services
from tests.mail_server import MailServer, mail_server


@pytest.fixture
def mail(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[MailServer]:
    """The server. Nobody is asked to send: each test runs the worker's part itself."""
    with mail_server() as server:
        through(settings, server.port)
        monkeypatch.setattr(services, "emails_send_soon", lambda: None)
        monkeypatch.setattr("taxonomy_app.contributions.notices.emails_send_soon", lambda: None)
        monkeypatch.setattr("taxonomy_app.contributions.deciding.outbox_send", lambda: None)
        yield server


def through(settings: Any, port: int) -> None:
    """Turn e-mail on, through this port."""
    settings.EMAIL = EmailSettings("127.0.0.1", port, "", "", False, False, "Seedbed <seedbed@beds.example>")
    settings.EMAIL_BACKEND = "taxonomy_app.mail.backend.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 5
    settings.DEFAULT_FROM_EMAIL = settings.EMAIL.sender
    settings.SITE_URL = "https://beds.example"


def confirm(*people: Any, now: Any) -> None:
    """Their addresses are confirmed."""
    for person in people:
        person.email_confirmed_at = now
        person.save(update_fields=["email_confirmed_at"])
