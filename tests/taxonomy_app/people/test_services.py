"""Accounts: who may be what, who changed it, and that somebody can always administer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from taxonomy_app.people import services
from taxonomy_app.people.models import Role, RoleChange, User
from taxonomy_app.web.history import HistoryProblem

GOOD = "a-long-word-nobody-guesses"


def create(now: datetime, **changes: Any) -> User:
    values = {"username": "lena", "email": "lena@example.org", "name": "Lena Moss", "password": GOOD, "now": now}
    return services.person_create(**{**values, **changes})


@pytest.mark.django_db
def test_a_new_person_is_a_contributor_with_a_history_of_one_row(now: datetime) -> None:
    person = create(now, reason="Registered")
    assert (person.role, person.can_review, person.can_administer) == ("contributor", False, False)
    assert person.check_password(GOOD)
    row = RoleChange.objects.get(person=person)
    assert (row.action, row.old_role, row.new_role, row.changed_by, row.reason, row.created_at) == (
        "created",
        "",
        "contributor",
        None,
        "Registered",
        now,
    )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": "Lena"}, "username"),
        ({"username": "le na"}, "username"),
        ({"username": "../lena"}, "username"),
        ({"username": "-lena"}, "username"),
        ({"username": "lena\n"}, None),
        ({"email": "LENA@example.org", "username": "other"}, "email"),
        ({"email": "no address", "username": "other"}, "email"),
        ({"password": "short", "username": "other", "email": "o@example.org"}, "password"),
        ({"password": "password123", "username": "other", "email": "o@example.org"}, "password"),
    ],
)
def test_names_and_addresses_are_taken_in_any_case_and_weak_passwords_refused(
    changes: dict[str, str], field: str | None, now: datetime
) -> None:
    create(now)
    if field is None:
        changes = {**changes, "email": "other@example.org"}
    with pytest.raises(ValidationError) as raised:
        create(now, **changes)
    if field is not None:
        told = raised.value.message_dict
        assert field in told or "__all__" in told
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_without_a_password_nobody_can_sign_in(now: datetime) -> None:
    assert not create(now, password=None).has_usable_password()


@pytest.mark.django_db
def test_a_role_change_is_recorded_with_who_and_why(contributor: User, administrator: User, now: datetime) -> None:
    services.person_change_role(person=contributor, role="reviewer", by=administrator, reason=" Reads well ", now=now)
    contributor.refresh_from_db()
    assert contributor.can_review
    assert not contributor.can_administer
    row = RoleChange.objects.get(person=contributor)
    assert (row.old_role, row.new_role, row.changed_by, row.reason) == (
        "contributor",
        "reviewer",
        administrator,
        "Reads well",
    )


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["contributor", "emperor", ""])
def test_the_same_or_an_unknown_role_is_refused(
    role: str, contributor: User, administrator: User, now: datetime
) -> None:
    with pytest.raises(ValidationError):
        services.person_change_role(person=contributor, role=role, by=administrator, now=now)
    assert not RoleChange.objects.exists()


@pytest.mark.django_db
def test_the_last_administrator_keeps_the_role_and_the_account(
    contributor: User, administrator: User, now: datetime
) -> None:
    for attempt in (
        lambda: services.person_change_role(person=administrator, role="reviewer", by=administrator, now=now),
        lambda: services.person_close(person=administrator, by=administrator, now=now),
    ):
        with pytest.raises(ValidationError, match="only administrator"):
            attempt()
    administrator.refresh_from_db()
    assert administrator.can_administer
    services.person_change_role(person=contributor, role="administrator", by=administrator, now=now)
    services.person_change_role(person=administrator, role="reviewer", by=contributor, now=now)
    administrator.refresh_from_db()
    assert administrator.role == Role.REVIEWER


@pytest.mark.django_db
def test_a_closed_administrator_does_not_count_as_another_one(
    contributor: User, administrator: User, now: datetime
) -> None:
    services.person_change_role(person=contributor, role="administrator", by=administrator, now=now)
    services.person_close(person=contributor, by=administrator, now=now)
    contributor.refresh_from_db()
    assert not contributor.can_administer
    with pytest.raises(ValidationError, match="only administrator"):
        services.person_change_role(person=administrator, role="contributor", by=administrator, now=now)


@pytest.mark.django_db
def test_an_account_is_closed_and_reopened_once_each(contributor: User, administrator: User, now: datetime) -> None:
    services.person_close(person=contributor, by=administrator, reason="Asked for it", now=now)
    with pytest.raises(ValidationError, match="closed already"):
        services.person_close(person=contributor, by=administrator, now=now)
    services.person_reopen(person=contributor, by=administrator, now=now)
    with pytest.raises(ValidationError, match="open already"):
        services.person_reopen(person=contributor, by=administrator, now=now)
    assert list(RoleChange.objects.order_by("pk").values_list("action", flat=True)) == ["closed", "reopened"]


@pytest.mark.django_db
def test_rows_of_the_history_can_neither_be_changed_nor_removed(
    contributor: User, administrator: User, now: datetime
) -> None:
    row = services.person_change_role(person=contributor, role="reviewer", by=administrator, now=now)
    row.reason = "Another story"
    for attempt in (
        row.save,
        row.delete,
        lambda: RoleChange.objects.update(reason="Another story"),
        lambda: RoleChange.objects.all().delete(),
        lambda: contributor.role_changes.update(reason="Another story"),
    ):
        with pytest.raises(HistoryProblem):
            attempt()
    row.refresh_from_db()
    assert row.reason == ""
