"""Every write to drafts and submissions: check, do, record.

Each function is one audited transition. States move by a conditional UPDATE and its row count, so that of two
people acting at once exactly one wins and the other is told who was first. What is approved reaches git by
``outbox``; nothing here calls git except to read files by their blob.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions import messages
from taxonomy_app.contributions.drafts import (
    LONGEST_TEXT,
    DraftChanges,
    DraftFiles,
    blob_text,
    draft_create,
    draft_discard,
    draft_fill,
    draft_improve,
    draft_problems,
    draft_restore,
    draft_save,
    nesting_refuse,
    path_require,
)
from taxonomy_app.contributions.models import (
    ANSWERABLE,
    Comment,
    CommentResolution,
    Decision,
    Draft,
    Notice,
    PendingCommit,
    Revision,
    SavedFilter,
    State,
    Submission,
    SubmissionEvent,
)
from taxonomy_app.contributions.notices import notices_read, notices_send
from taxonomy_app.contributions.outbox import outbox_run, outbox_send
from taxonomy_app.contributions.problems import ChangedMeanwhile, NeedsWork, NotYours, Refused
from taxonomy_app.tree import models as tree_models
from taxonomy_repo.leaf import leaf_kind, read_leaf

if TYPE_CHECKING:
    from taxonomy_app.people.models import User

__all__ = [
    "LONGEST_TEXT",
    "DraftChanges",
    "DraftFiles",
    "comment_add",
    "comment_resolve",
    "draft_create",
    "draft_detach",
    "draft_discard",
    "draft_improve",
    "draft_problems",
    "draft_restore",
    "draft_save",
    "draft_submit",
    "filter_forget",
    "filter_save",
    "notices_read",
    "outbox_run",
    "submission_approve",
    "submission_claim",
    "submission_reject",
    "submission_release",
    "submission_request_changes",
    "submission_revise",
    "submission_withdraw",
]

LONGEST_REASON = 4_000


# --- Submitting ---------------------------------------------------------------------------------


@transaction.atomic
def draft_submit(
    *, draft: Draft, by: User, version: int, sign_off: bool, message: str = "", now: datetime
) -> Submission:
    """Hand a draft in for review: a new submission, or the next revision of the one it answers for.

    The draft is gone afterwards; what was signed off is kept to the letter in the revision.

    Raises:
        NotYours, ChangedMeanwhile, NeedsWork (errors in the leaf), Refused (no sign-off, nothing changed, or the
        place was taken meanwhile).
    """
    if draft.author_id != by.pk:
        raise NotYours
    if not sign_off:
        raise Refused("Tick the sign-off: without it your contribution cannot be taken.")
    draft = Draft.objects.select_for_update().filter(pk=draft.pk, version=version).select_related("author").first()
    if draft is None:
        raise ChangedMeanwhile(
            "This draft was changed in another window since you looked at it. Read it through again, then submit."
        )
    files = draft_problems(draft)
    if files.errors:
        raise NeedsWork(messages.errors_left(len(files.errors)), files.problems)
    if draft.is_new_leaf:
        path_require(path=draft.path, kind=draft.kind)
    qna, attribution = files.qna.decode(), files.attribution.decode()
    submission = draft.submission
    leaf = read_leaf(files.qna, draft.path).leaf
    content = {
        "kind": leaf_kind(draft.path, leaf),
        "path": draft.path,
        "branch": draft.path.split("/", 1)[0],
        # A conflict can turn a new leaf into an improvement, and a removal the other way round.
        "leaf_id": draft.leaf_id,
        "improves": draft.leaf_id is not None,
        "summary": _summary(leaf),
        "seed_count": len(leaf.seed_examples) if leaf else 0,
    }
    if submission is None:
        if _changes_nothing(draft, files):
            raise Refused("Nothing is different from the leaf in the taxonomy yet. Change something, then submit.")
        submission = Submission.objects.create(
            author=by,
            state=State.SUBMITTED,
            created_at=now,
            submitted_at=now,
            updated_at=now,
            **content,
        )
        number, kind = 1, SubmissionEvent.Kind.SUBMITTED
    else:
        number, kind = submission.revision_number + 1, SubmissionEvent.Kind.REVISED
        _move(
            submission,
            where={"state__in": ANSWERABLE, "revision_number": submission.revision_number},
            now=now,
            state=State.SUBMITTED,
            revision_number=number,
            submitted_at=now,
            claimed_by=None,
            claimed_at=None,
            **content,
        )
    Revision.objects.create(
        submission=submission,
        number=number,
        path=draft.path,
        qna=qna,
        attribution=attribution,
        document_name=documents.document_place(draft.path, draft.document_name) if draft.document_text.strip() else "",
        document_text=draft.document_text if draft.document_text.strip() else "",
        base_blob=draft.base_blob,
        base_attribution_blob=draft.base_attribution_blob,
        message=_written(message),
        signed_off_as=identity(by),
        signed_off_at=now,
    )
    _record(submission, kind, person=by, reason=message, now=now)
    # What the models said while it was written stays with what was written.
    draft.askings.update(draft=None, submission=submission)
    draft.delete()
    return submission


def _changes_nothing(draft: Draft, files: DraftFiles) -> bool:
    """Whether the leaf and its sources say what they say in the taxonomy, however the files are laid out."""
    if not draft.base_blob or draft.document_text.strip():
        return False
    before = read_leaf(blob_text(draft.base_blob).encode(), draft.path).leaf
    if before is None or before != read_leaf(files.qna, draft.path).leaf:
        return False
    sources = blob_text(draft.base_attribution_blob).encode()
    return documents.sources_from_bytes(sources) == documents.sources_from_bytes(files.attribution)


def _summary(leaf: Any) -> str:
    if leaf is None:
        return ""
    text = " ".join((leaf.task_description or leaf.document_outline or leaf.domain).split())
    return text if len(text) <= 300 else text[:299].rstrip() + "…"


def identity(person: User) -> str:
    """A person as sign-offs name them."""
    return f"{person.display_name} <{person.email}>"


@transaction.atomic
def submission_revise(*, submission: Submission, by: User, now: datetime) -> Draft:
    """Open the draft of the next revision (the one already open, if there is one).

    After a conflict the draft starts from the author's version, on top of what the taxonomy has now; where the leaf
    was removed meanwhile, it becomes a new one.
    """
    if submission.author_id != by.pk:
        raise NotYours
    # Two windows that ask at once wait for each other here, so that both get the same draft.
    submission = Submission.objects.select_for_update().get(pk=submission.pk)
    existing = Draft.objects.filter(submission=submission).first()
    if existing is not None:
        return existing
    if not submission.can_be_revised:
        raise Refused(messages.too_late(submission))
    revision = submission.revisions.get(number=submission.revision_number)
    draft = Draft(
        author=by,
        kind=submission.kind,
        path=submission.path,
        leaf_id=submission.leaf_id,
        submission=submission,
        created_at=now,
        updated_at=now,
        document_text=revision.document_text,
        document_name=revision.document_name.rsplit("/", 1)[-1],
    )
    base, base_attribution = revision.base_blob, revision.base_attribution_blob
    leaf = _leaf_now(leaf_id=submission.leaf_id, path=submission.path)
    if submission.leaf_id is not None and leaf is None:
        base, base_attribution, draft.leaf_id = "", "", None
    elif submission.state == State.CONFLICT and leaf is not None:
        base, base_attribution = leaf.blob, leaf.attribution_blob or ""
        draft.leaf_id, draft.path = leaf.leaf_id, leaf.path
    draft_fill(
        draft,
        qna=revision.qna,
        attribution=revision.attribution.encode(),
        base_blob=base,
        base_attribution_blob=base_attribution,
    )
    draft.save()
    return draft


@transaction.atomic
def draft_detach(*, draft: Draft, by: User, now: datetime) -> Draft:
    """Let the next version of a submission go on as a contribution of its own, once that submission is closed.

    Of what was committed meanwhile it becomes an improvement, on top of what the taxonomy has now.

    Raises:
        NotYours. Refused: the submission can still be revised, or is just on its way into the taxonomy.
        ChangedMeanwhile: another window was faster.
    """
    if draft.author_id != by.pk:
        raise NotYours
    submission = draft.submission
    if submission is None or submission.can_be_revised:
        raise Refused("This draft needs no separating: it can be submitted as it is.")
    if submission.state == State.APPROVED:
        raise Refused(f"{submission.number} is on its way into the taxonomy. Try again in a moment.")
    fields: dict[str, Any] = {"submission": None}
    leaf = _leaf_now(leaf_id=submission.leaf_id, path=submission.path)
    if submission.state == State.COMMITTED and leaf is not None:
        fields |= {
            "leaf_id": leaf.leaf_id,
            "path": leaf.path,
            "base_blob": leaf.blob,
            "base_attribution_blob": leaf.attribution_blob or "",
        }
    elif leaf is None:
        fields |= {"leaf_id": None, "base_blob": "", "base_attribution_blob": ""}
    if not Draft.objects.filter(pk=draft.pk, submission=submission).update(updated_at=now, **fields):
        raise ChangedMeanwhile("This draft is a contribution of its own already, or was deleted in another window.")
    draft.refresh_from_db()
    return draft


def _leaf_now(*, leaf_id: UUID | None, path: str) -> tree_models.Leaf | None:
    """The leaf in the index that a submission is about: by identity, or for a new leaf by its place."""
    leaves = tree_models.Leaf.objects.present()
    return leaves.filter(leaf_id=leaf_id).first() if leaf_id else leaves.filter(path=path).first()


@transaction.atomic
def submission_withdraw(*, submission: Submission, by: User, reason: str = "", now: datetime) -> None:
    """Take one's own submission back. What was written stays readable for its author, and the next version, where one
    was begun, stays among the drafts as one of its own.
    """
    if submission.author_id != by.pk:
        raise NotYours
    _move(submission, where={"state__in": ANSWERABLE}, now=now, state=State.WITHDRAWN, claimed_by=None, claimed_at=None)
    Draft.objects.filter(submission=submission).update(submission=None, version=F("version") + 1, updated_at=now)
    _record(submission, SubmissionEvent.Kind.WITHDRAWN, person=by, reason=reason, now=now)


# --- Reviewing ----------------------------------------------------------------------------------


def _require_reviewer(submission: Submission, reviewer: User) -> None:
    if not reviewer.can_review:
        raise NotYours
    if submission.author_id == reviewer.pk:
        raise Refused("This is your own contribution: somebody else has to review it.")


@transaction.atomic
def submission_claim(*, submission: Submission, reviewer: User, take_over: bool = False, now: datetime) -> None:
    """Tell the other reviewers that one is on it. ``take_over`` takes it from somebody who is."""
    _require_reviewer(submission, reviewer)
    _move(
        submission,
        where={"state": State.SUBMITTED},
        unclaimed_by=None if take_over else reviewer,
        now=now,
        claimed_by=reviewer,
        claimed_at=now,
    )
    _record(submission, SubmissionEvent.Kind.CLAIMED, person=reviewer, now=now)


@transaction.atomic
def submission_release(*, submission: Submission, reviewer: User, now: datetime) -> None:
    """Give a claimed submission back to the queue."""
    _require_reviewer(submission, reviewer)
    where = {"state": State.SUBMITTED, "claimed_by": reviewer}
    _move(submission, where=where, now=now, claimed_by=None, claimed_at=None)
    _record(submission, SubmissionEvent.Kind.RELEASED, person=reviewer, now=now)


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
    revision = _revision(submission, revision_number)
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
        _revision(submission, revision_number),
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
        _revision(submission, revision_number),
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


def _revision(submission: Submission, number: int) -> Revision:
    revision = submission.revisions.filter(number=number).first()
    if revision is None:
        raise ChangedMeanwhile("This revision does not exist. Reload the page and look again.")
    return revision


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
    _move(
        submission,
        where={"state": State.SUBMITTED, "revision_number": revision.number},
        unclaimed_by=reviewer,
        now=now,
        state=state,
        claimed_by=reviewer,
        claimed_at=now,
    )
    reason = _written(reason)
    _record(submission, kind, person=reviewer, reason=reason, now=now)
    return Decision.objects.create(
        submission=submission, revision=revision, reviewer=reviewer, verdict=verdict, reason=reason, decided_at=now
    )


# --- Talking ------------------------------------------------------------------------------------


@transaction.atomic
def comment_add(
    *,
    submission: Submission,
    author: User,
    text: str,
    revision_number: int | None = None,
    seed_position: int | None = None,
    now: datetime,
) -> Comment:
    """Say something about a submission, or about one seed of a revision. Its author and reviewers may.

    Args:
        revision_number: the revision that the person had before them (default: the latest), so that a word about a
            seed stays with that seed when a newer revision has come meanwhile.
        seed_position: counted from 0.
    """
    if submission.author_id != author.pk and not author.can_review:
        raise NotYours
    text = _written(text)
    if not text:
        raise Refused("Write something first.")
    revision = _revision(submission, submission.revision_number if revision_number is None else revision_number)
    if seed_position is not None:
        leaf = read_leaf(revision.qna.encode(), revision.path).leaf
        if not 0 <= seed_position < (len(leaf.seed_examples) if leaf else 0):
            raise Refused("This seed does not exist in the revision. Reload the page and look again.")
    made: Comment = Comment.objects.create(
        submission=submission,
        revision_number=revision.number,
        seed_position=seed_position,
        author=author,
        text=text,
        at=now,
    )
    notices_send(submission=submission, kind=Notice.Kind.COMMENTED, by=author, now=now)
    return made


def comment_resolve(*, comment: Comment, by: User, now: datetime) -> CommentResolution:
    """Say that nothing is left to do about a comment. The submission's author and reviewers may.

    Raises:
        NotYours. ChangedMeanwhile: somebody said so already.
    """
    if comment.submission.author_id != by.pk and not by.can_review:
        raise NotYours
    try:
        with transaction.atomic():
            return CommentResolution.objects.create(comment=comment, by=by, at=now)
    except IntegrityError:
        settled = CommentResolution.objects.select_related("by").get(comment=comment)
        raise ChangedMeanwhile(f"{settled.by.display_name} has settled this already.") from None


# --- A reviewer's own filters -------------------------------------------------------------------


@transaction.atomic
def filter_save(*, person: User, name: str, query: str) -> SavedFilter:
    """Keep a filter of the queue under ``name``; the same name again replaces what it meant.

    Raises:
        Refused: no name, one that is too long, or more filters than anybody finds again.
    """
    name = " ".join(documents.clean(name).split())
    if not name or len(name) > 60:
        raise Refused("Give the filter a name of at most 60 characters.")
    own = SavedFilter.objects.filter(person=person)
    if own.exclude(name=name).count() >= SavedFilter.MOST:
        raise Refused(f"You have {SavedFilter.MOST} saved filters. Forget one that you no longer need first.")
    saved, _ = SavedFilter.objects.update_or_create(person=person, name=name, defaults={"query": query})
    return saved


def filter_forget(*, saved: SavedFilter, by: User) -> None:
    """Forget a saved filter of one's own."""
    if saved.person_id != by.pk:
        raise NotYours
    saved.delete()


# --- What every transition does -----------------------------------------------------------------


def _written(text: str) -> str:
    """A person's words as they are kept; longer than can be kept they are refused, never cut."""
    text = documents.clean(text).strip()
    if len(text) > LONGEST_REASON:
        raise Refused(f"This is longer than {LONGEST_REASON:,} characters. Shorten it and send it again.")
    return text


def _move(
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


def _record(submission: Submission, kind: str, *, person: User | None, reason: str = "", now: datetime) -> None:
    SubmissionEvent.objects.create(
        submission=submission,
        kind=kind,
        person=person,
        revision_number=submission.revision_number,
        reason=_written(reason),
        at=now,
    )
    notices_send(submission=submission, kind=kind, by=person, now=now)
