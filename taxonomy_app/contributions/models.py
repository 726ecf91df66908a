"""What people contribute and what became of it: drafts, submissions, revisions, decisions and the outbox.

State and reads live here; every write of a submission's state goes through ``services`` or ``outbox``.
Rows that tell history (:class:`Revision`, :class:`Decision`, :class:`SubmissionEvent`, :class:`Comment`) are only
ever inserted.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from taxonomy_app.contributions.notice_models import Notice
from taxonomy_app.contributions.review_models import (
    Approval,
    Comment,
    CommentResolution,
    ReviewRule,
    ReviewRuleChange,
    RevisionFinding,
    SavedFilter,
    Suggestion,
)
from taxonomy_app.tree.full_text import FullText
from taxonomy_app.tree.search_words import distinct_words, query_words
from taxonomy_app.web.history import HistoryRow

__all__ = [
    "Approval",
    "Comment",
    "CommentResolution",
    "Notice",
    "ReviewRule",
    "ReviewRuleChange",
    "RevisionFinding",
    "SavedFilter",
    "Suggestion",
]

# A claim tells other reviewers to look elsewhere; one that was forgotten must not block a submission for ever.
CLAIM_LASTS = timedelta(hours=4)


class Kind(models.TextChoices):
    """What a leaf teaches; the values are those of ``workers.specs.LeafKind``."""

    KNOWLEDGE = "knowledge", "Knowledge"
    GROUNDED = "grounded", "Skill with a text to work on"
    FREEFORM = "freeform", "Free skill"
    FOUNDATIONAL = "foundational", "Foundational skill"


class State(models.TextChoices):
    """Where a submission stands. ``CLOSED`` and ``ANSWERABLE`` below say what may still happen."""

    SUBMITTED = "submitted", "Waiting for review"
    CHANGES_REQUESTED = "changes_requested", "Changes requested"
    APPROVED = "approved", "Approved"
    COMMITTED = "committed", "In the taxonomy"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"
    CONFLICT = "conflict", "Overtaken by another change"


# The author may send another revision, or withdraw, from these.
ANSWERABLE = (State.SUBMITTED, State.CHANGES_REQUESTED, State.CONFLICT)
CLOSED = (State.COMMITTED, State.REJECTED, State.WITHDRAWN)


class DraftQuerySet(models.QuerySet):
    def visible_for(self, user: Any) -> DraftQuerySet:
        """Drafts are their author's alone: nobody else sees half-finished work."""
        return self.filter(author=user) if user.is_authenticated else self.none()

    def listed(self) -> DraftQuerySet:
        """For lists: the last saved first, with the submission they answer for and without what was written."""
        rows = self.select_related("submission").order_by("-updated_at", "-id")
        return rows.defer("form", "text", "attribution", "document_text")


class Draft(models.Model):
    """A leaf in the making: kept on the server even while it is invalid or not even YAML.

    ``form`` holds the seeds as the form edits them (the keys are those of ``qna.yaml``); ``text`` holds YAML as
    its author typed it and is what counts while ``written_as`` is ``yaml``. ``version`` grows with every save and
    is what a save must name, so that two windows cannot overwrite each other unseen.
    """

    class WrittenAs(models.TextChoices):
        FORM = "form", "form"
        YAML = "yaml", "YAML"

    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="drafts")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    path = models.CharField(max_length=300)
    written_as = models.CharField(max_length=4, choices=WrittenAs.choices, default=WrittenAs.FORM)
    form = models.JSONField(default=dict)
    text = models.TextField(blank=True, default="")
    attribution = models.JSONField(default=list)
    document_name = models.CharField(max_length=120, blank=True, default="")
    document_text = models.TextField(blank=True, default="")
    # The leaf that the draft improves, and the files it started from; empty for a new leaf.
    leaf_id = models.UUIDField(null=True, blank=True)
    base_blob = models.CharField(max_length=64, blank=True, default="")
    base_attribution_blob = models.CharField(max_length=64, blank=True, default="")
    # The submission that this draft will be the next revision of.
    submission = models.ForeignKey(
        "Submission", null=True, blank=True, on_delete=models.CASCADE, related_name="next_drafts"
    )
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = DraftQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-updated_at", "-id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["submission"], condition=Q(submission__isnull=False), name="one_draft_for_each_revision"
            )
        ]

    def __str__(self) -> str:
        return self.path

    def get_absolute_url(self) -> str:
        return reverse("contributions:draft", args=[self.pk])

    @property
    def is_new_leaf(self) -> bool:
        return self.leaf_id is None

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


