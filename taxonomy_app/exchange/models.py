"""Remotes that the taxonomy is kept equal with, and transfers: what came in or went out, when, by whose wish.

No password or token is ever a value here: a remote names the setting that holds it.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.web.history import HistoryRow

TOKEN_SETTING = r"SEEDBED_REMOTE_TOKEN(_[A-Z0-9]+)*"  # noqa: S105 - a setting's name
SECRET_SETTING = r"SEEDBED_WEBHOOK_SECRET(_[A-Z0-9]+)*"  # noqa: S105 - likewise


class Remote(models.Model):
    """A branch of a repository on a code host that the taxonomy is kept equal with."""

    name = models.SlugField(
        "name",
        max_length=40,
        unique=True,
        validators=[RegexValidator(r"\A[a-z0-9][a-z0-9-]*\Z", lazy("Use small letters, digits and hyphens."))],
        error_messages={"unique": lazy("There is a remote of this name. Choose another one.")},
    )
    url = models.CharField("address", max_length=500)
    branch = models.CharField("branch", max_length=150, default="main")
    username = models.CharField(lazy("name to sign in with"), max_length=100, blank=True, default="")
    # The setting (an environment variable of the worker, or its _FILE form) that holds the token; never the token.
    token_setting = models.CharField(
        lazy("setting with the access token"),
        max_length=100,
        blank=True,
        default="",
        validators=[RegexValidator(rf"\A{TOKEN_SETTING}\Z", lazy("Its name begins with SEEDBED_REMOTE_TOKEN."))],
    )
    secret_setting = models.CharField(
        lazy("setting with the webhook's secret"),
        max_length=100,
        blank=True,
        default="",
        validators=[RegexValidator(rf"\A{SECRET_SETTING}\Z", lazy("Its name begins with SEEDBED_WEBHOOK_SECRET."))],
    )
    pushes = models.BooleanField(lazy("push what is approved here"), default=True)
    created_at = models.DateTimeField()
    # As it was when both were last equal, and when the remote was last asked.
    shared_commit = models.CharField(max_length=64, blank=True, default="")
    asked_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=500, blank=True, default="")
    # Leaves that both sides changed: [{"path", "reason", "fields": [{"field", "base", "ours", "theirs"}]}], and what an
    # administrator decided about them: {path: "ours" | "theirs"}.
    conflicts = models.JSONField(default=list, blank=True)
    decided = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("exchange:remote", args=[self.name])


class RemoteChange(HistoryRow):
    """One change of a remote's settings, or one decision about leaves that both sides changed."""

    class Action(models.TextChoices):
        ADDED = "added", lazy("added")
        CHANGED = "changed", lazy("changed")
        REMOVED = "removed", lazy("removed")
        DECIDED = "decided", lazy("decided about leaves changed on both sides")

    # By name: a removed remote's history stays.
    remote_name = models.CharField(max_length=40, db_index=True)
    action = models.CharField(max_length=10, choices=Action.choices)
    details = models.JSONField(default=dict, blank=True)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.remote_name} {self.action}"


class TransferQuerySet(models.QuerySet["Transfer"]):
    def due(self, *, now: datetime) -> TransferQuerySet:
        """Those that wait, and those whose worker went away while it had them; the oldest first."""
        lost = Q(state=Transfer.State.RUNNING, lease_until__lt=now)
        return self.filter(Q(state=Transfer.State.WAITING) | lost).order_by("created_at")

    def under_way(self) -> TransferQuerySet:
        return self.filter(state__in=(Transfer.State.WAITING, Transfer.State.RUNNING))

    def newest_first(self) -> TransferQuerySet:
        return self.select_related("remote", "person").order_by("-created_at")


class Transfer(models.Model):
    """Something that is to come in or go out, done by the worker. Each can be repeated: a killed one is taken up again.

    ``parameters`` say what was asked for, ``result`` what was done; ``file`` lies in ``EXCHANGE_FOLDER``: an archive
    that was uploaded (removed when taken in) or one to be downloaded (removed after ``KEPT``).
    """

    class Kind(models.TextChoices):
        IMPORT = "import", lazy("Import")
        EXPORT = "export", lazy("Export")
        SYNC = "sync", lazy("Synchronisation")
        DOCUMENT = "document", lazy("Document taken in")
        FETCH = "fetch", lazy("Documents fetched")

    class State(models.TextChoices):
        WAITING = "waiting", lazy("Waiting")
        RUNNING = "running", lazy("Running")
        DONE = "done", lazy("Done")
        FAILED = "failed", lazy("Failed")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    remote = models.ForeignKey(Remote, on_delete=models.CASCADE, null=True, blank=True, related_name="transfers")
    # None: asked for by the clock or by a webhook.
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    parameters = models.JSONField(default=dict, blank=True)
    file = models.CharField(max_length=100, blank=True, default="")
    result = models.JSONField(default=dict, blank=True)
    code = models.CharField(max_length=40, blank=True, default="")
    problem = models.CharField(max_length=1000, blank=True, default="")
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[Any] = TransferQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["state", "created_at"], name="exchange_transfer_due")]
        constraints = [
            # Signals that come while one waits mean the same work: they become that one.
            models.UniqueConstraint(
                fields=["remote"], condition=Q(kind="sync", state="waiting"), name="exchange_one_waiting_sync"
            ),
            models.UniqueConstraint(
                fields=["kind"], condition=Q(kind="fetch", state="waiting"), name="exchange_one_waiting_fetch"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.created_at:%Y-%m-%d %H:%M}"

    def get_absolute_url(self) -> str:
        return reverse("exchange:transfer", args=[self.pk])

    @property
    def under_way(self) -> bool:
        return self.state in (self.State.WAITING, self.State.RUNNING)
