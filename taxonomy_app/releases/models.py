"""Releases and everything measured on them: scores item by item, comparisons, what was kept, and who decided what.

A score is never changed once written: the rows below are inserted by ``services.release_create`` and read by
``queries``. Published scores of models that nobody here trained are ``Baseline`` rows, filled from a file.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.web.history import HistoryRow


class ReleaseQuerySet(models.QuerySet["Release"]):
    def visible_for(self, user: Any) -> ReleaseQuerySet:
        """Published releases for visitors (and for None), candidates too for people who are signed in."""
        if user is None or isinstance(user, AnonymousUser) or not user.is_authenticated:
            return self.filter(state=Release.State.PUBLISHED)
        return self


class Release(models.Model):
    """A tuned model with its taxonomy commit, data, recipe and scores. One for each finished round.

    ``summary`` holds the figures of the headline and the matrix's measures as they were computed when the release
    was made (``services.summarise``), so that lists need no arithmetic over every score.
    """

    class State(models.TextChoices):
        CANDIDATE = "candidate", lazy("Candidate")
        PUBLISHED = "published", lazy("Published")

    number = models.PositiveIntegerField(unique=True)
    name = models.CharField(max_length=100, unique=True)
    round = models.OneToOneField("rounds.Round", on_delete=models.PROTECT, related_name="release")
    student_artifact = models.CharField(max_length=200)
    control_artifact = models.CharField(max_length=200, blank=True)
    evaluation_artifact = models.CharField(max_length=200, blank=True)
    taxonomy_commit = models.CharField(max_length=64)
    plan_hash = models.CharField(max_length=64)
    state = models.CharField(max_length=20, choices=State, default=State.CANDIDATE)
    is_current = models.BooleanField(default=False)
    summary = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True, blank=True)

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["is_current"], condition=models.Q(is_current=True), name="releases_one_current_release"
            ),
            models.CheckConstraint(
                condition=models.Q(is_current=False) | models.Q(state="published"),
                name="releases_current_is_published",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("releases:release", args=[self.number])

    @property
    def student_model(self) -> str:
        """The name under which a later round or the authoring pages ask for this release's student."""
        return f"artifact:{self.student_artifact}"


class ReleaseEvent(HistoryRow):
    """What happened to a release, who did it and why. Insert-only."""

    class Kind(models.TextChoices):
        CREATED = "created", lazy("made from its round")
        PUBLISHED = "published", lazy("published")
        PROMOTED = "promoted", lazy("promoted to current")
        REPLACED = "replaced", lazy("replaced as current")
        ROLLED_BACK = "rolled_back", lazy("rolled back")
        RESTORED = "restored", lazy("made current again")

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(max_length=20, choices=Kind)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="release_events"
    )
    reason = models.TextField(blank=True)
    details = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        ordering = ["at", "pk"]

    def __str__(self) -> str:
        return f"{self.release_id}: {self.kind}"


class Subject(models.TextChoices):
    """The model a score belongs to: the student as it came, as it was tuned, and as tuned without replay."""

    BEFORE = "before", lazy("before")
    AFTER = "after", lazy("after")
    CONTROL = "control", lazy("without replay")


class ScoreQuerySet(models.QuerySet[Any]):
    def without_items(self) -> ScoreQuerySet:
        """The means only: the item-level values of a benchmark can be megabytes."""
        return self.defer("items")


class Score(models.Model):
    """A subject's score; ``items`` are ``[item_id, value, cluster]`` triples, the finest grain."""

    metric = models.CharField(max_length=30)
    subject = models.CharField(max_length=10, choices=Subject)
    mean = models.FloatField()
    standard_error = models.FloatField(null=True)
    n = models.PositiveIntegerField()
    items = models.JSONField(default=list)

    objects = ScoreQuerySet.as_manager()

    class Meta:
        abstract = True


class Comparison(models.Model):
    """Mean of the paired differences, ``second`` minus ``first``, with its 95 % interval (null where n < 2).

    ``p_holm`` is the p-value corrected for how many benchmarks were looked at together; leaves have none.
    """

    metric = models.CharField(max_length=30)
    first = models.CharField(max_length=10, choices=Subject)
    second = models.CharField(max_length=10, choices=Subject)
    n = models.PositiveIntegerField()
    difference = models.FloatField()
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    method = models.CharField(max_length=100)
    p_value = models.FloatField(null=True)
    p_holm = models.FloatField(null=True)

    class Meta:
        abstract = True


class LeafScore(Score):
    """A score on a leaf's held-out seeds. ``taught``: whether this release's round taught the leaf."""

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="leaf_scores")
    leaf_id = models.UUIDField()
    path = models.CharField(max_length=500)
    blob = models.CharField(max_length=64, blank=True)
    taught = models.BooleanField(default=True)

    class Meta:
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(
                fields=["release", "leaf_id", "metric", "subject"], name="releases_one_score_per_leaf"
            )
        ]
        indexes = [models.Index(fields=["leaf_id", "metric", "subject"])]

    def __str__(self) -> str:
        return f"{self.release_id} {self.path} {self.subject} {self.mean:.3f}"


