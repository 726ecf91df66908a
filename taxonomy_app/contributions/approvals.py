"""How many approvals a submission has and needs. An approval is for one revision at one place; a newer revision or a
move asks for it again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from taxonomy_app.contributions.models import Approval, Revision, Submission
from taxonomy_app.contributions.problems import Refused
from taxonomy_app.contributions.rules import Rules

if TYPE_CHECKING:
    from taxonomy_app.people.models import User


@dataclass(frozen=True)
class ApprovalCount:
    """The approvals that count for a submission as it is now, and what is still needed.

    ``people`` are those who may still approve; None where every reviewer may.
    """

    given: tuple[Approval, ...]
    needed: int
    people: tuple[User, ...] | None = field(default=None)

    @property
    def complete(self) -> bool:
        return len(self.given) >= self.needed

    @property
    def missing(self) -> int:
        return max(self.needed - len(self.given), 0)

    @property
    def several(self) -> bool:
        """Whether there is anything to tell: one approval by any reviewer is how it always is."""
        return self.needed > 1 or bool(self.given) or self.people is not None

    @property
    def too_few(self) -> bool:
        """Whether those whom the rule names cannot complete it: an administrator has to step in."""
        return self.people is not None and len(self.people) < self.missing

    def by(self, user: User) -> Approval | None:
        return next((approval for approval in self.given if approval.reviewer_id == user.pk), None)

    @property
    def last(self) -> Approval:
        return self.given[-1]


def approvals_count(submissions: Iterable[Submission], *, rules: Rules | None = None) -> dict[int, ApprovalCount]:
    """By submission: what it has and needs. One query for all of them, besides that of the rules.

    What was given by somebody who no longer decides at the place does not count any more.
    """
    rows = {submission.pk: submission for submission in submissions}
    rules = Rules.load() if rules is None else rules
    given: dict[int, list[Approval]] = {pk: [] for pk in rows}
    found = Approval.objects.filter(submission__in=list(rows)).select_related("reviewer", "revision")
    for approval in found.order_by("at", "id"):
        submission = rows[approval.submission_id]
        if (approval.revision.number, approval.path) != (submission.revision_number, submission.path):
            continue
        reviewer = approval.reviewer
        if rules.reviews(reviewer, submission.path) or (approval.as_administrator and reviewer.can_administer):
            given[submission.pk].append(approval)
    counts = {}
    for pk, submission in rows.items():
        people = rules.people(submission.path)
        done = {approval.reviewer_id for approval in given[pk]} | {submission.author_id}
        left = None if people is None else tuple(person for person in people if person.pk not in done)
        counts[pk] = ApprovalCount(tuple(given[pk]), rules.approvals_needed(submission.path), left)
    return counts


def approval_give(
    *, submission: Submission, revision: Revision, reviewer: User, as_administrator: bool, now: datetime
) -> ApprovalCount:
    """Write the approval down and count. The caller holds the submission's row, so that of two at once each sees the
    other's or comes before it.

    Who has approved already changes nothing by it, except where every approval is there by now and nobody has decided:
    after a change of the rule or of somebody's role, while a check found an error, or on the way back from a move.

    Raises:
        Refused: the person has approved this already, and more is needed.
    """
    own = Approval.objects.filter(revision=revision, path=submission.path, reviewer=reviewer)
    given_before = own.exists()
    if not given_before:
        Approval.objects.create(
            submission=submission,
            revision=revision,
            path=submission.path,
            reviewer=reviewer,
            as_administrator=as_administrator,
            at=now,
        )
    count = approvals_count([submission])[submission.pk]
    if given_before and not count.complete:
        told = _("You have approved this already. It needs %(missing)s more, from somebody else.")
        raise Refused(told % {"missing": count.missing})
    return count