class DraftSave(models.Model):
    """What a draft held before a later save replaced it, so that its author can have it back.

    ``because`` says what replaced it: one of the editor's buttons as the page posts it (``seed-remove:2``),
    ``upload``, ``mend``, ``overwrite`` or ``restore``; empty where it was kept because some time had passed.
    """

    # Of each draft so many are kept, and of what was only typed one in so much time.
    MOST = 40
    PAUSE = timedelta(minutes=5)
    CONTENT: ClassVar[tuple[str, ...]] = (
        "kind",
        "written_as",
        "form",
        "text",
        "attribution",
        "document_name",
        "document_text",
    )

    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, related_name="saves")
    version = models.PositiveIntegerField()
    because = models.CharField(max_length=40, blank=True, default="")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    written_as = models.CharField(max_length=4, choices=Draft.WrittenAs.choices)
    form = models.JSONField()
    text = models.TextField(blank=True)
    attribution = models.JSONField()
    document_name = models.CharField(max_length=120, blank=True)
    document_text = models.TextField(blank=True)
    saved_at = models.DateTimeField()
    kept_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["-version"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["draft", "version"], name="one_save_of_each_version")
        ]

    def __str__(self) -> str:
        return f"{self.draft_id}, version {self.version}"

    @property
    def seed_count(self) -> int:
        return len(self.form.get("seed_examples", ()))

    @property
    def removed_pair(self) -> bool:
        """Whether it holds a question that was taken out right after."""
        return self.because.startswith("pair-remove:")

    @property
    def reason(self) -> str:
        """What replaced it, in words."""
        words = {
            "seed-remove": "Before a seed was removed",
            "pair-remove": "Before a question was removed",
            "source-remove": "Before a source was removed",
            "upload": "Before a file was taken over",
            "mend": "Before it was mended",
            "overwrite": "From the other window, before it was replaced",
            "restore": "Before an earlier save was brought back",
            "suggestion": "Before a suggestion was accepted",
        }
        return words.get(self.because.partition(":")[0], "While you were writing")


class SubmissionQuerySet(models.QuerySet):
    def visible_for(self, user: Any) -> SubmissionQuerySet:
        """What ``user`` may read: everything for reviewers, one's own, and what is public in the taxonomy anyway."""
        if not user.is_authenticated:
            return self.filter(state=State.COMMITTED) if settings.PUBLIC else self.none()
        if user.can_review:
            return self
        return self.filter(Q(author=user) | Q(state=State.COMMITTED))

    def queue(self) -> SubmissionQuerySet:
        """What waits for a reviewer, oldest first; one joined query for its rows."""
        return self.filter(state=State.SUBMITTED).select_related("author", "claimed_by").order_by("submitted_at", "id")

    def unclaimed(self, *, now: datetime, by: Any = None) -> SubmissionQuerySet:
        """Without those that another reviewer has claimed lately."""
        free = Q(claimed_by__isnull=True) | Q(claimed_at__lt=now - CLAIM_LASTS)
        return self.filter(free | Q(claimed_by=by) if by is not None else free)

    def matching(self, text: str) -> SubmissionQuerySet:
        """Those in whose number, place or task each word of ``text`` is, or begins, a word; none for no word."""
        words = query_words(text)
        return self.filter(pk__in=SUBMISSION_WORDS.rows_with({"words": words}, self.db)) if words else self.none()


