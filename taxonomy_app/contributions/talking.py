"""What author and reviewers say to each other about a submission; offered by ``services``."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from taxonomy_app.contributions.models import Comment, CommentResolution, Notice, Submission
from taxonomy_app.contributions.notices import notices_send
from taxonomy_app.contributions.problems import ChangedMeanwhile, NotYours, Refused
from taxonomy_app.contributions.transitions import revision_of, written
from taxonomy_repo.leaf import read_leaf

if TYPE_CHECKING:
    from taxonomy_app.people.models import User


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
    text = written(text)
    if not text:
        raise Refused(_("Write something first."))
    revision = revision_of(submission, submission.revision_number if revision_number is None else revision_number)
    if seed_position is not None:
        leaf = read_leaf(revision.qna.encode(), revision.path).leaf
        if not 0 <= seed_position < (len(leaf.seed_examples) if leaf else 0):
            raise Refused(_("This seed does not exist in the revision. Reload the page and look again."))
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
        raise ChangedMeanwhile(
            _("%(person)s has settled this already.") % {"person": settled.by.display_name}
        ) from None
