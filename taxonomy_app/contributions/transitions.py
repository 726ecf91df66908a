"""What every transition of a submission does: change the row if it still is as it was, record who, when and why.

``services``, ``deciding`` and their neighbours call these inside one transaction; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions import messages
from taxonomy_app.contributions.models import Revision, Submission, SubmissionEvent, SubmissionText
from taxonomy_app.contributions.notices import notices_send
from taxonomy_app.contributions.problems import ChangedMeanwhile, Refused
from taxonomy_app.web.numbers import grouped

if TYPE_CHECKING:
    from taxonomy_app.people.models import User

LONGEST_REASON = 4_000


def identity(person: User) -> str:
    """A person as sign-offs name them."""
    return f"{person.display_name} <{person.email}>"


def written(text: str) -> str:
    """A person's words as they are kept; longer than can be kept they are refused, never cut."""
    text = documents.clean(text).strip()
    if len(text) > LONGEST_REASON:
        raise Refused(
            _("This is longer than %(most)s characters. Shorten it and send it again.")
            % {"most": grouped(LONGEST_REASON)}
        )
    return text


def move(
    submission: Submission,
    *,
    where: Mapping[str, Any],
    now: datetime,
    unclaimed_by: User | None = None,
    **fields: Any,
) -> None:
    """Change the row if it still is as ``where`` says, or say who was first."""
    rows = Submission.objects.filter(pk=submission.pk, **where)
    if unclaimed_by is not None:
        rows = rows.unclaimed(now=now, by=unclaimed_by)
    moved = rows.update(updated_at=now, **fields)
    submission.refresh_from_db()
    if not moved:
        raise ChangedMeanwhile(messages.overtaken(submission, by=unclaimed_by, now=now))
    if {"path", "summary"} & fields.keys():
        SubmissionText.of(submission).save()


def record(
    submission: Submission,
    kind: str,
    *,
    person: User | None,
    reason: str = "",
    as_administrator: bool = False,
    now: datetime,
) -> None:
    """One row of the history, and the notices that tell it."""
    SubmissionEvent.objects.create(
        submission=submission,
        kind=kind,
        person=person,
        revision_number=submission.revision_number,
        reason=written(reason),
        as_administrator=as_administrator,
        at=now,
    )
    notices_send(submission=submission, kind=kind, by=person, now=now)


def revision_of(submission: Submission, number: int) -> Revision:
    """The revision of that number, or the sentence that there is none."""
    revision = submission.revisions.filter(number=number).first()
    if revision is None:
        raise ChangedMeanwhile(_("This revision does not exist. Reload the page and look again."))
    return revision