class Submission(models.Model):
    """A contribution under review or past it. Its content is that of its latest revision."""

    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="submissions")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    path = models.CharField(max_length=300)
    branch = models.CharField(max_length=40)
    summary = models.CharField(max_length=300, blank=True, default="")
    seed_count = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=20, choices=State.choices, default=State.SUBMITTED)
    revision_number = models.PositiveIntegerField(default=1)
    # Known from the start for an improvement; for a new leaf once it is committed and indexed.
    leaf_id = models.UUIDField(null=True, blank=True)
    improves = models.BooleanField(default=False)
    # An improvement whose leaf goes to ``path`` when it is approved; others follow their leaf.
    moves = models.BooleanField(default=False)
    commit = models.CharField(max_length=64, blank=True, default="")
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="claimed_submissions"
    )
    claimed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    submitted_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    objects = SubmissionQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-updated_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["state", "submitted_at", "id"], name="submission_queue"),
            models.Index(fields=["author", "-updated_at"], name="submission_by_author"),
            # How many wait for a reviewer is on every page of theirs: counted in the index alone.
            models.Index(fields=["state", "author"], name="submission_waiting"),
            models.Index(fields=["leaf_id"], name="submission_by_leaf"),
            models.Index(fields=["path"], name="submission_by_path"),
        ]

    def __str__(self) -> str:
        return f"{self.number}: {self.path}"

    def get_absolute_url(self) -> str:
        return reverse("contributions:submission", args=[self.pk])

    @property
    def number(self) -> str:
        """How people and commit messages name it."""
        return f"S{self.pk}"

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    @property
    def can_be_revised(self) -> bool:
        return self.state in ANSWERABLE

    can_be_withdrawn = can_be_revised

    def claimed_by_other(self, user: Any, *, now: datetime) -> bool:
        """Whether another reviewer holds a claim that has not run out."""
        return (
            self.claimed_by_id is not None
            and self.claimed_by_id != user.pk
            and self.claimed_at is not None
            and self.claimed_at >= now - CLAIM_LASTS
        )


SUBMISSION_WORDS = FullText("contributions_submissiontext", "submission_id", {"words": ("words", "words_vector")})


class SubmissionText(models.Model):
    """The words by which a submission is found: each of its number, place and task once, folded (``search_words``).

    The database keeps its own full-text index of this table, as of the tree's ``LeafText``. Whoever alters this table
    on SQLite makes the triggers of migration 0006 again, because Django then builds the table anew.
    """

    submission = models.OneToOneField(Submission, on_delete=models.CASCADE, primary_key=True, related_name="words")
    words = models.TextField()

    def __str__(self) -> str:
        return self.words

    @classmethod
    def of(cls, submission: Submission) -> SubmissionText:
        """The words of a submission (which has its number) as it is now, not saved."""
        texts = (submission.number, submission.path, submission.summary)
        return cls(submission=submission, words=distinct_words(texts))


class Revision(HistoryRow):
    """One version of a submission, exactly as it was signed off.

    ``qna`` and ``attribution`` are the texts of the two files. A knowledge leaf whose document came with it has
    the document's text here and a placeholder for its commit in ``qna``; the outbox puts the commit in.
    """

    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    path = models.CharField(max_length=300)
    qna = models.TextField()
    attribution = models.TextField(blank=True, default="")
    document_name = models.CharField(max_length=120, blank=True, default="")
    document_text = models.TextField(blank=True, default="")
    base_blob = models.CharField(max_length=64, blank=True, default="")
    base_attribution_blob = models.CharField(max_length=64, blank=True, default="")
    message = models.TextField(blank=True, default="")
    signed_off_as = models.CharField(max_length=400)
    signed_off_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["number"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["submission", "number"], name="one_revision_of_each_number")
        ]

    def __str__(self) -> str:
        return f"Revision {self.number}"


