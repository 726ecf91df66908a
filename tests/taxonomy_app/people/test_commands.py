"""Accounts from the shell."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from taxonomy_app.people.models import User

pytestmark = pytest.mark.django_db


def create(monkeypatch: pytest.MonkeyPatch, *arguments: str, password: str = "under-the-old-oak") -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
    call_command("create_person", *arguments, "--password-stdin", stdout=io.StringIO())


def test_the_first_person_is_administrator_and_the_next_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    create(monkeypatch, "ines", "ines@example.org")
    create(monkeypatch, "rosa", "rosa@example.org")
    assert dict(User.objects.values_list("username", "role")) == {"ines": "administrator", "rosa": "contributor"}
    assert authenticate(username="ines", password="under-the-old-oak") is not None


def test_a_weak_password_is_one_sentence_and_no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="too short"):
        create(monkeypatch, "ines", "ines@example.org", password="short")
    assert not User.objects.exists()


def test_an_account_that_is_there_is_left_alone_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    create(monkeypatch, "ines", "ines@example.org")
    create(monkeypatch, "ines", "other@example.org", "--if-missing", "--role", "contributor")
    assert User.objects.get().role == "administrator"


def test_demo_accounts_need_the_demonstration_and_are_opened_once(settings: Any) -> None:
    with pytest.raises(CommandError, match="SEEDBED_DEMO"):
        call_command("open_demo_accounts")
    settings.DEMO = True
    for _ in range(2):
        output = io.StringIO()
        call_command("open_demo_accounts", stdout=output)
    rows = json.loads(output.getvalue())
    assert {row["role"] for row in rows} == {"contributor", "reviewer", "administrator"}
    assert all(authenticate(username=row["username"], password=row["password"]).role == row["role"] for row in rows)
    assert User.objects.count() == 3
