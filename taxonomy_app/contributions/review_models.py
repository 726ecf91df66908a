"""Rows of reviewing: rules for places in the tree, approvals, comments and suggestions, what checks found, filters.

Read by ``models``, which offers these too; a module of its own so that neither grows beyond reading.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.contributions.form_fields import field_label, seed_position
from taxonomy_app.web.history import HistoryRow
from taxonomy_repo.comparison import FieldComparison, words_compare

MOST_APPROVALS = 5


class ReviewRule(models.Model):
    """Who decides on submissions below a place in the tree, and how many of them must approve.

    Of the rules around a place the one with the longest path holds, whole; the others say nothing there. Where none
    holds, every reviewer decides and one approval is enough. A rule that names nobody leaves deciding to every
    reviewer.
    """

    path = models.CharField(max_length=300, unique=True)
    approvals = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(MOST_APPROVALS)]
    )
    reviewers: Any = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="review_rules")
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["path"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=models.Q(approvals__gte=1, approvals__lte=MOST_APPROVALS), name="rule_approvals_sensible"
            )
        ]

    def __str__(self) -> str:
        return self.path


class ReviewRuleChange(HistoryRow):
    """Who made, changed or removed a rule, when, and what it said from then on."""

    class Action(models.TextChoices):
        MADE = "made", lazy("made the rule")
        CHANGED = "changed", lazy("changed the rule")
        REMOVED = "removed", lazy("removed the rule")

    path = models.CharField(max_length=300)
    action = models.CharField(max_length=10, choices=Action.choices)
    approvals = models.PositiveSmallIntegerField()
    reviewers = models.JSONField(default=list)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]

    def __str__(self) -> str:
        return f"{self.path}: {self.get_action_display()}"


class Approval(HistoryRow):
    """One reviewer's approval of a revision for a place. It says nothing of a later revision or another place."""

    submission = models.ForeignKey("contributions.Submission", on_delete=models.PROTECT, related_name="approvals")
    revision = models.ForeignKey("contributions.Revision", on_delete=models.PROTECT, related_name="approvals")
    path = models.CharField(max_length=300)
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="approvals")
    # Given by an administrator whom the place's rule does not name.
    as_administrator = models.BooleanField(default=False)
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["at", "id"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["revision", "path", "reviewer"], name="one_approval_of_each_reviewer")
        ]

    def __str__(self) -> str:
        return f"{self.reviewer}: {self.path}"


class Comment(HistoryRow):
    """A remark on a submission as a whole, or on one seed of the revision it was made on."""

    submission = models.ForeignKey("contributions.Submission", on_delete=models.PROTECT, related_name="comments")
    revision_number = models.PositiveIntegerField()
    seed_position = models.PositiveIntegerField(null=True, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        ordering: ClassVar[list[str]] = ["at", "id"]

    def __str__(self) -> str:
        return self.text[:60]

    @property
    def settled(self) -> CommentResolution | None:
        """Who said that nothing is left to do about it; read it from rows selected with ``resolution``."""
        return getattr(self, "resolution", None)

    @property
    def suggested(self) -> Suggestion | None:
        """The text that it proposes, if any; read it from rows selected with ``suggestion``."""
        return getattr(self, "suggestion", None)


class CommentResolution(HistoryRow):
    """That nothing is left to do about a comment, and for a suggestion what its author did with it."""

    class Outcome(models.TextChoices):
        SETTLED = "settled", lazy("Settled")
        ACCEPTED = "accepted", lazy("Accepted")
        DECLINED = "declined", lazy("Declined")

    comment = models.OneToOneField(Comment, on_delete=models.PROTECT, related_name="resolution")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.SETTLED)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return _("%(outcome)s by %(by)s") % {"outcome": self.get_outcome_display(), "by": self.by}


class Suggestion(HistoryRow):
    """The text that a comment proposes for one field of the revision it was made on.

    ``field`` is the field's name in the form, such as ``seed_examples[2].answer``; ``before`` is what it held.
    """

    comment = models.OneToOneField(Comment, on_delete=models.PROTECT, related_name="suggestion")
    field = models.CharField(max_length=80)
    before = models.TextField(blank=True)
    text = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """Which field it is about, as people call it: ``Seed 3: Answer``."""
        seed = seed_position(self.field)
        if seed is None:
            return field_label(self.field)
        return _("Seed %(number)s: %(field)s") % {"number": seed + 1, "field": field_label(self.field)}

    @property
    def comparison(self) -> FieldComparison:
        """What the field held beside what is proposed, word by word."""
        return FieldComparison(self.label, *words_compare(self.before, self.text))


class RevisionFinding(models.Model):
    """That a check finds something in a revision, and how often: kept for the queue's filter, replaced when checked
    again.
    """

    class Severity(models.TextChoices):
        ERROR = "error", lazy("Errors")
        WARNING = "warning", lazy("Warnings")
        INFO = "info", lazy("Notes")

    submission = models.ForeignKey("contributions.Submission", on_delete=models.CASCADE, related_name="findings")
    revision = models.ForeignKey("contributions.Revision", on_delete=models.CASCADE, related_name="findings")
    revision_number = models.PositiveIntegerField()
    code = models.CharField(max_length=60)
    severity = models.CharField(max_length=10, choices=Severity.choices)
    count = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["revision", "code", "severity"], name="one_finding_of_each_code")
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["submission", "revision_number", "severity", "code"], name="finding_by_submission"),
        ]

    def __str__(self) -> str:
        return f"{self.code} × {self.count}"


class SavedFilter(models.Model):
    """A filter of the review queue under a name that its reviewer gave it. ``query`` is its address's query."""

    MOST = 30

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_filters")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2000, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["person", "name"], name="one_saved_filter_of_each_name")
        ]

    def __str__(self) -> str:
        return self.name
