"""Every write to drafts and submissions: check, do, record. Handing in lives here; the rest is offered from its module.

Each function is one audited transition. States move by a conditional UPDATE and its row count, so that of two
people acting at once exactly one wins and the other is told who was first. What is approved reaches git by
``outbox``; nothing here calls git except to read files by their blob.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

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
    draft_improve,
    draft_problems,
    draft_restore,
    draft_save,
    path_require,
)
from taxonomy_app.contributions.findings import findings_keep
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
from taxonomy_app.contributions.moving import submission_move
from taxonomy_app.contributions.notices import notices_read
from taxonomy_app.contributions.outbox import outbox_run
from taxonomy_app.contributions.problems import ChangedMeanwhile, NeedsWork, NotYours, Refused
from taxonomy_app.contributions.revising import draft_detach, leaf_now, submission_revise
from taxonomy_app.contributions.rule_editing import rule_change, rule_make, rule_remove
from taxonomy_app.contributions.suggestions import suggestion_accept, suggestion_decline, suggestions_add
from taxonomy_app.contributions.talking import comment_add, comment_resolve
from taxonomy_app.contributions.transitions import identity, move, record, written
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
    "rule_change",
    "rule_make",
    "rule_remove",
    "submission_approve",
    "submission_claim",
    "submission_move",
    "submission_reject",
    "submission_release",
    "submission_request_changes",
    "submission_revise",
    "submission_withdraw",
    "suggestion_accept",
    "suggestion_decline",
    "suggestions_add",
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
        raise Refused(_("Tick the sign-off: without it your contribution cannot be taken."))
    if draft.submission_id is not None:
        # First the submission's row, then the draft's, as a move, a withdrawal and an accepted suggestion take them:
        # the other way round the two could wait for each other.
        Submission.objects.select_for_update().get(pk=draft.submission_id)
    rows = Draft.objects.select_for_update(of=("self",)).filter(pk=draft.pk, version=version)
    draft = rows.select_related("author").first()
    if draft is None:
        raise ChangedMeanwhile(
            _("This draft was changed in another window since you looked at it. Read it through again, then submit.")
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
        "moves": draft.leaf_id is not None and submission is not None and submission.moves,
        "summary": _summary(leaf),
        "seed_count": len(leaf.seed_examples) if leaf else 0,
    }
    if submission is None:
        if _changes_nothing(draft, files):
            raise Refused(_("Nothing is different from the leaf in the taxonomy yet. Change something, then submit."))
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
    revision = Revision.objects.create(
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
    findings_keep(revision, files.problems)
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
def submission_withdraw(*, submission: Submission, by: User, reason: str = "", now: datetime) -> None:
    """Take one's own submission back. What was written stays readable for its author, and the next version, where one
    was begun, stays among the drafts as one of its own.
    """
    if submission.author_id != by.pk:
        raise NotYours
    move(submission, where={"state__in": ANSWERABLE}, now=now, state=State.WITHDRAWN, claimed_by=None, claimed_at=None)
    fields: dict[str, Any] = {"submission": None}
    leaf = leaf_now(leaf_id=submission.leaf_id, path=submission.path) if submission.moves else None
    if leaf is not None:
        fields["path"] = leaf.path
    Draft.objects.filter(submission=submission).update(version=F("version") + 1, updated_at=now, **fields)
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
        raise Refused(_("Give the filter a name of at most 60 characters."))
    own = SavedFilter.objects.filter(person=person)
    if own.exclude(name=name).count() >= SavedFilter.MOST:
        raise Refused(
            _("You have %(most)s saved filters. Forget one that you no longer need first.") % {"most": SavedFilter.MOST}
        )
    saved, _made = SavedFilter.objects.update_or_create(person=person, name=name, defaults={"query": query})
    return saved


def filter_forget(*, saved: SavedFilter, by: User) -> None:
    """Forget a saved filter of one's own."""
    if saved.person_id != by.pk:
        raise NotYours
    saved.delete()
