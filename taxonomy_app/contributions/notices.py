"""Telling people what happened to a submission that concerns them: who is told of what, and what they have read.

A notice is written in the transaction of what it tells, and goes out by e-mail (``mailing``) as its reader chose. An
author is told what was decided, said and committed; a reviewer who decided or spoke before is told what the author
answered. Nobody is told of what they did themselves.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from taxonomy_app.contributions.models import Approval, Comment, Decision, Notice, Submission
from taxonomy_app.mail.choices import deliveries
from taxonomy_app.mail.models import Delivery
from taxonomy_app.mail.services import emails_send_soon

if TYPE_CHECKING:
    from taxonomy_app.people.models import User

# An approval is told once it has its effect, a moment later.
_TO_AUTHOR = frozenset(
    {
        Notice.Kind.CHANGES_REQUESTED,
        Notice.Kind.REJECTED,
        Notice.Kind.COMMITTED,
        Notice.Kind.CONFLICT,
        Notice.Kind.COMMENTED,
        Notice.Kind.MOVED,
    }
)
_TO_REVIEWERS = frozenset({Notice.Kind.REVISED, Notice.Kind.WITHDRAWN, Notice.Kind.COMMENTED})


def notices_send(*, submission: Submission, kind: str, by: User | None, now: datetime) -> None:
    """Tell those whom it concerns; a kind that nobody needs to be told of (a claim) tells nobody."""
    people: set[int] = set()
    if kind in _TO_AUTHOR:
        people.add(submission.author_id)
    if kind in _TO_REVIEWERS:
        people |= set(Decision.objects.filter(submission=submission).values_list("reviewer", flat=True))
        people |= set(Approval.objects.filter(submission=submission).values_list("reviewer", flat=True))
        people |= set(Comment.objects.filter(submission=submission).values_list("author", flat=True))
        if kind != Notice.Kind.COMMENTED:
            people.discard(submission.author_id)
    if by is not None:
        people.discard(by.pk)
    by_mail = deliveries(people, kind)
    Notice.objects.bulk_create(
        Notice(person_id=person, submission=submission, kind=kind, by=by, at=now, delivery=by_mail[person])
        for person in sorted(people)
    )
    if Delivery.NOW in by_mail.values():
        transaction.on_commit(emails_send_soon)


def notices_read(*, person: User, now: datetime, submission: Submission | None = None, until: int | None = None) -> int:
    """Mark as read what the person was told of ``submission``, or everything up to the notice ``until``; how many."""
    unread = Notice.objects.unread_by(person)
    if submission is not None:
        unread = unread.filter(submission=submission)
    if until is not None:
        unread = unread.filter(pk__lte=until)
    # Pages ask on every view: where there is nothing new, nothing is written and no writer is kept waiting.
    return unread.update(read_at=now) if unread.exists() else 0
