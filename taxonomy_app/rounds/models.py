"""The state of rounds: the plan, its leaves, its stages, and the history. Writes are in ``services``."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.web.history import HistoryRow
from workers.specs import ModelReference, Recipe, RoundPlan, StageKind


class RoundState(models.TextChoices):
    """``cancelling`` lies between the wish to stop and the worker's word that it has.

    ``held``: the samples are there, and a person reads them before the student is tuned on them.
    """

    PLANNED = "planned", lazy("Planned")
    RUNNING = "running", lazy("Running")
    HELD = "held", lazy("Waiting for you")
    CANCELLING = "cancelling", lazy("Stopping")
    DONE = "done", lazy("Done")
    FAILED = "failed", lazy("Failed")
    CANCELLED = "cancelled", lazy("Cancelled")


class StageState(models.TextChoices):
    """``pending`` waits for what comes before it, ``queued`` for a free worker."""

    PENDING = "pending", lazy("Not yet")
    QUEUED = "queued", lazy("Waiting for a worker")
    RUNNING = "running", lazy("Running")
    DONE = "done", lazy("Done")
    FAILED = "failed", lazy("Failed")
    CANCELLED = "cancelled", lazy("Cancelled")


class StageName(models.TextChoices):
    """What people read for each ``workers.specs.StageKind``."""

    GENERATION = StageKind.GENERATION.value, lazy("Generation")
    MIXTURE = StageKind.MIXTURE.value, lazy("Mixture")
    TUNING = StageKind.TUNING.value, lazy("Tuning")
    CONTROL = StageKind.CONTROL.value, lazy("Control arm")
    EVALUATION = StageKind.EVALUATION.value, lazy("Evaluation")


# An attempt is under way: sent to the queue, or taken by a worker.
ACTIVE = (StageState.QUEUED, StageState.RUNNING)
UNDER_WAY = (RoundState.RUNNING, RoundState.CANCELLING)


class RoundQuerySet(models.QuerySet["Round"]):
    def whole(self) -> RoundQuerySet:
        """Rounds that end with a release; previews do not."""
        return self.filter(preview_of__isnull=True)

    def newest_first(self) -> RoundQuerySet:
        return self.order_by("-number")

    def under_way(self) -> RoundQuerySet:
        return self.filter(state__in=UNDER_WAY)

    def ever_started(self) -> RoundQuerySet:
        """Rounds that have shown seeds to a teacher or a student, however they ended."""
        return self.filter(started_at__isnull=False)


class Round(models.Model):
    """One run of generation, mixture, tuning and evaluation on a fixed taxonomy commit.

    ``plan`` is a ``workers.specs.RoundPlan``; ``plan_artifact`` is set once the plan and the texts it names have been
    written for the workers. ``revision`` grows with every change that a page shows. A preview (``preview_of``) is a
    round that ends after generating a few rows of each leaf; it has no number of its own.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.PositiveIntegerField(unique=True, null=True)
    title = models.CharField(max_length=120)
    plan = models.JSONField()
    plan_hash = models.CharField(max_length=64, db_index=True)
    plan_artifact = models.CharField(max_length=200, blank=True, default="")
    taxonomy_commit = models.CharField(max_length=64)
    estimate = models.JSONField(default=dict)
    # Whether the round waits after generation until an administrator has looked at the rows.
    holds = models.BooleanField(default=False)
    planned_from = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="planned_again"
    )
    preview_of = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="previews")
    state = models.CharField(max_length=20, choices=RoundState.choices, default=RoundState.PLANNED, db_index=True)
    problem = models.JSONField(null=True, blank=True)
    revision = models.PositiveIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="rounds")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    prepare_asked_at = models.DateTimeField(null=True, blank=True)
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = RoundQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=RoundState.values), name="rounds_round_state_known"),
            models.CheckConstraint(
                condition=Q(number__isnull=True, preview_of__isnull=False)
                | Q(number__isnull=False, preview_of__isnull=True),
                name="rounds_round_has_number_unless_preview",
            ),
            models.CheckConstraint(
                condition=Q(started_at__isnull=False) | Q(state__in=[RoundState.PLANNED, RoundState.CANCELLED]),
                name="rounds_round_started_has_time",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True)
                | Q(state__in=[RoundState.DONE, RoundState.FAILED, RoundState.CANCELLED]),
                name="rounds_round_ended_is_over",
            ),
        ]

    def __str__(self) -> str:
        return f"Round {self.number}" if self.number is not None else self.title

    def get_absolute_url(self) -> str:
        return reverse("rounds:round", args=[self.pk])

    @property
    def is_over(self) -> bool:
        return self.state in (RoundState.DONE, RoundState.FAILED, RoundState.CANCELLED)

    @property
    def is_under_way(self) -> bool:
        return self.state in UNDER_WAY

    def read_plan(self) -> RoundPlan:
        return RoundPlan.model_validate(self.plan)

    @property
    def recipe(self) -> Recipe:
        return self.read_plan().recipe

    @property
    def student(self) -> ModelReference:
        return self.read_plan().student


class RoundLeaf(models.Model):
    """A leaf in a round: which version of it, and which of its seeds taught and which were held out (fingerprints)."""

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="leaves")
    leaf_id = models.UUIDField(db_index=True)
    path = models.CharField(max_length=300)
    kind = models.CharField(max_length=20)
    blob = models.CharField(max_length=64)
    data_blob = models.CharField(max_length=64, blank=True, default="")
    taught_count = models.PositiveIntegerField()
    taught = models.JSONField(default=list)
    held_out = models.JSONField(default=list)

    class Meta:
        ordering = ["path"]
        constraints = [models.UniqueConstraint(fields=["round", "leaf_id"], name="rounds_leaf_once")]

    def __str__(self) -> str:
        return self.path

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1].replace("_", " ").replace("-", " ")

    @property
    def held_out_count(self) -> int:
        return len(self.held_out)


