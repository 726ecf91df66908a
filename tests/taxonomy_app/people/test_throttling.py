"""Guessing passwords becomes slow, and mistyping does not lock anybody out for long."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from taxonomy_app.people import throttling
from taxonomy_app.people.models import SignInFailure, User

pytestmark = pytest.mark.django_db


def fail(times: int, now: datetime, *, identifier: str = "rosa", address: str = "192.0.2.1") -> None:
    for _ in range(times):
        throttling.failure_record(identifier=identifier, address=address, now=now)


def wait(now: datetime, *, identifier: str = "rosa", address: str = "192.0.2.1") -> int:
    return throttling.wait_seconds(identifier=identifier, address=address, now=now)


def test_the_sixth_try_from_one_place_waits_until_the_first_is_old(now: datetime) -> None:
    fail(throttling.MOST_BY_PAIR - 1, now)
    assert wait(now) == 0
    fail(1, now + timedelta(seconds=60))
    assert wait(now + timedelta(seconds=60)) == 14 * 60
    assert wait(now + timedelta(minutes=15)) == 0


def test_others_are_not_kept_waiting(now: datetime) -> None:
    fail(throttling.MOST_BY_PAIR, now)
    assert wait(now, address="192.0.2.2") == 0
    assert wait(now, identifier="tomas") == 0


def test_many_places_at_one_account_and_one_place_at_many_accounts_are_slowed(now: datetime) -> None:
    for number in range(throttling.MOST_BY_IDENTIFIER):
        fail(1, now, address=f"198.51.100.{number}")
    assert wait(now, address="203.0.113.9") > 0
    for number in range(throttling.MOST_BY_ADDRESS):
        fail(1, now, identifier=f"person{number}", address="192.0.2.77")
    assert wait(now, identifier="nobody", address="192.0.2.77") > 0


def test_both_spellings_of_an_account_count_together(contributor: User) -> None:
    assert throttling.canonical("ROSA") == throttling.canonical("Rosa@Example.org") == "rosa"
    assert throttling.canonical("Nobody@Example.org") == "nobody@example.org"


def test_a_success_forgets_only_this_places_failures(now: datetime) -> None:
    fail(3, now)
    fail(2, now, address="192.0.2.2")
    throttling.failures_forget(identifier="rosa", address="192.0.2.1")
    assert list(SignInFailure.objects.values_list("address", flat=True)) == ["192.0.2.2"] * 2


def test_old_failures_are_removed(now: datetime) -> None:
    fail(2, now)
    fail(1, now + timedelta(days=2))
    assert SignInFailure.objects.count() == 1
