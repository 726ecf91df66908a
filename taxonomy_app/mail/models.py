"""What goes out by e-mail: the outbox of e-mails, and what each person wants to be sent.

What a message says is decided by whoever adds it (``services.email_add``); how it leaves is in ``sending``.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q


class Delivery(models.TextChoices):
    """When a person wants to read of something by e-mail. The notice in the app is there in any case."""

    NOW = "now", "At once"
    DAILY = "daily", "Once a day"
    OFF = "off", "Not by e-mail"


class Choice(models.Model):
    """What one person chose for one kind of notice; without a row it is sent at once (``choices.DEFAULT``)."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mail_choices")
    kind = models.CharField(max_length=40)
    delivery = models.CharField(max_length=10, choices=Delivery.choices)

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["person", "kind"], name="one_mail_choice_of_each_kind"),
            models.CheckConstraint(condition=Q(delivery__in=Delivery.values), name="mail_delivery_known"),
        ]

    def __str__(self) -> str:
        return f"{self.person_id}, {self.kind}: {self.delivery}"


class EmailQuerySet(models.QuerySet["Email"]):
    def waiting(self) -> EmailQuerySet:
        return self.filter(state=Email.State.WAITING)

    def due(self, *, now: datetime) -> EmailQuerySet:
        """What may be tried now, the oldest first."""
        return self.waiting().filter(Q(next_try_at__isnull=True) | Q(next_try_at__lte=now)).order_by("id")

    def undelivered(self) -> EmailQuerySet:
        """What did not arrive, or perhaps did not, and is not tried any more; the newest first."""
        return self.filter(state__in=Email.UNDELIVERED).order_by("-id")


class Email(models.Model):
    """One message on its way to one person, exactly as it will be sent.

    ``key`` is what must not be sent twice (the digest of one week); the texts are emptied once it has left.
    """

    class Kind(models.TextChoices):
        CONFIRMATION = "confirmation", "Confirmation of the address"
        NOTICES = "notices", "Notices"
        DIGEST = "digest", "Notices of a day"
        REVIEWERS = "reviewers", "Reviewers' week"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        HANDED_OVER = "handed_over", "Being handed over"
        SENT = "sent", "Sent"
        # The server's last word; trying again would get the same answer.
        REFUSED = "refused", "Refused"
        # No server could be reached, or it asked to come back later, for as long as one tries.
        GIVEN_UP = "given_up", "Given up"
        # The connection or the worker ended while the server was taking it: it may have arrived or not.
        UNSURE = "unsure", "Perhaps arrived"
        # The address or the wish had changed before it was its turn.
        DROPPED = "dropped", "Not wanted any more"

    UNDELIVERED: ClassVar[tuple[State, ...]] = (State.REFUSED, State.GIVEN_UP, State.UNSURE)

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="emails")
    address = models.EmailField()
    kind = models.CharField(max_length=20, choices=Kind.choices)
    subject = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    key = models.CharField(max_length=100, null=True, unique=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    # When its state was last written: handed over, sent, given up …
    settled_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[EmailQuerySet] = EmailQuerySet.as_manager()  # type: ignore[assignment]  # made at run time

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["id"], condition=Q(state="waiting"), name="mail_waiting"),
            models.Index(fields=["person", "kind", "created_at"], name="mail_by_person"),
            models.Index(fields=["state", "-id"], name="mail_by_state"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} to {self.address}"
