"""Code hosts' messages: believed by their signature alone, coalesced, and never an error for what they hold."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from taxonomy_app.exchange import services
from taxonomy_app.exchange.models import Remote, Transfer

SECRET = "between-the-two-of-us"
BODY = json.dumps({"ref": "refs/heads/main"}).encode()


@pytest.fixture
def remote(db: None, now: Any, monkeypatch: pytest.MonkeyPatch) -> Remote:
    monkeypatch.setenv("SEEDBED_WEBHOOK_SECRET", SECRET)
    monkeypatch.setattr(services, "transfers_send", lambda: None)
    made: Remote = Remote.objects.create(
        name="origin",
        url="https://github.com/example/taxonomy.git",
        secret_setting="SEEDBED_WEBHOOK_SECRET",
        pushes=False,
        created_at=now,
    )
    return made


def signature(body: bytes = BODY, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def send(body: bytes = BODY, name: str = "origin", **headers: str) -> int:
    """A message as a code host sends it: no session, no CSRF token."""
    client = Client(enforce_csrf_checks=True)
    told = {f"HTTP_{key.upper()}": value for key, value in headers.items()}
    response = client.post(reverse("exchange:hook", args=[name]), body, content_type="application/json", **told)
    return response.status_code


@pytest.mark.parametrize(
    "headers",
    [
        {"x_hub_signature_256": f"sha256={signature()}"},
        {"x_gitea_signature": signature()},
        {"x_forgejo_signature": signature()},
        {"x_gitlab_token": SECRET},
    ],
)
def test_a_signed_message_asks_for_a_synchronisation(headers: dict[str, str], remote: Remote) -> None:
    assert send(**headers) == 202
    made = Transfer.objects.get()
    assert (made.kind, made.remote, made.person, made.state) == ("sync", remote, None, "waiting")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x_hub_signature_256": "sha256="},
        {"x_hub_signature_256": f"sha256={signature(b'another body')}"},
        {"x_hub_signature_256": f"sha256={signature(secret='guessed')}"},
        {"x_hub_signature_256": f"sha1={signature()}"},
        {"x_gitea_signature": "ä"},
        {"x_gitlab_token": "-"},
        {"x_gitlab_token": ""},
    ],
)
def test_a_message_that_is_not_signed_with_the_secret_is_refused(headers: dict[str, str], remote: Remote) -> None:
    assert send(**headers) == 403
    assert not Transfer.objects.exists()


def test_a_remote_without_a_secret_believes_nobody(remote: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEEDBED_WEBHOOK_SECRET")
    for headers in ({"x_gitlab_token": "-"}, {"x_hub_signature_256": f"sha256={signature(secret='-')}"}):
        assert send(**headers) == 403
        assert send(name="nobody", **headers) == 403
    Remote.objects.update(secret_setting="")
    assert send(x_gitlab_token="") == 403


def test_many_messages_are_one_synchronisation(remote: Remote) -> None:
    assert {send(x_gitlab_token=SECRET) for _ in range(5)} == {202}
    assert Transfer.objects.count() == 1


def test_a_push_to_another_branch_is_nothing_to_do_and_what_cannot_be_understood_may_be_ours(remote: Remote) -> None:
    other = json.dumps({"ref": "refs/heads/other"}).encode()
    assert send(other, x_gitlab_token=SECRET) == 200
    assert not Transfer.objects.exists()
    for body in (b"not json", b"[]", b'{"ref": 7}', b"\xff", b"{}"):
        assert send(body, x_gitlab_token=SECRET) == 202


def test_three_people_who_are_signed_in_are_no_signature(
    remote: Remote, client_for: Callable[..., Client], contributor: Any, reviewer: Any, administrator: Any
) -> None:
    for person in (contributor, reviewer, administrator):
        client = client_for(person)
        url = reverse("exchange:hook", args=["origin"])
        assert client.post(url, BODY, content_type="application/json").status_code == 403
        assert client.get(url).status_code == 405