class Decision(HistoryRow):
    """What a reviewer decided about one revision, and why."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", "Approved"
        REQUEST_CHANGES = "request_changes", "Changes requested"
        REJECT = "reject", "Rejected"

    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="decisions")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="decisions")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="decisions")
    verdict = models.CharField(max_length=20, choices=Verdict.choices)
    reason = models.TextField(blank=True, default="")
    decided_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["decided_at", "id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["revision"], name="one_decision_on_each_revision")
        ]

    def __str__(self) -> str:
        return self.get_verdict_display()


class SubmissionEvent(HistoryRow):
    """What happened to a submission: who, when, why. ``person`` is empty where the program itself acted."""

    class Kind(models.TextChoices):
        SUBMITTED = "submitted", "submitted it for review"
        REVISED = "revised", "sent a new revision"
        CLAIMED = "claimed", "took it for review"
        RELEASED = "released", "gave it back to the queue"
        ENDORSED = "endorsed", "gave an approval"
        MOVED = "moved", "moved it to another place"
        SUGGESTION_ACCEPTED = "suggestion_accepted", "accepted a suggestion"
        SUGGESTION_DECLINED = "suggestion_declined", "declined a suggestion"
        APPROVED = "approved", "approved it"
        CHANGES_REQUESTED = "changes_requested", "asked for changes"
        REJECTED = "rejected", "rejected it"
        WITHDRAWN = "withdrawn", "withdrew it"
        COMMITTED = "committed", "It became part of the taxonomy"
        CONFLICT = "conflict", "It could not be joined with a change made meanwhile"

    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    revision_number = models.PositiveIntegerField()
    reason = models.TextField(blank=True, default="")
    # Done by an administrator whom the place's rule does not name.
    as_administrator = models.BooleanField(default=False)
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["at", "id"]

    def __str__(self) -> str:
        return self.get_kind_display()


class PendingCommitQuerySet(models.QuerySet):
    def waiting(self) -> PendingCommitQuerySet:
        """What is approved and not yet in the taxonomy, in the order of approval."""
        return self.filter(state=PendingCommit.State.WAITING).order_by("id")

    def stuck(self) -> PendingCommitQuerySet:
        """What could not be committed so far; its problem is on the row and it is tried again."""
        return self.waiting().exclude(problem="")

    def due(self, *, now: datetime) -> PendingCommitQuerySet:
        return self.waiting().filter(Q(next_try_at__isnull=True) | Q(next_try_at__lte=now))


class PendingCommit(models.Model):
    """The outbox: exact bytes that were approved and must reach the taxonomy once, whatever dies meanwhile.

    ``document_commit`` is written as soon as the document is stored, before the leaf that points to it, so that
    a second run makes the same leaf.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DONE = "done", "Done"
        CONFLICT = "conflict", "Conflict"

    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, related_name="pending_commits")
    revision = models.OneToOneField(Revision, on_delete=models.PROTECT, related_name="pending_commit")
    path = models.CharField(max_length=300)
    # Whether the leaf goes to ``path`` from wherever it is.
    moves = models.BooleanField(default=False)
    qna = models.BinaryField()
    attribution = models.BinaryField()
    document_name = models.CharField(max_length=120, blank=True, default="")
    document_text = models.TextField(blank=True, default="")
    document_commit = models.CharField(max_length=64, blank=True, default="")
    base_blob = models.CharField(max_length=64, blank=True, default="")
    base_attribution_blob = models.CharField(max_length=64, blank=True, default="")
    author_name = models.CharField(max_length=200)
    author_email = models.CharField(max_length=254)
    signed_off_by = models.CharField(max_length=400)
    # One line for each reviewer who approved.
    reviewed_by = models.TextField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    problem = models.TextField(blank=True, default="")
    # Where both sides changed: what the taxonomy has, so that the author can see both versions.
    their_qna = models.BinaryField(default=bytes)
    commit = models.CharField(max_length=64, blank=True, default="")
    approved_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True, blank=True)

    objects = PendingCommitQuerySet.as_manager()

    class Meta:
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["id"], condition=Q(state="waiting"), name="outbox_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.submission_id} {self.path}"
