"""The door, one's own account, and what administrators do to accounts, through the pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from taxonomy_app.people import services, throttling
from taxonomy_app.people.models import RoleChange, User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
SIGN_IN = "/people/sign-in/"


def try_to_sign_in(client: Client, identifier: str, password: str, **more: str) -> Any:
    return client.post(SIGN_IN, {"identifier": identifier, "password": password, **more})


@pytest.mark.parametrize("identifier", ["rosa", "ROSA", "rosa@example.org", "Rosa@Example.org"])
def test_people_sign_in_by_username_or_address_in_any_case(identifier: str, contributor: User, client: Client) -> None:
    answer = try_to_sign_in(client, identifier, PASSWORD, next="/taxonomy/")
    assert (answer.status_code, answer.url) == (302, "/taxonomy/")
    assert client.session["_auth_user_id"] == str(contributor.pk)


@pytest.mark.parametrize("away", ["https://elsewhere.example/", "//elsewhere.example/", "javascript:alert(1)"])
def test_signing_in_never_leads_to_another_site(away: str, contributor: User, client: Client) -> None:
    assert try_to_sign_in(client, "rosa", PASSWORD, next=away).url == "/"


def test_a_wrong_name_and_a_wrong_password_get_the_same_sentence(contributor: User, client: Client) -> None:
    wrong = [try_to_sign_in(client, "rosa", "not-it"), try_to_sign_in(client, "nobody", PASSWORD)]
    assert [answer.status_code for answer in wrong] == [422, 422]
    sentences = [list(answer.context["form"].non_field_errors()) for answer in wrong]
    assert sentences[0] == sentences[1]
    assert "_auth_user_id" not in client.session


def test_after_too_many_failures_even_the_right_password_waits(contributor: User, client: Client) -> None:
    for number in range(throttling.MOST_BY_PAIR):
        try_to_sign_in(client, "rosa" if number % 2 else "rosa@example.org", "not-it")
    answer = try_to_sign_in(client, "rosa", PASSWORD)
    assert answer.status_code == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 15 * 60
    assert "_auth_user_id" not in client.session


def test_a_closed_account_cannot_sign_in_and_its_session_ends(
    contributor: User, administrator: User, client_for: Callable[..., Client], client: Client
) -> None:
    signed_in = client_for(contributor)
    client_for(administrator).post(reverse("people:close", args=["rosa"]), {"reason": "Left"})
    assert try_to_sign_in(client, "rosa", PASSWORD).status_code == 422
    assert signed_in.get(reverse("people:profile")).url.startswith(SIGN_IN)
    assert client.get(reverse("people:person", args=["rosa"])).status_code == 404


def test_signing_out_takes_a_post(contributor: User, client_for: Callable[..., Client]) -> None:
    client = client_for(contributor)
    assert client.get(reverse("people:sign_out")).status_code == 405
    client.post(reverse("people:sign_out"))
    assert "_auth_user_id" not in client.session


def test_who_registers_is_a_contributor_and_signed_in_whatever_the_form_says(client: Client) -> None:
    answer = client.post(
        reverse("people:register"),
        {
            "name": "Lena Moss",
            "username": "lena",
            "email": "lena@example.org",
            "password": "under-the-old-oak",
            "role": "administrator",
            "is_superuser": "1",
        },
    )
    person = User.objects.get(username="lena")
    assert answer.status_code == 302
    assert (person.role, person.is_superuser, person.is_staff) == ("contributor", False, False)
    assert client.session["_auth_user_id"] == str(person.pk)


def test_a_registration_with_mistakes_keeps_what_was_typed_but_the_password(contributor: User, client: Client) -> None:
    answer = client.post(
        reverse("people:register"),
        {"name": "Lena", "username": "rosa", "email": "lena@example.org", "password": "under-the-old-oak"},
    )
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "This username is taken." in text
    assert 'value="lena@example.org"' in text
    assert "under-the-old-oak" not in text


def test_who_registers_at_the_second_try_still_lands_where_they_wanted(contributor: User, client: Client) -> None:
    wanted = reverse("contributions:new")
    address = f"{reverse('people:register')}?next={wanted}"
    data = {"name": "Lena", "username": "rosa", "email": "lena@example.org", "password": "under-the-old-oak"}
    again = client.post(address, {**data, "next": wanted})
    assert f'name="next" value="{wanted}"' in again.content.decode()
    assert client.post(address, {**data, "username": "lena", "next": wanted}).url == wanted


def test_on_a_closed_site_nobody_registers(settings: Any, client: Client) -> None:
    settings.PUBLIC = False
    answer = client.post(
        reverse("people:register"),
        {"name": "L", "username": "lena", "email": "lena@example.org", "password": "under-the-old-oak"},
    )
    assert answer.status_code == 403
    assert not User.objects.exists()


def test_demo_accounts_are_shown_in_the_demonstration_only(settings: Any, client: Client) -> None:
    assert "let-the-garden-grow" not in client.get(SIGN_IN).content.decode()
    settings.DEMO = True
    assert "let-the-garden-grow" in client.get(SIGN_IN).content.decode()


def test_the_password_is_changed_only_by_who_knows_the_old_one(
    contributor: User, client_for: Callable[..., Client]
) -> None:
    client, other_device = client_for(contributor), client_for(contributor)
    url = reverse("people:change_password")
    wrong = client.post(url, {"old_password": "not-it", "password": "under-the-old-oak"})
    assert wrong.status_code == 422
    assert client.post(url, {"old_password": PASSWORD, "password": "under-the-old-oak"}).status_code == 302
    contributor.refresh_from_db()
    assert contributor.check_password("under-the-old-oak")
    assert client.get(reverse("people:profile")).status_code == 200
    assert other_device.get(reverse("people:profile")).status_code == 302


def test_one_can_change_name_and_address_but_not_the_role(contributor: User, client_for: Callable[..., Client]) -> None:
    client_for(contributor).post(
        reverse("people:profile"), {"name": "Rosa L.", "email": "rl@example.org", "role": "administrator"}
    )
    contributor.refresh_from_db()
    assert (contributor.name, contributor.email, contributor.role) == ("Rosa L.", "rl@example.org", "contributor")


def test_a_link_to_choose_a_password_works_once(
    administrator: User, client_for: Callable[..., Client], client: Client
) -> None:
    answer = client_for(administrator).post(
        reverse("people:add"),
        {"name": "Lena Moss", "username": "lena", "email": "lena@example.org", "role": "reviewer"},
    )
    link = re.search(r'value="(http://testserver/[^"]+)"', answer.content.decode())
    assert answer.status_code == 201
    assert link is not None
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.post(link[1], {"password": "under-the-old-oak"}).status_code == 302
    assert client.session["_auth_user_id"] == str(User.objects.get(username="lena").pk)
    again = Client().post(link[1], {"password": "under-another-oak"})
    assert again.status_code == 404
    assert User.objects.get(username="lena").check_password("under-the-old-oak")


def test_a_link_into_an_account_is_recorded_and_a_closed_account_gets_none(
    contributor: User, administrator: User, client_for: Callable[..., Client], now: datetime
) -> None:
    client = client_for(administrator)
    assert client.post(reverse("people:password_link", args=["rosa"])).status_code == 200
    made = RoleChange.objects.get()
    assert (made.action, made.person, made.changed_by) == ("password_link", contributor, administrator)
    assert "Link to choose a password made" in client.get(contributor.get_absolute_url()).content.decode()
    services.person_close(person=contributor, by=administrator, now=now)
    page = client.post(reverse("people:password_link", args=["rosa"]), follow=True).content.decode()
    assert "This account is closed. Open it again first" in page
    assert RoleChange.objects.filter(action="password_link").count() == 1


def test_an_administrator_changes_a_role_and_the_history_says_so(
    contributor: User, administrator: User, client_for: Callable[..., Client]
) -> None:
    client = client_for(administrator)
    answer = client.post(
        reverse("people:change_role", args=["rosa"]), {"role": "reviewer", "reason": "Reads well"}, follow=True
    )
    text = answer.content.decode()
    assert "Rosa Lind is now reviewer." in text
    assert "contributor → reviewer" in text
    assert RoleChange.objects.get().changed_by == administrator


def test_the_last_administrator_is_told_why_not(administrator: User, client_for: Callable[..., Client]) -> None:
    answer = client_for(administrator).post(reverse("people:change_role", args=["ines"]), {"role": "contributor"})
    assert answer.status_code == 422
    assert "This is the only administrator." in answer.content.decode()


def test_strangers_do_not_see_addresses(
    contributor: User, other_contributor: User, reviewer: User, client_for: Callable[..., Client]
) -> None:
    for person in (None, other_contributor, reviewer):
        page = client_for(person).get(reverse("people:person", args=["rosa"]))
        assert page.status_code == 200
        assert "rosa@example.org" not in page.content.decode()


def test_the_list_of_people_filters_and_asks_a_constant_number_of_queries(
    administrator: User, client_for: Callable[..., Client], django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        User.objects.create_user(f"person{number}", f"person{number}@example.org", name=f"Person {number}")
    client = client_for(administrator)
    with django_assert_max_num_queries(7):
        page = client.get(reverse("people:list"))
    assert "Person 29" in page.content.decode()
    found = client.get(reverse("people:list"), {"q": "person 29"}).context["page"]
    assert [person.username for person in found] == ["person29"]
    found = client.get(reverse("people:list"), {"role": "administrator"}).context["page"]
    assert [person.username for person in found] == ["ines"]


def test_a_fragment_sends_the_whole_page_to_sign_in(client: Client) -> None:
    answer = client.get(
        reverse("people:profile"), headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/taxonomy/"}
    )
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/people/sign-in/?next=/taxonomy/"
