"""Texts that reviewers propose for single fields, and what the author does with them; offered by ``services``.

A suggestion is a comment with a text. Accepting one puts the text into the draft of the next version, begun where
there is none, if the field still says what the reviewer read; otherwise nothing is written and the author sees both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import translation
from django.utils.translation import gettext as _

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions import messages
from taxonomy_app.contributions.drafts import DraftChanges, draft_save
from taxonomy_app.contributions.form_fields import field_in_seed, field_put, field_text, seed_position
from taxonomy_app.contributions.models import (
    Comment,
    CommentResolution,
    Draft,
    Notice,
    Revision,
    Submission,
    SubmissionEvent,
    Suggestion,
)
from taxonomy_app.contributions.notices import notices_send
from taxonomy_app.contributions.problems import ChangedMeanwhile, NotYours, Refused
from taxonomy_app.contributions.revising import submission_revise
from taxonomy_app.contributions.transitions import record, revision_of, written
from taxonomy_repo.comparison import FieldComparison, match_seeds, words_compare

if TYPE_CHECKING:
    from taxonomy_app.people.models import User

LONGEST_SUGGESTION = 20_000


class Overtaken(ChangedMeanwhile):
    """The field no longer says what the suggestion was made for; nothing was written."""


def revision_form(revision: Revision, kind: str) -> documents.Form:
    """The form of a revision's leaf.

    Raises:
        Refused: its YAML cannot be shown as a form, so that it has no fields to propose a text for.
    """
    try:
        return documents.form_from_text(revision.qna, kind=kind, path=revision.path)[0]
    except documents.NotAForm:
        raise Refused(_("This revision cannot be shown as a form, so write a comment instead.")) from None


@transaction.atomic
def suggestions_add(
    *,
    submission: Submission,
    author: User,
    revision_number: int,
    texts: Mapping[str, str],
    remark: str = "",
    now: datetime,
) -> list[Comment]:
    """Propose texts for fields of a revision; those that are as they were are left out.

    Args:
        texts: by field name, what each should say.
        remark: a word that goes with the first.

    Raises:
        NotYours: not a reviewer. Refused: one's own, a closed submission, nothing different, an empty or overlong text,
        or a field that the revision does not have.
    """
    if not author.can_review:
        raise NotYours
    if submission.author_id == author.pk:
        raise Refused(_("This is your own contribution: change it itself."))
    if not submission.can_be_revised:
        raise Refused(
            _("There is nothing left to suggest: %(state)s.") % {"state": submission.get_state_display().lower()}
        )
    revision = revision_of(submission, revision_number)
    form = revision_form(revision, submission.kind)
    made: list[Comment] = []
    for name, given in texts.items():
        before = field_text(form, name)
        if before is None:
            raise Refused(_("This field does not exist in the revision. Reload the page and look again."))
        text = documents.clean(given)
        if text.strip() == before.strip():
            continue
        if not text.strip():
            raise Refused(_("A suggestion cannot be empty. To have something taken out, write a comment."))
        if len(text) > LONGEST_SUGGESTION:
            raise Refused(
                _("A suggestion has at most %(longest_suggestion)s characters. Shorten it and send it again.")
                % {"longest_suggestion": f"{LONGEST_SUGGESTION:,}"}
            )
        comment = Comment.objects.create(
            submission=submission,
            revision_number=revision.number,
            seed_position=seed_position(name),
            author=author,
            text="" if made else written(remark),
            at=now,
        )
        Suggestion.objects.create(comment=comment, field=name, before=before, text=text)
        made.append(comment)
    if not made:
        raise Refused(_("Nothing is different yet. Change a text, then send it."))
    notices_send(submission=submission, kind=Notice.Kind.COMMENTED, by=author, now=now)
    return made


@dataclass(frozen=True)
class SuggestionPlace:
    """Where a suggestion's field is in a draft: its name there and what it says. ``name`` is empty where it is gone."""

    suggestion: Suggestion
    name: str
    text: str

    @property
    def as_read(self) -> bool:
        """Whether the field says what the reviewer read, or what they propose already."""
        return bool(self.name) and self.text.strip() in (self.suggestion.before.strip(), self.suggestion.text.strip())

    @property
    def comparison(self) -> FieldComparison:
        """What the draft says beside what is proposed, word by word."""
        return FieldComparison(self.suggestion.label, *words_compare(self.text, self.suggestion.text))