class LeafComparison(Comparison):
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="leaf_comparisons")
    leaf_id = models.UUIDField()
    path = models.CharField(max_length=500)

    class Meta:
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(
                fields=["release", "leaf_id", "metric", "first", "second"], name="releases_one_comparison_per_leaf"
            )
        ]
        indexes = [models.Index(fields=["leaf_id", "metric"])]

    def __str__(self) -> str:
        return f"{self.release_id} {self.path} {self.first}→{self.second} {self.difference:+.3f}"


class Scope(models.TextChoices):
    BENCHMARK = "benchmark", lazy("benchmark")
    GENERAL = "general", lazy("general text")


class BenchmarkScore(Score):
    """A score on a benchmark, or the loss on general text (scope ``general``): what was known before the round."""

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="benchmark_scores")
    scope = models.CharField(max_length=10, choices=Scope)
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["scope", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["release", "scope", "name", "metric", "subject"], name="releases_one_score_per_benchmark"
            )
        ]

    def __str__(self) -> str:
        return f"{self.release_id} {self.name} {self.subject} {self.mean:.3f}"


class BenchmarkComparison(Comparison):
    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="benchmark_comparisons")
    scope = models.CharField(max_length=10, choices=Scope)
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["scope", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["release", "scope", "name", "metric", "first", "second"],
                name="releases_one_comparison_per_benchmark",
            )
        ]

    def __str__(self) -> str:
        return f"{self.release_id} {self.name} {self.first}→{self.second} {self.difference:+.3f}"


class Retention(models.Model):
    """What a release kept of a leaf that an earlier one taught: this release minus the one that taught it.

    A leaf that the later release was not asked about has no row: absent is not zero. ``margin`` is the loss that
    was tolerated when the verdict was given; ``same_text`` is false where the leaf was edited in between.
    """

    class Verdict(models.TextChoices):
        FORGETS = "forgets", lazy("forgets")
        KEPT = "kept", lazy("kept")
        UNCERTAIN = "uncertain", lazy("not certain")

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="retentions")
    taught_by = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="later_retentions")
    leaf_id = models.UUIDField()
    path = models.CharField(max_length=500)
    metric = models.CharField(max_length=30)
    n = models.PositiveIntegerField()
    difference = models.FloatField()
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    method = models.CharField(max_length=100)
    margin = models.FloatField()
    verdict = models.CharField(max_length=10, choices=Verdict)
    same_text = models.BooleanField(default=True)

    class Meta:
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(fields=["release", "leaf_id", "metric"], name="releases_one_retention_per_leaf")
        ]
        indexes = [models.Index(fields=["leaf_id", "verdict"])]

    def __str__(self) -> str:
        return f"{self.release_id} {self.path} {self.verdict}"


class ScoredLeaf(models.Model):
    """A leaf that some release was scored on, under its newest path, with the first release that taught it.

    What the matrix's rows and the verdicts need of each leaf, kept so that neither has to group every score.
    """

    leaf_id = models.UUIDField(unique=True)
    path = models.CharField(max_length=500, db_index=True)
    taught_by = models.ForeignKey(Release, null=True, on_delete=models.PROTECT, related_name="first_taught")

    class Meta:
        ordering = ["path", "leaf_id"]

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1].replace("_", " ").replace("-", " ")


class ReleaseSubmission(models.Model):
    """An approved submission whose text was part of what this release learnt."""

    release = models.ForeignKey(Release, on_delete=models.PROTECT, related_name="contributions")
    submission = models.ForeignKey("contributions.Submission", on_delete=models.PROTECT, related_name="in_releases")
    leaf_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["release", "submission"], name="releases_submission_once_per_release")
        ]
        indexes = [models.Index(fields=["release", "leaf_id"])]

    def __str__(self) -> str:
        return f"{self.release_id} contains {self.submission_id}"


class Baseline(models.Model):
    """A published score of a model nobody here trained; shown beside releases, never compared pair by pair."""

    class Unit(models.TextChoices):
        PERCENT = "percent", "%"
        POINTS = "points", lazy("points of 10")

    model = models.CharField(max_length=100)
    benchmark = models.CharField(max_length=100)
    benchmark_title = models.CharField(max_length=100)
    setting = models.CharField(max_length=100)
    value = models.FloatField()
    unit = models.CharField(max_length=10, choices=Unit)
    position = models.PositiveIntegerField()
    source = models.CharField(max_length=300)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["model", "benchmark"], name="releases_one_baseline_per_model")]

    def __str__(self) -> str:
        return f"{self.model} {self.benchmark_title} {self.value}"
