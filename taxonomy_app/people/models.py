"""Accounts, their roles, the history of role changes, and failed tries at signing in."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.web.history import HistoryRow


class Role(models.TextChoices):
    """What a person may do. Visitors are people who are not signed in and have no row."""

    CONTRIBUTOR = "contributor", lazy("Contributor")
    REVIEWER = "reviewer", lazy("Reviewer")
    ADMINISTRATOR = "administrator", lazy("Administrator")


class UserQuerySet(models.QuerySet["User"]):
    def administrators(self) -> UserQuerySet:
        """Those who can administer now: the role, and an account that is not closed."""
        return self.filter(role=Role.ADMINISTRATOR, is_active=True)

    def by_identifier(self, identifier: str) -> User | None:
        """The account that a person means by a username or an e-mail address, in any case."""
        return self.filter(Q(username__iexact=identifier) | Q(email__iexact=identifier)).order_by("pk").first()

    def matching(self, text: str) -> UserQuerySet:
        """Accounts whose name, username or e-mail contains each of the words of ``text``."""
        found = self
        for word in text.split():
            found = found.filter(Q(name__icontains=word) | Q(username__icontains=word) | Q(email__icontains=word))
        return found


class UserManager(DjangoUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]  # a class made at run time
    """Accounts are made with a role; a superuser is an administrator."""

    def create_superuser(
        self, username: str, email: str | None = None, password: str | None = None, **fields: Any
    ) -> User:
        fields.setdefault("role", Role.ADMINISTRATOR)
        user: User = super().create_superuser(username, email, password, **fields)
        return user


class User(AbstractUser):
    """A person with an account. The username is what pages' addresses and seeds' ``created_by`` hold."""

    first_name = None  # type: ignore[assignment]  # one field for the name as its owner writes it
    last_name = None  # type: ignore[assignment]
    username = models.CharField(
        lazy("username"),
        max_length=60,
        unique=True,
        validators=[
            RegexValidator(
                r"\A[A-Za-z0-9][A-Za-z0-9._-]*\Z",
                lazy("Use letters, digits, dots, hyphens and underscores, starting with a letter or a digit."),
            )
        ],
        error_messages={"unique": lazy("This username is taken. Choose another one.")},
    )
    email = models.EmailField(
        lazy("e-mail address"),
        unique=True,
        error_messages={"unique": lazy("There is an account with this e-mail address. Sign in instead.")},
    )
    name = models.CharField(lazy("name"), max_length=120, blank=True)
    role = models.CharField(lazy("role"), max_length=20, choices=Role.choices, default=Role.CONTRIBUTOR, db_index=True)
    # When the owner of the address followed the link that was sent to it; another address begins anew.
    email_confirmed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The browser's at the last sign-in: whose morning it is when a digest is sent. Empty where none was told.
    time_zone = models.CharField(max_length=64, blank=True, default="", editable=False)
    # Empty: whatever the browser asks for. Which there are is a setting, not a rule of the database.
    language = models.CharField(lazy("language"), max_length=10, blank=True)

    objects: ClassVar[Any] = UserManager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("username"),
                name="people_username_any_case",
                violation_error_message=lazy("This username is taken. Choose another one."),
            ),
            models.UniqueConstraint(
                Lower("email"),
                name="people_email_any_case",
                violation_error_message=lazy("There is an account with this e-mail address. Sign in instead."),
            ),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="people_role_known"),
        ]

    def __str__(self) -> str:
        return self.display_name

    @property
    def display_name(self) -> str:
        return self.name or self.username

    @property
    def initials(self) -> str:
        """One or two letters for the round mark beside a name."""
        words = self.display_name.split()
        return "".join(word[0] for word in (words[:1] + words[1:][-1:])).upper()

    def get_full_name(self) -> str:
        return self.display_name

    def get_short_name(self) -> str:
        return self.display_name.split()[0]

    def get_absolute_url(self) -> str:
        return reverse("people:person", args=[self.username])

    @property
    def can_review(self) -> bool:
        return self.is_active and self.role in (Role.REVIEWER, Role.ADMINISTRATOR)

    @property
    def can_administer(self) -> bool:
        return self.is_active and self.role == Role.ADMINISTRATOR


class RoleChange(HistoryRow):
    """Who gave or took which right, or made a way in, when and why.

    ``changed_by`` is empty for the person or the shell itself.
    """

    class Action(models.TextChoices):
        CREATED = "created", lazy("Account created")
        ROLE = "role", lazy("Role changed")
        CLOSED = "closed", lazy("Account closed")
        REOPENED = "reopened", lazy("Account reopened")
        PASSWORD_LINK = "password_link", lazy("Link to choose a password made")

    person = models.ForeignKey(User, on_delete=models.PROTECT, related_name="role_changes")
    action = models.CharField(max_length=20, choices=Action.choices, default=Action.ROLE)
    old_role = models.CharField(max_length=20, choices=Role.choices, blank=True)
    new_role = models.CharField(max_length=20, choices=Role.choices)
    changed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="role_changes_made")
    reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.person}: {self.get_action_display()}"


class SignInFailureQuerySet(models.QuerySet["SignInFailure"]):
    def since(self, moment: datetime) -> SignInFailureQuerySet:
        return self.filter(created_at__gt=moment)


class SignInFailure(models.Model):
    """A try at signing in that failed. Kept for a day, counted to slow down whoever guesses."""

    KEPT = timedelta(days=1)

    identifier = models.CharField(max_length=254)
    address = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_index=True)

    objects: ClassVar[Any] = SignInFailureQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["identifier", "created_at"], name="people_failure_identifier"),
            models.Index(fields=["address", "created_at"], name="people_failure_address"),
        ]

    def __str__(self) -> str:
        return f"{self.identifier} from {self.address}"