def suggestion_place(comment: Comment, form: Mapping[str, Any], *, kind: str) -> SuggestionPlace:
    """Find the field in a draft's form; seeds that were moved since are found by what they say."""
    suggestion = comment.suggestion  # type: ignore[attr-defined]  # the other side of a OneToOneField
    name = suggestion.field
    seed = seed_position(name)
    if seed is not None and (field_text(form, name) or "").strip() != suggestion.before.strip():
        submission = comment.submission
        read = revision_form(revision_of(submission, comment.revision_number), submission.kind)
        old = documents.leaf_from_form(dict(read), kind=kind).seed_examples
        new = documents.leaf_from_form(dict(form), kind=kind).seed_examples
        now = next((place for place, before in match_seeds(old, new).items() if before == seed), None)
        name = "" if now is None else field_in_seed(name, now)
    text = field_text(form, name) if name else None
    return SuggestionPlace(suggestion, name if text is not None else "", text or "")


@transaction.atomic
def suggestion_accept(*, comment: Comment, by: User, over_version: int | None = None, now: datetime) -> Draft:
    """Put the proposed text into the draft of the next version, and settle the comment.

    Args:
        over_version: the draft's version whose text the author saw beside the suggestion and gives up for it.

    Raises:
        NotYours: not the author. Overtaken: the field says something else by now. ChangedMeanwhile: settled already.
        Refused: the submission is closed, the seed is gone, or the draft is YAML that cannot be read.
    """
    submission = comment.submission
    if submission.author_id != by.pk:
        raise NotYours
    if not submission.can_be_revised:
        raise Refused(messages.too_late(submission))
    _resolve(comment, by=by, outcome=CommentResolution.Outcome.ACCEPTED, now=now)
    draft = submission_revise(submission=submission, by=by, now=now)
    form = draft_form(draft)
    place = suggestion_place(comment, form, kind=draft.kind)
    if not place.name:
        raise Refused(_("The seed that this is about is no longer in your draft. Put it back there, or decline."))
    if not place.as_read and over_version != draft.version:
        raise Overtaken(_("You have changed this text since the suggestion was made, so nothing was overwritten."))
    if place.text != place.suggestion.text:
        draft = draft_save(
            draft=draft,
            by=by,
            version=draft.version,
            changes=DraftChanges(form=field_put(form, place.name, place.suggestion.text)),
            because="suggestion",
            now=now,
        )
    _record(comment, SubmissionEvent.Kind.SUGGESTION_ACCEPTED, by=by, now=now)
    return draft


@transaction.atomic
def suggestion_decline(*, comment: Comment, by: User, now: datetime) -> None:
    """Settle a suggestion without taking it.

    Raises:
        NotYours: not the author. ChangedMeanwhile: settled already.
    """
    if comment.submission.author_id != by.pk:
        raise NotYours
    _resolve(comment, by=by, outcome=CommentResolution.Outcome.DECLINED, now=now)
    _record(comment, SubmissionEvent.Kind.SUGGESTION_DECLINED, by=by, now=now)


def draft_form(draft: Draft) -> documents.Form:
    """The draft as a form, also where it is written as YAML.

    Raises:
        Refused: the YAML cannot be read as one.
    """
    if draft.written_as != Draft.WrittenAs.YAML:
        return dict(draft.form)
    try:
        return documents.form_from_text(draft.text, kind=draft.kind, path=draft.path)[0]
    except documents.NotAForm as error:
        raise Refused(_("The YAML of your draft has to be mended first. %(error)s") % {"error": error}) from None


def _resolve(comment: Comment, *, by: User, outcome: str, now: datetime) -> None:
    try:
        with transaction.atomic():
            CommentResolution.objects.create(comment=comment, by=by, outcome=outcome, at=now)
    except IntegrityError:
        settled = CommentResolution.objects.select_related("by").get(comment=comment)
        raise ChangedMeanwhile(_("%(settled)s already.") % {"settled": settled}) from None


def _record(comment: Comment, kind: str, *, by: User, now: datetime) -> None:
    suggestion = comment.suggestion  # type: ignore[attr-defined]  # the other side of a OneToOneField
    # Kept with the history, which is the same for every reader.
    with translation.override(settings.LANGUAGE_CODE):
        told = f"{suggestion.label} (suggested by {comment.author.display_name})"
    record(comment.submission, kind, person=by, reason=told, now=now)
