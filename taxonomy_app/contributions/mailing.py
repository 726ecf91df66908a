"""Notices by e-mail: what was to be told at once or once a day is gathered into one message for each person.

A notice says how it goes out when it is written (``Notice.delivery``). The default worker gathers; a notice that was
read in the app before its turn is not sent any more. Here too are the numbers of the reviewers' week.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.urls import reverse

from taxonomy_app.contributions.models import Decision, Notice, Submission
from taxonomy_app.mail import choices
from taxonomy_app.mail.links import Unsubscription, absolute
from taxonomy_app.mail.models import Choice, Delivery, Email
from taxonomy_app.mail.services import email_add
from taxonomy_app.people.models import Role, User
from taxonomy_app.tree.models import words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# The first notice goes at once; what follows so soon after it waits and goes together.
PAUSE = timedelta(minutes=5)
# The hour of the reader's morning, and the day on which reviewers' weeks are told (Monday is 0).
MORNING = 8
WEEKDAY = 0
# A week's digest that could not be made in time is not news any more.
WEEK_IS_NEWS = timedelta(hours=36)
# Named in one message; all of them are counted, and the page has the rest.
MOST_NAMED = 50


@dataclass(frozen=True)
class Told:
    """One notice as an e-mail says it."""

    sentence: str
    url: str
    number: str
    at: datetime


def zone_of(person: User) -> zoneinfo.ZoneInfo:
    """The reader's time zone as their browser last told it at sign-in, else that of the settings."""
    try:
        return zoneinfo.ZoneInfo(person.time_zone or settings.TIME_ZONE)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo(settings.TIME_ZONE)


def last_morning(now: datetime, zone: zoneinfo.ZoneInfo, weekday: int | None = None) -> datetime:
    """The latest moment not after ``now`` at which it was MORNING o'clock in ``zone`` (on that ``weekday``)."""
    local = now.astimezone(zone)
    morning = local.replace(hour=MORNING, minute=0, second=0, microsecond=0, fold=0)
    if morning > local:
        morning -= timedelta(days=1)
    if weekday is not None:
        morning -= timedelta(days=(morning.weekday() - weekday) % 7)
    return morning


# --- Notices ------------------------------------------------------------------------------------------


def notices_gather(*, now: datetime) -> int:
    """One message for each person who is to be told something at once; how many."""
    lately = Email.objects.filter(kind=Email.Kind.NOTICES, created_at__gt=now - PAUSE).values("person")
    waiting = Notice.objects.to_mail(Delivery.NOW).exclude(person__in=lately)
    return sum(_gather(person, waiting, Email.Kind.NOTICES, now=now) for person in _people(waiting))


def daily_digests_gather(*, now: datetime) -> int:
    """One message for each person whose morning has come since something was noted for the day's digest; how many."""
    waiting = Notice.objects.to_mail(Delivery.DAILY)
    count = 0
    for person in _people(waiting):
        before = waiting.filter(at__lt=last_morning(now, zone_of(person)))
        if before.filter(person=person).exists():
            count += _gather(person, before, Email.Kind.DIGEST, now=now)
    return count


def _people(notices: QuerySet[Notice]) -> Iterable[User]:
    return User.objects.filter(pk__in=notices.order_by().values("person")).order_by("pk")


