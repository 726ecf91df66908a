"""An asking: one question put to the workers by a person, what became of it, and what was answered.

Writes go through ``services``. An asking belongs to a draft, to the submission that the draft became, or to nothing
but its person (a question typed before there is a draft).
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.web.repository_words import unit_words
from workers.asking.specs import AskingKind, AskingSpec, GivenAnswer, TriedSamples


class AskingState(models.TextChoices):
    QUEUED = "queued", lazy("Waiting")
    RUNNING = "running", lazy("Under way")
    DONE = "done", lazy("Done")
    FAILED = "failed", lazy("Failed")
    CANCELLED = "cancelled", lazy("Stopped")


UNFINISHED = (AskingState.QUEUED, AskingState.RUNNING)


class AskingQuerySet(models.QuerySet["Asking"]):
    def unfinished(self) -> AskingQuerySet:
        return self.filter(state__in=UNFINISHED)

    def silent_since(self, limit: datetime) -> AskingQuerySet:
        """Unfinished ones of which nothing was heard since ``limit``."""
        return self.unfinished().filter(last_heard_at__lte=limit)


class Asking(models.Model):
    """One job for the workers' queue ``asking``; ``spec`` is what the current attempt was sent.

    ``model_name`` names the student or the teacher in words; ``model_key`` tells two models apart.
    ``answers`` grows while it runs (GivenAnswer as JSON, in the order of the questions).
    """

    # One person's share of a queue that answers one after another.
    MOST_UNFINISHED: ClassVar[int] = 2
    MOST_IN_AN_HOUR: ClassVar[int] = 40
    HOUR: ClassVar[timedelta] = timedelta(hours=1)
    # Questions of one asking; a leaf with more is asked in turns.
    MOST_QUESTIONS: ClassVar[int] = 30
    # Earlier askings of one draft that are looked through for answers to its questions: enough for every seed of a
    # leaf to have been asked by itself. What only an older one answered is not shown and may be asked again.
    MOST_LOOKED_AT: ClassVar[int] = 40
    MOST_LOSSES: ClassVar[int] = 2

    class Kind(models.TextChoices):
        ANSWERS = AskingKind.ANSWERS.value, lazy("Ask the model")
        SAMPLES = AskingKind.SAMPLES.value, lazy("Try the teacher")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="askings")
    draft = models.ForeignKey(
        "contributions.Draft", null=True, blank=True, on_delete=models.CASCADE, related_name="askings"
    )
    submission = models.ForeignKey(
        "contributions.Submission", null=True, blank=True, on_delete=models.CASCADE, related_name="askings"
    )
    state = models.CharField(max_length=10, choices=AskingState.choices, default=AskingState.QUEUED)
    attempt = models.PositiveIntegerField(default=1)
    losses = models.PositiveIntegerField(default=0)
    sequence = models.PositiveIntegerField(default=0)
    model_name = models.CharField(max_length=300)
    model_key = models.CharField(max_length=500)
    spec = models.JSONField()
    # Of answers: the form field of each question's answer, in the order of the questions. Of samples: fingerprint and
    # answer of each seed that the teacher was given.
    fields = models.JSONField(default=list)
    progress = models.JSONField(default=dict)
    answers = models.JSONField(default=list)
    result = models.JSONField(default=dict)
    problem = models.JSONField(null=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    last_heard_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = AskingQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-created_at", "-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["person", "-created_at"], name="asking_by_person"),
            models.Index(fields=["draft", "-created_at"], name="asking_by_draft"),
            models.Index(fields=["submission", "-created_at"], name="asking_by_submission"),
            models.Index(
                fields=["created_at"], condition=models.Q(state__in=["queued", "running"]), name="asking_unfinished"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_over(self) -> bool:
        return self.state not in UNFINISHED

    @cached_property
    def read_spec(self) -> AskingSpec:
        return AskingSpec.model_validate(self.spec)

    @property
    def given(self) -> list[GivenAnswer]:
        return [GivenAnswer.model_validate(row) for row in self.answers]

    @property
    def tried(self) -> TriedSamples | None:
        """What the teacher wrote, once it is done."""
        return TriedSamples.model_validate(self.result) if self.result else None

    @property
    def meter_words(self) -> str:
        """How far it is, in words."""
        return (
            _("%(done)s of %(total)s %(unit)s")
            % {
                "done": self.share["done"],
                "total": self.share["total"],
                "unit": unit_words(self.progress.get("unit", "")),
            }
        ).rstrip()

    @property
    def share(self) -> dict[str, Any]:
        """``done`` and ``total`` of its progress, as a meter shows them."""
        return {"done": self.progress.get("done", 0), "total": self.progress.get("total", 0)}
