"""Slowing down those who guess passwords: failed tries are counted by account, by address and by both."""

from __future__ import annotations

from datetime import datetime, timedelta

from taxonomy_app.people.models import SignInFailure, User

WINDOW = timedelta(minutes=15)
# One person at one place mistypes a few times; many places at one account, or one place at many, is an attack.
# The account's own limit is far higher than the pair's, so that an attacker cannot easily lock its owner out.
MOST_BY_PAIR = 5
MOST_BY_IDENTIFIER = 50
MOST_BY_ADDRESS = 50


def canonical(identifier: str) -> str:
    """The key of the account that ``identifier`` (a username or an e-mail in any case) means.

    Both spellings of one account count together; what belongs to no account is counted as it was typed.
    """
    person = User.objects.by_identifier(identifier)
    return (person.username if person else identifier).lower()[:254]


def wait_seconds(*, identifier: str, address: str, now: datetime) -> int:
    """How long this account cannot be tried from this address; 0 when it can."""
    recent = SignInFailure.objects.since(now - WINDOW)
    longest = timedelta(0)
    for found, most in (
        (recent.filter(identifier=identifier, address=address), MOST_BY_PAIR),
        (recent.filter(identifier=identifier), MOST_BY_IDENTIFIER),
        (recent.filter(address=address), MOST_BY_ADDRESS),
    ):
        # The try that must grow old before there are fewer than the most.
        blocking = found.order_by("-created_at").values_list("created_at", flat=True)[most - 1 : most].first()
        if blocking is not None:
            longest = max(longest, blocking + WINDOW - now)
    return max(0, -(-longest // timedelta(seconds=1)))


def failure_record(*, identifier: str, address: str, now: datetime) -> None:
    """Remember a failed try, and forget those that are too old to count."""
    SignInFailure.objects.filter(created_at__lt=now - SignInFailure.KEPT).delete()
    SignInFailure.objects.create(identifier=identifier, address=address[:64], created_at=now)


def failures_forget(*, identifier: str, address: str) -> None:
    """After a success from this address its own mistypings no longer count."""
    SignInFailure.objects.filter(identifier=identifier, address=address[:64]).delete()