@transaction.atomic
def _gather(person: User, waiting: QuerySet[Notice], kind: str, *, now: datetime) -> bool:
    """Put what waits for ``person`` into one message; two runs at once make one, because the account is locked."""
    person = User.objects.select_for_update().get(pk=person.pk)
    found = list(waiting.filter(person=person).select_related("submission", "by").order_by("id"))
    if not found:
        return False
    if not choices.reachable([person.pk]):
        Notice.objects.filter(pk__in=[notice.pk for notice in found]).update(delivery=Delivery.OFF)
        return False
    told = [_told(notice) for notice in found]
    count = len(told)
    subject = told[0].sentence if count == 1 else f"{count} notices about contributions"
    if kind == Email.Kind.DIGEST:
        subject = f"Your day on Seedbed: {count} notice{'s' if count > 1 else ''}"
    email = email_add(
        person=person,
        kind=kind,
        subject=subject,
        template="notices",
        context={
            "told": told[:MOST_NAMED],
            "more": max(0, count - MOST_NAMED),
            "all": absolute(reverse("contributions:notices")),
            "daily": kind == Email.Kind.DIGEST,
            "zone": zone_of(person),
        },
        now=now,
    )
    Notice.objects.filter(pk__in=[notice.pk for notice in found]).update(email=email)
    return True


def _told(notice: Notice) -> Told:
    name = f"“{words(notice.submission.name)}”"
    did = notice.get_kind_display()
    sentence = f"{notice.by} {did} {name}" if notice.by else f"{name} {did}"
    return Told(sentence, absolute(notice.submission.get_absolute_url()), notice.submission.number, notice.at)


@transaction.atomic
def choices_keep(*, person: User, chosen: Mapping[str, str]) -> None:
    """Keep what a person chose by kind, and let what waits to be sent follow it."""
    choices.choices_save(person=person, chosen=chosen)
    unsent = Notice.objects.filter(person=person, email__isnull=True, read_at__isnull=True)
    for kind, delivery in chosen.items():
        # What was not to be sent when it was written is not news any more.
        unsent.filter(kind=kind).exclude(delivery=Delivery.OFF).update(delivery=delivery)


def unsubscribe(link: Unsubscription) -> bool:
    """End what the link is about; False where its address is no account's any more, which gets nothing anyway."""
    person = User.objects.filter(pk=link.person_id, email=link.address).first()
    if person is None:
        return False
    kinds = [choices.REVIEWERS] if link.kind == Email.Kind.REVIEWERS else Notice.Kind.values
    choices_keep(person=person, chosen=dict.fromkeys(kinds, Delivery.OFF))
    return True


# --- The reviewers' week --------------------------------------------------------------------------------


def weekly_digests_gather(*, now: datetime) -> int:
    """One message for each reviewer whose Monday morning has come, where there is something to tell; how many."""
    if not choices.email_is_on():
        return 0
    off = Choice.objects.filter(kind=choices.REVIEWERS, delivery=Delivery.OFF).values("person")
    reviewers = User.objects.filter(
        role__in=(Role.REVIEWER, Role.ADMINISTRATOR), is_active=True, email_confirmed_at__isnull=False
    ).exclude(pk__in=off)
    count = 0
    for person in reviewers.order_by("pk"):
        monday = last_morning(now, zone_of(person), WEEKDAY)
        if now - monday < WEEK_IS_NEWS:
            count += _week_of(person, monday, now=now)
    return count


def _week_of(person: User, monday: datetime, *, now: datetime) -> bool:
    key = f"reviewers/{person.pk}/{monday:%Y-%m-%d}"
    if Email.objects.filter(key=key).exists():
        return False
    waiting = Submission.objects.queue().exclude(author=person)
    number = waiting.count()
    decided = Decision.objects.filter(decided_at__gte=monday - timedelta(days=7), decided_at__lt=monday)
    all_decided = decided.count()
    if not number and not all_decided:
        return False
    subject = f"Waiting for review: {number}" if number else "Nothing waits for review"
    try:
        with transaction.atomic():
            email_add(
                person=person,
                kind=Email.Kind.REVIEWERS,
                subject=subject,
                template="reviewers",
                context={
                    "waiting": number,
                    "oldest": waiting.first(),
                    "decided": all_decided,
                    "decided_by_you": decided.filter(reviewer=person).count(),
                    "queue": absolute(reverse("contributions:queue")),
                    "now": now,
                    "zone": zone_of(person),
                },
                now=now,
                key=key,
            )
    except IntegrityError:
        return False  # another worker was faster
    return True
