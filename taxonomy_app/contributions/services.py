"""Every write to drafts and submissions: check, do, record. Handing in lives here; the rest is offered from its module.

Each function is one audited transition. States move by a conditional UPDATE and its row count, so that of two
people acting at once exactly one wins and the other is told who was first. What is approved reaches git by
``outbox``; nothing here calls git except to read files by their blob.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions import messages
from taxonomy_app.contributions.deciding import (
    submission_approve,
    submission_claim,
    submission_reject,
    submission_release,
    submission_request_changes,
)
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
    path_require,
)
from taxonomy_app.contributions.models import (
    ANSWERABLE,
    Draft,
    Revision,
    SavedFilter,
    State,
    Submission,
    SubmissionEvent,
    SubmissionText,
)
from taxonomy_app.contributions.notices import notices_read
from taxonomy_app.contributions.outbox import outbox_run
from taxonomy_app.contributions.problems import ChangedMeanwhile, NeedsWork, NotYours, Refused
from taxonomy_app.contributions.talking import comment_add, comment_resolve
from taxonomy_app.contributions.transitions import identity, move, record, written
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
    "identity",
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
        SubmissionText.of(submission).save(force_insert=True)
        number, kind = 1, SubmissionEvent.Kind.SUBMITTED
    else:
        number, kind = submission.revision_number + 1, SubmissionEvent.Kind.REVISED
        move(
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
        message=written(message),
        signed_off_as=identity(by),
        signed_off_at=now,
    )
    record(submission, kind, person=by, reason=message, now=now)
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
    move(submission, where={"state__in": ANSWERABLE}, now=now, state=State.WITHDRAWN, claimed_by=None, claimed_at=None)
    Draft.objects.filter(submission=submission).update(submission=None, version=F("version") + 1, updated_at=now)
    record(submission, SubmissionEvent.Kind.WITHDRAWN, person=by, reason=reason, now=now)


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
