"""What reviewers do with a submission: claim it, give it back, approve, request changes, reject.

Each function is one audited transition, offered by ``services``.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions.approvals import ApprovalCount, approval_give, approvals_count
from taxonomy_app.contributions.drafts import nesting_refuse
from taxonomy_app.contributions.models import Decision, PendingCommit, Revision, State, Submission, SubmissionEvent
from taxonomy_app.contributions.outbox import outbox_send
from taxonomy_app.contributions.problems import NeedsWork, NotYours, Refused
from taxonomy_app.contributions.rules import deciding_require
from taxonomy_app.contributions.transitions import identity, move, record, revision_of, written
from taxonomy_app.tree.models import Leaf
from taxonomy_app.web.repository_words import said

if TYPE_CHECKING:
    from taxonomy_app.people.models import User


@transaction.atomic
def submission_claim(
    *, submission: Submission, reviewer: User, take_over: bool = False, step_in: bool = False, now: datetime
) -> None:
    """Tell the other reviewers that one is on it. ``take_over`` takes it from somebody who is; ``step_in`` as in
    :func:`submission_approve`.
    """
    as_administrator = deciding_require(submission, reviewer, step_in=step_in)
    move(
        submission,
        where={"state": State.SUBMITTED},
        unclaimed_by=None if take_over else reviewer,
        now=now,
        claimed_by=reviewer,
        claimed_at=now,
    )
    kind = SubmissionEvent.Kind.CLAIMED
    record(submission, kind, person=reviewer, as_administrator=as_administrator, now=now)


@transaction.atomic
def submission_release(*, submission: Submission, reviewer: User, now: datetime) -> None:
    """Give a claimed submission back to the queue. Also of a place that one does not review any more."""
    if not reviewer.can_review:
        raise NotYours
    where = {"state": State.SUBMITTED, "claimed_by": reviewer}
    move(submission, where=where, now=now, claimed_by=None, claimed_at=None)
    record(submission, SubmissionEvent.Kind.RELEASED, person=reviewer, now=now)


@transaction.atomic
def submission_approve(
    *,
    submission: Submission,
    reviewer: User,
    revision_number: int,
    reason: str = "",
    step_in: bool = False,
    now: datetime,
) -> Decision | None:
    """Approve a revision. The last approval that its place asks for decides: it goes into the outbox in the same
    transaction and is committed right after.

    Args:
        step_in: an administrator says that they decide although the place's rule does not name them.

    Returns:
        The decision, or None while further people have to approve.

    Raises:
        NotYours: not a reviewer. Refused: one's own, of a place that others review, approved by this person before, or
        its place is inside another leaf by now, or around one. ChangedMeanwhile: decided, revised, moved or claimed
        meanwhile. NeedsWork: checks have become stricter since it was submitted and find an error.
    """
    as_administrator = deciding_require(submission, reviewer, step_in=step_in)
    revision = revision_of(submission, revision_number)
    approvable_require(submission, revision)
    # Takes the row, so that two approvals at once are counted one after the other.
    _hold(submission, revision, reviewer=reviewer, now=now)
    count = approval_give(
        submission=submission, revision=revision, reviewer=reviewer, as_administrator=as_administrator, now=now
    )
    if not count.complete:
        # Others go on with it, so it is free for them.
        move(submission, where={"state": State.SUBMITTED}, now=now, claimed_by=None, claimed_at=None)
        kind = SubmissionEvent.Kind.ENDORSED
        record(submission, kind, person=reviewer, reason=reason, as_administrator=as_administrator, now=now)
        return None
    return _approve(
        submission, revision, count, reviewer=reviewer, reason=reason, as_administrator=as_administrator, now=now
    )


def approvals_settle(*, path: str, now: datetime) -> list[Submission]:
    """Decide what has all approvals since the rule for ``path`` asks for fewer; the caller's transaction.

    What cannot be approved as it is (the checks, its place) stays where it is, for a reviewer to look at.
    """
    waiting = Submission.objects.select_for_update(of=("self",)).filter(state=State.SUBMITTED, approvals__isnull=False)
    below = waiting.filter(Q(path=path) | Q(path__startswith=f"{path}/") if path else Q())
    done = []
    for submission in Submission.objects.filter(pk__in=[row.pk for row in below]).select_related("author"):
        count = approvals_count([submission])[submission.pk]
        if not count.complete:
            continue
        revision = revision_of(submission, submission.revision_number)
        try:
            approvable_require(submission, revision)
        except Refused:
            continue
        last = count.last
        _approve(
            submission,
            revision,
            count,
            reviewer=last.reviewer,
            reason="",
            as_administrator=last.as_administrator,
            now=now,
        )
        done.append(submission)
    return done


def approvable_require(submission: Submission, revision: Revision) -> None:
    """Refuse what cannot go into the taxonomy as it is, whoever approves."""
    if submission.leaf_id is None:
        # Another new leaf may have taken the folder around it, or gone inside, since this was submitted.
        nesting_refuse(submission.path)
    elif submission.moves:
        place_free_require(submission)
    found = documents.check(qna=revision.qna.encode(), path=submission.path, attribution=revision.attribution.encode())
    errors = [problem for problem in found if problem.severity == "error"]
    if errors:
        raise NeedsWork(
            _("The checks find an error, so this cannot be approved: %(problem)s")
            % {"problem": said(errors[0].message)},
            errors,
        )


def place_free_require(submission: Submission) -> None:
    """Refuse to move a leaf to a place that another leaf has, or that lies inside or around one."""
    at = Leaf.objects.present().filter(path=submission.path).first()
    if at is not None and at.leaf_id != submission.leaf_id:
        raise Refused(
            _("There is another leaf at %(path)s by now. Move it elsewhere first.") % {"path": submission.path}
        )
    if at is None:
        nesting_refuse(submission.path)


def _hold(submission: Submission, revision: Revision, *, reviewer: User, now: datetime) -> None:
    """Take the row if it still is as the reviewer saw it, claimed by nobody else."""
    where = {"state": State.SUBMITTED, "revision_number": revision.number, "path": submission.path}
    move(submission, where=where, unclaimed_by=reviewer, now=now)


def _approve(
    submission: Submission,
    revision: Revision,
    count: ApprovalCount,
    *,
    reviewer: User,
    reason: str,
    as_administrator: bool,
    now: datetime,
) -> Decision:
    """All approvals are there: the decision, its history and the pending commit."""
    decision = _decide(
        submission,
        revision,
        reviewer=reviewer,
        verdict=Decision.Verdict.APPROVE,
        state=State.APPROVED,
        kind=SubmissionEvent.Kind.APPROVED,
        reason=reason,
        as_administrator=as_administrator,
        now=now,
    )
    author = submission.author
    PendingCommit.objects.create(
        submission=submission,
        revision=revision,
        path=submission.path,
        moves=submission.moves,
        qna=revision.qna.encode(),
        attribution=revision.attribution.encode(),
        document_name=revision.document_name,
        document_text=revision.document_text,
        base_blob=revision.base_blob,
        base_attribution_blob=revision.base_attribution_blob,
        author_name=author.display_name,
        author_email=author.email,
        signed_off_by=revision.signed_off_as,
        reviewed_by="\n".join(identity(approval.reviewer) for approval in count.given),
        approved_at=now,
    )
    transaction.on_commit(outbox_send)
    return decision


@transaction.atomic
def submission_request_changes(
    *,
    submission: Submission,
    reviewer: User,
    revision_number: int,
    reason: str,
    step_in: bool = False,
    now: datetime,
) -> Decision:
    """Hand a submission back to its author with what should be different."""
    return _decide_against(
        submission,
        revision_number,
        reviewer=reviewer,
        reason=reason,
        without_reason=_("Write what should change: the author sees it."),
        step_in=step_in,
        verdict=Decision.Verdict.REQUEST_CHANGES,
        state=State.CHANGES_REQUESTED,
        kind=SubmissionEvent.Kind.CHANGES_REQUESTED,
        now=now,
    )


@transaction.atomic
def submission_reject(
    *,
    submission: Submission,
    reviewer: User,
    revision_number: int,
    reason: str,
    step_in: bool = False,
    now: datetime,
) -> Decision:
    """Turn a submission down for good, with the reason."""
    return _decide_against(
        submission,
        revision_number,
        reviewer=reviewer,
        reason=reason,
        without_reason=_("Write why it is rejected: the author sees it."),
        step_in=step_in,
        verdict=Decision.Verdict.REJECT,
        state=State.REJECTED,
        kind=SubmissionEvent.Kind.REJECTED,
        now=now,
    )


def _decide_against(
    submission: Submission,
    revision_number: int,
    *,
    reviewer: User,
    reason: str,
    without_reason: str,
    step_in: bool,
    verdict: Decision.Verdict,
    state: State,
    kind: SubmissionEvent.Kind,
    now: datetime,
) -> Decision:
    """Decide other than by an approval: one person's word is enough, and it needs a reason.

    ``without_reason``: the sentence that asks for it.
    """
    as_administrator = deciding_require(submission, reviewer, step_in=step_in)
    revision = revision_of(submission, revision_number)
    reason = required_reason(reason, without_reason)
    _hold(submission, revision, reviewer=reviewer, now=now)
    return _decide(
        submission,
        revision,
        reviewer=reviewer,
        verdict=verdict,
        state=state,
        kind=kind,
        reason=reason,
        as_administrator=as_administrator,
        now=now,
    )


def required_reason(reason: str, sentence: str) -> str:
    """The reason as it was given; a decision against somebody needs one."""
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
    as_administrator: bool,
    now: datetime,
) -> Decision:
    """The decision and its history, on a row that the caller holds."""
    where = {"state": State.SUBMITTED, "revision_number": revision.number}
    move(submission, where=where, now=now, state=state, claimed_by=reviewer, claimed_at=now)
    reason = written(reason)
    record(submission, kind, person=reviewer, reason=reason, as_administrator=as_administrator, now=now)
    return Decision.objects.create(
        submission=submission, revision=revision, reviewer=reviewer, verdict=verdict, reason=reason, decided_at=now
    )
