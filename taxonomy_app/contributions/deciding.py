"""What reviewers do with a submission: claim it, give it back, approve, request changes, reject.

Each function is one audited transition, offered by ``services``.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions.drafts import nesting_refuse
from taxonomy_app.contributions.models import Decision, PendingCommit, Revision, State, Submission, SubmissionEvent
from taxonomy_app.contributions.outbox import outbox_send
from taxonomy_app.contributions.problems import NeedsWork, NotYours, Refused
from taxonomy_app.contributions.transitions import identity, move, record, revision_of, written

if TYPE_CHECKING:
    from taxonomy_app.people.models import User


def _require_reviewer(submission: Submission, reviewer: User) -> None:
    if not reviewer.can_review:
        raise NotYours
    if submission.author_id == reviewer.pk:
        raise Refused("This is your own contribution: somebody else has to review it.")


@transaction.atomic
def submission_claim(*, submission: Submission, reviewer: User, take_over: bool = False, now: datetime) -> None:
    """Tell the other reviewers that one is on it. ``take_over`` takes it from somebody who is."""
    _require_reviewer(submission, reviewer)
    move(
        submission,
        where={"state": State.SUBMITTED},
        unclaimed_by=None if take_over else reviewer,
        now=now,
        claimed_by=reviewer,
        claimed_at=now,
    )
    record(submission, SubmissionEvent.Kind.CLAIMED, person=reviewer, now=now)


@transaction.atomic
def submission_release(*, submission: Submission, reviewer: User, now: datetime) -> None:
    """Give a claimed submission back to the queue."""
    _require_reviewer(submission, reviewer)
    where = {"state": State.SUBMITTED, "claimed_by": reviewer}
    move(submission, where=where, now=now, claimed_by=None, claimed_at=None)
    record(submission, SubmissionEvent.Kind.RELEASED, person=reviewer, now=now)


@transaction.atomic
def submission_approve(
    *, submission: Submission, reviewer: User, revision_number: int, reason: str = "", now: datetime
) -> Decision:
    """Approve a revision and put it into the outbox, in one transaction; it is committed right after.

    Raises:
        NotYours: not a reviewer. Refused: one's own. ChangedMeanwhile: decided, revised or claimed meanwhile.
        NeedsWork: checks have become stricter since it was submitted and find an error. Refused: its place is
        inside another leaf by now, or around one.
    """
    _require_reviewer(submission, reviewer)
    revision = revision_of(submission, revision_number)
    qna, attribution = revision.qna.encode(), revision.attribution.encode()
    if submission.leaf_id is None:
        # Another new leaf may have taken the folder around it, or gone inside, since this was submitted.
        nesting_refuse(revision.path)
    errors = [p for p in documents.check(qna=qna, path=revision.path, attribution=attribution) if p.severity == "error"]
    if errors:
        raise NeedsWork(f"The checks find an error, so this cannot be approved: {errors[0].message}", errors)
    decision = _decide(
        submission,
        revision,
        reviewer=reviewer,
        verdict=Decision.Verdict.APPROVE,
        state=State.APPROVED,
        kind=SubmissionEvent.Kind.APPROVED,
        reason=reason,
        now=now,
    )
    author = submission.author
    PendingCommit.objects.create(
        submission=submission,
        revision=revision,
        path=revision.path,
        qna=qna,
        attribution=attribution,
        document_name=revision.document_name,
        document_text=revision.document_text,
        base_blob=revision.base_blob,
        base_attribution_blob=revision.base_attribution_blob,
        author_name=author.display_name,
        author_email=author.email,
        signed_off_by=revision.signed_off_as,
        reviewed_by=identity(reviewer),
        approved_at=now,
    )
    transaction.on_commit(outbox_send)
    return decision


@transaction.atomic
def submission_request_changes(
    *, submission: Submission, reviewer: User, revision_number: int, reason: str, now: datetime
) -> Decision:
    """Hand a submission back to its author with what should be different."""
    _require_reviewer(submission, reviewer)
    return _decide(
        submission,
        revision_of(submission, revision_number),
        reviewer=reviewer,
        verdict=Decision.Verdict.REQUEST_CHANGES,
        state=State.CHANGES_REQUESTED,
        kind=SubmissionEvent.Kind.CHANGES_REQUESTED,
        reason=_required_reason(reason, "Write what should change: the author sees it."),
        now=now,
    )


@transaction.atomic
def submission_reject(
    *, submission: Submission, reviewer: User, revision_number: int, reason: str, now: datetime
) -> Decision:
    """Turn a submission down for good, with the reason."""
    _require_reviewer(submission, reviewer)
    return _decide(
        submission,
        revision_of(submission, revision_number),
        reviewer=reviewer,
        verdict=Decision.Verdict.REJECT,
        state=State.REJECTED,
        kind=SubmissionEvent.Kind.REJECTED,
        reason=_required_reason(reason, "Write why it is rejected: the author sees it."),
        now=now,
    )


def _required_reason(reason: str, sentence: str) -> str:
    if not reason.strip():
        raise Refused(sentence)
    return reason


def _decide(
    submission: Submission,
    revision: Revision,
    *,
    reviewer: User,
    verdict: str,
    state: str,
    kind: str,
    reason: str,
    now: datetime,
) -> Decision:
    move(
        submission,
        where={"state": State.SUBMITTED, "revision_number": revision.number},
        unclaimed_by=reviewer,
        now=now,
        state=state,
        claimed_by=reviewer,
        claimed_at=now,
    )
    reason = written(reason)
    record(submission, kind, person=reviewer, reason=reason, now=now)
    return Decision.objects.create(
        submission=submission, revision=revision, reviewer=reviewer, verdict=verdict, reason=reason, decided_at=now
    )
