"""An address counts once its owner has followed the link sent to it; where e-mail is off accounts work as ever."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import signing
from django.urls import reverse

from taxonomy_app.mail import sending
from taxonomy_app.mail.models import Email
from taxonomy_app.people import services
from taxonomy_app.people.models import User
from tests.taxonomy_app.mail.conftest import mail  # noqa: F401  # a fixture

pytestmark = pytest.mark.django_db
LENA = {"name": "Lena Moss", "username": "lena", "email": "lena@example.org", "password": "under-the-old-oak"}


def link_in(text: str) -> str:
    return next(line for line in text.splitlines() if "/people/confirm/" in line).removeprefix("https://beds.example")


def test_a_new_account_is_sent_a_link_that_confirms_its_address(client, mail):  # noqa: F811
    client.post(reverse("people:register"), LENA)
    lena = User.objects.get(username="lena")
    assert lena.email_confirmed_at is None
    assert sending.emails_send(now=lena.date_joined).sent == 1
    assert mail.recipients == ["lena@example.org"]
    assert mail.messages[0]["List-Unsubscribe"] is None
    link = link_in(mail.parts()[0])
    client.logout()
    # Following it is not enough: programs do that.
    assert client.get(link).status_code == 200
    lena.refresh_from_db()
    assert lena.email_confirmed_at is None
    assert client.post(link).status_code == 302
    lena.refresh_from_db()
    assert lena.email_confirmed_at is not None


def test_where_email_is_off_one_joins_as_ever_and_administrators_see_it(client, client_for, administrator):
    client.post(reverse("people:register"), LENA)
    assert client.session["_auth_user_id"]
    assert not Email.objects.exists()
    page = client_for(administrator).get(reverse("people:person", args=["lena"])).content.decode()
    assert "Not confirmed" in page
    User.objects.filter(username="lena").update(email_confirmed_at=administrator.date_joined)
    page = client_for(administrator).get(reverse("people:person", args=["lena"])).content.decode()
    assert "Not confirmed" not in page


def test_a_link_runs_out_and_is_for_one_address(contributor, client, now, monkeypatch):
    token = signing.dumps([contributor.pk, contributor.email], salt=services._CONFIRM)
    assert services.confirmation_read(token) == contributor
    assert services.confirmation_read(token[:-2]) is None
    contributor.email = "other@example.org"
    contributor.save()
    assert services.confirmation_read(token) is None
    assert client.post(reverse("people:confirm_email", args=[token])).status_code == 404
    token = signing.dumps([contributor.pk, contributor.email], salt=services._CONFIRM)
    monkeypatch.setattr(services, "CONFIRM_WITHIN", timedelta(seconds=-1))
    assert services.confirmation_read(token) is None


def test_another_address_is_to_be_confirmed_anew(contributor, client_for, now, mail):  # noqa: F811
    contributor.email_confirmed_at = now
    contributor.save()
    client = client_for(contributor)
    client.post(reverse("people:profile"), {"name": "Rosa Lind-Weil", "email": "rosa@example.org"})
    contributor.refresh_from_db()
    assert contributor.email_confirmed_at == now
    assert not Email.objects.exists()
    client.post(reverse("people:profile"), {"name": "Rosa Lind-Weil", "email": "rosa@new.example"})
    contributor.refresh_from_db()
    assert (contributor.name, contributor.email_confirmed_at) == ("Rosa Lind-Weil", None)
    assert [email.address for email in Email.objects.all()] == ["rosa@new.example"]


def test_links_are_not_sent_without_end(contributor, client_for, now, mail):  # noqa: F811
    client = client_for(contributor)
    for _ in range(services.MOST_CONFIRMATIONS + 2):
        answer = client.post(reverse("people:send_confirmation"), follow=True)
    assert Email.objects.count() == services.MOST_CONFIRMATIONS
    assert "try again tomorrow" in answer.content.decode()