class StageQuerySet(models.QuerySet["Stage"]):
    def active(self) -> StageQuerySet:
        return self.filter(state__in=ACTIVE)

    def silent_since(self, moment: datetime) -> StageQuerySet:
        """Stages whose attempt was sent, or last spoke, before ``moment``."""
        return self.active().filter(last_heard_at__lt=moment)


class Stage(models.Model):
    """One stage of a round and its current attempt. Only the current attempt's reports count.

    ``output_artifact`` is named by what decides its content, so that attempts resume it and other rounds reuse it;
    ``last_heard_at`` is when the attempt last spoke, or was sent.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="stages")
    kind = models.CharField(max_length=20, choices=StageName.choices)
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=20, choices=StageState.choices, default=StageState.PENDING)
    attempt = models.PositiveIntegerField(default=0)
    inputs = models.JSONField(default=dict)
    output_artifact = models.CharField(max_length=200)
    reused = models.BooleanField(default=False)
    sequence = models.IntegerField(default=-1)
    worker = models.CharField(max_length=200, blank=True, default="")
    progress = models.JSONField(default=dict)
    curve = models.JSONField(default=list)
    result = models.JSONField(default=dict)
    problem = models.JSONField(null=True, blank=True)
    # How many attempts failed or were lost since an administrator last asked for one; both are bounded.
    failures = models.PositiveSmallIntegerField(default=0)
    losses = models.PositiveSmallIntegerField(default=0)
    last_heard_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = StageQuerySet.as_manager()

    class Meta:
        ordering = ["round_id", "position"]
        constraints = [
            models.UniqueConstraint(fields=["round", "kind"], name="rounds_stage_once"),
            models.UniqueConstraint(fields=["round", "position"], name="rounds_stage_position"),
            # Two workers must never write the same artifact: one attempt under way for each, and one for each round.
            models.UniqueConstraint(
                fields=["output_artifact"], condition=Q(state__in=ACTIVE), name="rounds_one_writer_of_an_artifact"
            ),
            models.UniqueConstraint(fields=["round"], condition=Q(state__in=ACTIVE), name="rounds_one_active_stage"),
            models.CheckConstraint(condition=Q(state__in=StageState.values), name="rounds_stage_state_known"),
            models.CheckConstraint(
                condition=~Q(state__in=ACTIVE) | Q(attempt__gte=1, last_heard_at__isnull=False),
                name="rounds_active_has_attempt",
            ),
        ]
        indexes = [models.Index(fields=["state", "last_heard_at"], name="rounds_stage_silence")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of round {self.round_id}"

    @property
    def stage_kind(self) -> StageKind:
        return StageKind(self.kind)

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE


class Attempt(HistoryRow):
    """A try at a stage: when it was sent, and why. How it went is in the round's events."""

    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveIntegerField()
    reason = models.CharField(max_length=300)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["stage_id", "number"]
        constraints = [models.UniqueConstraint(fields=["stage", "number"], name="rounds_attempt_once")]

    def __str__(self) -> str:
        return f"attempt {self.number}"


class RoundEvent(HistoryRow):
    """One thing that happened to a round, by whom, and why. ``actor`` is empty for the system itself."""

    class What(models.TextChoices):
        PLANNED = "planned", lazy("Planned")
        STARTED = "started", lazy("Started")
        PREPARED = "prepared", lazy("Plan written for the workers")
        SENT = "sent", lazy("Sent to the queue")
        TAKEN = "taken", lazy("Taken by a worker")
        WAITING = "waiting", lazy("Waiting for another round")
        REUSED = "reused", lazy("Reused")
        STAGE_DONE = "stage_done", lazy("Stage done")
        ATTEMPT_FAILED = "attempt_failed", lazy("Attempt failed")
        ATTEMPT_LOST = "attempt_lost", lazy("Attempt lost")
        ATTEMPT_CANCELLED = "attempt_cancelled", lazy("Attempt stopped")
        RETRIED = "retried", lazy("Tried again")
        HELD = "held", lazy("Waiting for a person")
        WENT_ON = "went_on", lazy("Went on")
        CANCEL_ASKED = "cancel_asked", lazy("Asked to stop")
        CANCELLED = "cancelled", lazy("Cancelled")
        FAILED = "failed", lazy("Failed")
        DONE = "done", lazy("Done")

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="events")
    stage = models.ForeignKey(Stage, on_delete=models.PROTECT, null=True, blank=True, related_name="events")
    attempt = models.PositiveIntegerField(null=True, blank=True)
    what = models.CharField(max_length=20, choices=What.choices)
    reason = models.CharField(max_length=600)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.get_what_display()}: {self.reason}"


class RowDecision(HistoryRow):
    """What an administrator decided about one generated row of a round that is held. The last one of a row counts.

    ``sample_id`` is the row's name in the artifact of the generation; ``back`` takes an earlier decision back.
    """

    class Verdict(models.TextChoices):
        RESTORE = "restore", lazy("Restored")
        REJECT = "reject", lazy("Rejected")
        BACK = "back", lazy("As the filters decided")

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="row_decisions")
    sample_id = models.CharField(max_length=64)
    leaf_id = models.CharField(max_length=64)
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="row_decisions")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["round", "sample_id"], name="rounds_decision_of_row")]

    def __str__(self) -> str:
        return f"{self.sample_id}: {self.get_verdict_display()}"


__all__ = [
    "ACTIVE",
    "UNDER_WAY",
    "Attempt",
    "Round",
    "RoundEvent",
    "RoundLeaf",
    "RoundState",
    "RowDecision",
    "Stage",
    "StageName",
    "StageState",
]
