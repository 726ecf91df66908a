"""One decision on everything that a filter of the queue matches, told item by item. Each item is a transition of
``services`` of its own: what fails leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from taxonomy_app.contributions import services
from taxonomy_app.contributions.models import Decision, Submission
from taxonomy_app.contributions.problems import NotYours, Refused

if TYPE_CHECKING:
    from taxonomy_app.people.models import User

CLAIM = "claim"
# A request answers in seconds, so it takes so many; the report says how many are left.
MOST_AT_ONCE = 500


@dataclass
class BulkResult:
    """What became of each: ``done``, and ``refused`` with the sentence why."""

    done: list[Submission] = field(default_factory=list)
    refused: list[tuple[Submission, str]] = field(default_factory=list)


def submissions_decide(
    *, submissions: Iterable[Submission], reviewer: User, verdict: str, reason: str = "", now: datetime
) -> BulkResult:
    """Decide on each (``Decision.Verdict``) or claim each (``CLAIM``), in the given order.

    Raises:
        NotYours: the person is no reviewer. Refused: a request or rejection without a reason; nothing was done.
    """
    if not reviewer.can_review:
        raise NotYours
    if verdict in (Decision.Verdict.REQUEST_CHANGES, Decision.Verdict.REJECT) and not reason.strip():
        raise Refused(_("Write the reason: each author reads it."))
    result = BulkResult()
    for submission in submissions:
        try:
            _act(submission, reviewer=reviewer, verdict=verdict, reason=reason, now=now)
        except Refused as refused:
            result.refused.append((submission, refused.sentence))
        else:
            result.done.append(submission)
    return result


def _act(submission: Submission, *, reviewer: User, verdict: str, reason: str, now: datetime) -> None:
    if verdict == CLAIM:
        services.submission_claim(submission=submission, reviewer=reviewer, now=now)
        return
    decide = {
        Decision.Verdict.APPROVE: services.submission_approve,
        Decision.Verdict.REQUEST_CHANGES: services.submission_request_changes,
        Decision.Verdict.REJECT: services.submission_reject,
    }[Decision.Verdict(verdict)]
    decide(
        submission=submission,
        reviewer=reviewer,
        revision_number=submission.revision_number,
        reason=reason,
        now=now,
    )
