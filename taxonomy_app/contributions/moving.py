"""Moving a submission to another place in the tree while it is reviewed; offered by ``services``.

A new leaf will be made at the new place. A leaf that is in the taxonomy goes there with the commit of its improvement
and keeps its identity. Approvals are for a place, so they are asked for again; a claim stays with whoever has it.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions.deciding import required_reason
from taxonomy_app.contributions.drafts import path_require
from taxonomy_app.contributions.findings import findings_keep
from taxonomy_app.contributions.models import ANSWERABLE, Draft, State, Submission, SubmissionEvent
from taxonomy_app.contributions.problems import ChangedMeanwhile, Refused
from taxonomy_app.contributions.rules import deciding_require
from taxonomy_app.contributions.transitions import move, record, revision_of
from taxonomy_app.tree.models import Leaf

if TYPE_CHECKING:
    from taxonomy_app.people.models import User


@transaction.atomic
def submission_move(
    *,
    submission: Submission,
    reviewer: User,
    path: str,
    reason: str,
    seen_path: str | None = None,
    step_in: bool = False,
    now: datetime,
) -> Submission:
    """Choose another place for what waits for review; its author is told.

    Who reviews the place where it is decides that; who reviews the new one decides what becomes of it there.

    Args:
        path: the leaf's folder, its name at the end, on the same branch.
        seen_path: the place that the page showed, where it came from a page.

    Raises:
        NotYours, Refused: as for a decision; no reason, the same place, or one that is taken, inside a leaf or around
        leaves. NeedsWork: not a place that a leaf may have. ChangedMeanwhile: decided, moved or claimed meanwhile.
    """
    as_administrator = deciding_require(submission, reviewer, step_in=step_in)
    reason = required_reason(reason, _("Write why it belongs there: the author reads it."))
    path = documents.clean(path).strip().strip("/")
    before = submission.path
    if seen_path is not None and seen_path != before:
        raise ChangedMeanwhile(
            _("It was moved to %(before)s meanwhile, so nothing was changed. Look at it there first.")
            % {"before": before}
        )
    if path == before:
        raise Refused(_("It is at %(before)s already. Write another place.") % {"before": before})
    leaf = Leaf.objects.present().filter(leaf_id=submission.leaf_id).first() if submission.leaf_id else None
    if submission.leaf_id is not None and leaf is None:
        raise Refused(_("The leaf that this improves is no longer in the taxonomy, so it cannot be moved."))
    goes_back = leaf is not None and leaf.path == path
    if not goes_back:
        path_require(path=path, kind=submission.kind)
        _unclaimed_place_require(path, submission)
    where = {"state": State.SUBMITTED, "revision_number": submission.revision_number, "path": before}
    moves = leaf is not None and not goes_back
    move(submission, where=where, unclaimed_by=reviewer, now=now, path=path, moves=moves)
    # A next version that was begun goes along; its author's open page is told by the version that something changed.
    Draft.objects.filter(submission=submission).update(path=path, version=F("version") + 1, updated_at=now)
    revision = revision_of(submission, submission.revision_number)
    found = documents.check(qna=revision.qna.encode(), path=path, attribution=revision.attribution.encode())
    findings_keep(revision, found)
    told = f"{before} → {path}\n{reason.strip()}"
    kind = SubmissionEvent.Kind.MOVED
    record(submission, kind, person=reviewer, reason=told, as_administrator=as_administrator, now=now)
    return submission


def _unclaimed_place_require(path: str, submission: Submission) -> None:
    """Refuse a place that another submission is on its way to."""
    open_states = (*ANSWERABLE, State.APPROVED)
    others = Submission.objects.filter(path=path, state__in=open_states).exclude(pk=submission.pk)
    other = others.filter(leaf_id__isnull=True).first() or others.filter(moves=True).first()
    if other is not None:
        raise Refused(
            _("%(number)s is to go to %(path)s as well: decide on that one first, or choose another place.")
            % {"number": other.number, "path": path}
        )
