"""The next version of a submission: the draft that answers a reviewer, and how it goes on by itself once that
submission is closed. Offered by ``services``.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from taxonomy_app.contributions import messages
from taxonomy_app.contributions.drafts import draft_fill
from taxonomy_app.contributions.models import Draft, State, Submission
from taxonomy_app.contributions.problems import ChangedMeanwhile, NotYours, Refused
from taxonomy_app.tree import models as tree_models

if TYPE_CHECKING:
    from taxonomy_app.people.models import User


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
    leaf = leaf_now(leaf_id=submission.leaf_id, path=submission.path)
    if submission.leaf_id is not None and leaf is None:
        base, base_attribution, draft.leaf_id = "", "", None
    elif submission.state == State.CONFLICT and leaf is not None:
        base, base_attribution = leaf.blob, leaf.attribution_blob or ""
        draft.leaf_id = leaf.leaf_id
        draft.path = submission.path if submission.moves else leaf.path
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
        raise Refused(_("This draft needs no separating: it can be submitted as it is."))
    if submission.state == State.APPROVED:
        raise Refused(
            _("%(number)s is on its way into the taxonomy. Try again in a moment.") % {"number": submission.number}
        )
    fields: dict[str, Any] = {"submission": None}
    leaf = leaf_now(leaf_id=submission.leaf_id, path=submission.path)
    if submission.state == State.COMMITTED and leaf is not None:
        fields |= {
            "leaf_id": leaf.leaf_id,
            "path": leaf.path,
            "base_blob": leaf.blob,
            "base_attribution_blob": leaf.attribution_blob or "",
        }
    elif leaf is None:
        fields |= {"leaf_id": None, "base_blob": "", "base_attribution_blob": ""}
    elif draft.leaf_id is not None:
        # Where the submission was to be moved is nothing that its author chose for what they begin now.
        fields["path"] = leaf.path
    if not Draft.objects.filter(pk=draft.pk, submission=submission).update(updated_at=now, **fields):
        raise ChangedMeanwhile(_("This draft is a contribution of its own already, or was deleted in another window."))
    draft.refresh_from_db()
    return draft


def leaf_now(*, leaf_id: UUID | None, path: str) -> tree_models.Leaf | None:
    """The leaf in the index that a submission is about: by identity, or for a new leaf by its place."""
    leaves = tree_models.Leaf.objects.present()
    return leaves.filter(leaf_id=leaf_id).first() if leaf_id else leaves.filter(path=path).first()
