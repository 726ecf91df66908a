"""Notices: that something happened to a submission, for each person whom it concerns, and how each goes out by e-mail.

Read by ``models``, which offers it too; a module of its own so that neither grows beyond reading.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from taxonomy_app.mail.models import Delivery, Email


class NoticeQuerySet(models.QuerySet):
    def unread_by(self, person: Any) -> NoticeQuerySet:
        return self.filter(person=person, read_at__isnull=True)

    def to_mail(self, delivery: str) -> NoticeQuerySet:
        """What is still to go out in this way: not sent, and not read in the app meanwhile."""
        return self.filter(delivery=delivery, email__isnull=True, read_at__isnull=True)


class Notice(models.Model):
    """That something happened to a submission, for one person whom it concerns; ``by`` is empty for the program."""

    class Kind(models.TextChoices):
        CHANGES_REQUESTED = "changes_requested", "asks for changes to"
        REJECTED = "rejected", "rejected"
        COMMITTED = "committed", "is in the taxonomy now"
        CONFLICT = "conflict", "was overtaken by another change"
        REVISED = "revised", "sent a new version of"
        WITHDRAWN = "withdrawn", "took back"
        COMMENTED = "commented", "said something about"
        MOVED = "moved", "moved to another place"

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    submission = models.ForeignKey("Submission", on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=20, choices=Kind.choices)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)
    # How it goes out by e-mail, decided when it is written, and the message it went into.
    delivery = models.CharField(max_length=10, choices=Delivery.choices, default=Delivery.OFF)
    email = models.ForeignKey(Email, null=True, on_delete=models.SET_NULL, related_name="notices")

    objects = NoticeQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["person", "-id"], name="notice_by_person"),
            models.Index(fields=["person"], condition=Q(read_at__isnull=True), name="notice_unread"),
            models.Index(
                fields=["delivery", "person"],
                condition=Q(email__isnull=True, read_at__isnull=True) & ~Q(delivery="off"),
                name="notice_to_mail",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.get_kind_display()} {self.submission_id}"
