"""The demonstration's accounts are of no use where there is no demonstration."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from taxonomy_app.people.demo import DEMO_ACCOUNTS

pytestmark = pytest.mark.django_db


def sign_in(client: Client, account: Any) -> Any:
    return client.post("/people/sign-in/", {"identifier": account.username, "password": account.password})


def test_demo_accounts_sign_in_during_the_demonstration_only(settings: Any) -> None:
    settings.DEMO = True
    printed = io.StringIO()
    call_command("open_demo_accounts", stdout=printed)
    rows = json.loads(printed.getvalue().splitlines()[-1])
    assert [row["role"] for row in rows] == ["contributor", "reviewer", "administrator"]
    for account in DEMO_ACCOUNTS:
        assert sign_in(Client(), account).status_code == 302
    settings.DEMO = False
    for account in DEMO_ACCOUNTS:
        client = Client()
        answer = sign_in(client, account)
        assert answer.status_code == 422
        assert "which everybody may know" in answer.content.decode()
        assert "_auth_user_id" not in client.session


def test_opening_the_accounts_is_refused_outside_the_demonstration(settings: Any) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError, match="SEEDBED_DEMO=true"):
        call_command("open_demo_accounts")


def test_opening_the_accounts_twice_keeps_the_first(settings: Any) -> None:
    from taxonomy_app.people.models import User

    settings.DEMO = True
    for _ in range(2):
        call_command("open_demo_accounts", stdout=io.StringIO())
    assert User.objects.count() == len(DEMO_ACCOUNTS)
