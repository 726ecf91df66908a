"""Who wants what by e-mail, and when: the reads and writes of ``Choice``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction

from taxonomy_app.mail.models import Choice, Delivery

if TYPE_CHECKING:
    from taxonomy_app.people.models import User

# A person who chose nothing is told at once: what is sent concerns their own work.
DEFAULT = Delivery.NOW
# The reviewers' digest of a week, chosen like a kind of notice (NOW or OFF).
REVIEWERS = "reviewers"


def email_is_on() -> bool:
    """Whether this installation sends e-mail at all (``SEEDBED_EMAIL_URL``)."""
    return settings.EMAIL is not None


def reachable(people: Iterable[int]) -> set[int]:
    """Those of ``people`` (ids) to whom anything but a confirmation may be sent; none where e-mail is off."""
    wanted = set(people)
    if not wanted or not email_is_on():
        return set()
    known = get_user_model().objects.filter(pk__in=wanted, is_active=True, email_confirmed_at__isnull=False)
    return set(known.values_list("pk", flat=True))


def deliveries(people: Iterable[int], kind: str) -> dict[int, Delivery]:
    """For each of ``people`` (ids) how a notice of ``kind`` goes out by e-mail; two queries at most."""
    wanted = set(people)
    found = dict.fromkeys(wanted, Delivery.OFF)
    may = reachable(wanted)
    if may:
        chosen = dict(Choice.objects.filter(person__in=may, kind=kind).values_list("person", "delivery"))
        found |= {person: Delivery(chosen.get(person, DEFAULT)) for person in may}
    return found


def choices_of(person: User) -> dict[str, Delivery]:
    """What the person chose, by kind; a kind that is not in it has the default."""
    return {
        kind: Delivery(value) for kind, value in Choice.objects.filter(person=person).values_list("kind", "delivery")
    }


@transaction.atomic
def choices_save(*, person: User, chosen: Mapping[str, str]) -> None:
    """Keep what the person chose for each kind given; others stay as they are."""
    for kind, delivery in chosen.items():
        Choice.objects.update_or_create(person=person, kind=kind, defaults={"delivery": Delivery(delivery)})
