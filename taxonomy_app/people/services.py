"""Writes to accounts: creating them, roles, closing, passwords; each recorded with who did it and why."""

from __future__ import annotations

import zoneinfo
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import default_token_generator
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.mail.links import absolute
from taxonomy_app.mail.models import Email
from taxonomy_app.mail.services import email_add
from taxonomy_app.people.models import Role, RoleChange, User
from taxonomy_app.web.languages import mid_sentence

_CONFIRM = "taxonomy_app.people.confirm"
# So long the link to confirm an address works, and so many are sent to one person in a day.
CONFIRM_WITHIN = timedelta(days=3)
MOST_CONFIRMATIONS = 5

LAST_ADMINISTRATOR = lazy("This is the only administrator. Make somebody else administrator first.")


@transaction.atomic
def person_create(
    *,
    username: str,
    email: str,
    name: str,
    role: str = Role.CONTRIBUTOR,
    password: str | None,
    by: User | None = None,
    reason: str = "",
    now: datetime,
) -> User:
    """A new account. Without a password nobody can sign in until one is chosen through ``password_link``.

    Raises:
        ValidationError: by field, when a value is not allowed, taken, or the password too weak.
    """
    person = User(username=username.strip(), email=email.strip(), name=name.strip(), role=role, date_joined=now)
    if password is None:
        person.set_unusable_password()
    else:
        try:
            validate_password(password, person)
        except ValidationError as error:
            raise ValidationError({"password": error.messages}) from error
        person.set_password(password)
    person.full_clean()
    person.save(force_insert=True)
    RoleChange.objects.create(
        person=person,
        action=RoleChange.Action.CREATED,
        new_role=person.role,
        changed_by=by,
        reason=reason,
        created_at=now,
    )
    confirmation_send(person=person, now=now)
    return person


def person_choose_language(*, person: User, language: str) -> None:
    """Read the pages, and be written to, in ``language`` from now on; empty for the browser's.

    Raises:
        ValidationError: a language that the site does not speak.
    """
    if language and language not in dict(settings.LANGUAGES):
        raise ValidationError({"language": _("Choose one of the languages in the list.")})
    person.language = language
    person.save(update_fields=["language"])


@transaction.atomic
def person_save(*, person: User, name: str, email: str, language: str, now: datetime) -> None:
    """The owner's own name, address and language. The link to confirm another address is sent there.

    Raises:
        ValidationError: by field, when a value is not allowed or taken.
    """
    locked = User.objects.select_for_update().get(pk=person.pk)
    moved = locked.email != email.strip()
    locked.name, locked.email, locked.language = name.strip(), email.strip(), language
    if moved:
        locked.email_confirmed_at = None
    locked.full_clean()
    locked.save(update_fields=["name", "email", "language", "email_confirmed_at"])
    for field in ("name", "email", "language", "email_confirmed_at"):
        setattr(person, field, getattr(locked, field))
    if moved:
        confirmation_send(person=locked, now=now)


@transaction.atomic
def confirmation_send(*, person: User, now: datetime) -> bool:
    """Send the link by which the owner of the address confirms it; whether one is on its way.

    Nothing is sent where e-mail is off, to a confirmed address, or after too many in one day.
    """
    locked = User.objects.select_for_update().get(pk=person.pk)
    today = Email.objects.filter(
        person=locked, kind=Email.Kind.CONFIRMATION, created_at__gt=now - timedelta(days=1)
    ).count()
    if locked.email_confirmed_at is not None or today >= MOST_CONFIRMATIONS:
        return False
    token = signing.dumps([locked.pk, locked.email], salt=_CONFIRM)
    email = email_add(
        person=locked,
        kind=Email.Kind.CONFIRMATION,
        subject="Confirm your e-mail address",
        template="confirmation",
        context={"link": absolute(reverse("people:confirm_email", args=[token])), "days": CONFIRM_WITHIN.days},
        now=now,
    )
    return email is not None


def confirmation_read(token: str) -> User | None:
    """Whose address the link confirms: None where this site did not sign it, it has run out, or the address changed."""
    try:
        pk, address = signing.loads(token, salt=_CONFIRM, max_age=CONFIRM_WITHIN)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    person: User | None = User.objects.filter(pk=pk, email=address, is_active=True).first()
    return person


def email_confirm(*, person: User, now: datetime) -> None:
    """The owner of the address has followed the link; a second time changes nothing."""
    User.objects.filter(pk=person.pk, email=person.email, email_confirmed_at=None).update(email_confirmed_at=now)


def time_zone_note(*, person: User, name: str) -> None:
    """Keep the browser's time zone, so that a digest comes in the reader's morning; an unknown name is left out."""
    if name and name != person.time_zone and name in zoneinfo.available_timezones():
        person.time_zone = name
        person.save(update_fields=["time_zone"])


@transaction.atomic
def person_change_role(*, person: User, role: str, by: User | None, reason: str = "", now: datetime) -> RoleChange:
    """Give ``person`` another role; the same role again changes nothing and is refused.

    Raises:
        ValidationError: an unknown role, the same role, or the last administrator would lose it.
    """
    locked = _lock_accounts(person)
    if role not in Role.values:
        raise ValidationError(_("Choose one of the roles: contributor, reviewer or administrator."))
    if locked.role == role:
        raise ValidationError(
            _("%(person)s is %(role)s already. Choose another role.")
            % {"person": locked, "role": mid_sentence(Role(role).label)}
        )
    if role != Role.ADMINISTRATOR:
        _require_another_administrator(locked)
    old = locked.role
    locked.role = role
    locked.save(update_fields=["role"])
    person.role = role
    change: RoleChange = RoleChange.objects.create(
        person=locked, old_role=old, new_role=role, changed_by=by, reason=reason.strip(), created_at=now
    )
    return change


@transaction.atomic
def person_close(*, person: User, by: User, reason: str = "", now: datetime) -> RoleChange:
    """Close an account: nobody can sign in with it and its sessions end; what the person made stays.

    Raises:
        ValidationError: it is closed already, or the last administrator's.
    """
    locked = _lock_accounts(person)
    if not locked.is_active:
        raise ValidationError(_("This account is closed already."))
    _require_another_administrator(locked)
    return _set_active(locked, person, False, RoleChange.Action.CLOSED, by, reason, now)


@transaction.atomic
def person_reopen(*, person: User, by: User, reason: str = "", now: datetime) -> RoleChange:
    """Let a closed account sign in again.

    Raises:
        ValidationError: it is not closed.
    """
    locked = _lock_accounts(person)
    if locked.is_active:
        raise ValidationError(_("This account is open already."))
    return _set_active(locked, person, True, RoleChange.Action.REOPENED, by, reason, now)


@transaction.atomic
def person_password_link(*, person: User, by: User, now: datetime) -> str:
    """A key by which whoever has it chooses the password of ``person``, once; recorded, because it lets its maker in.

    Raises:
        ValidationError: the account is closed, so that nobody could sign in with it.
    """
    locked = _lock_accounts(person)
    if not locked.is_active:
        raise ValidationError(_("This account is closed. Open it again first, then make a link."))
    RoleChange.objects.create(
        person=locked,
        action=RoleChange.Action.PASSWORD_LINK,
        old_role=locked.role,
        new_role=locked.role,
        changed_by=by,
        created_at=now,
    )
    return default_token_generator.make_token(locked)


def _set_active(
    locked: User, person: User, active: bool, action: RoleChange.Action, by: User, reason: str, now: datetime
) -> RoleChange:
    locked.is_active = person.is_active = active
    locked.save(update_fields=["is_active"])
    change: RoleChange = RoleChange.objects.create(
        person=locked,
        action=action,
        old_role=locked.role,
        new_role=locked.role,
        changed_by=by,
        reason=reason.strip(),
        created_at=now,
    )
    return change


def _lock_accounts(person: User) -> User:
    """``person`` as it is now, locked together with every administrator, in one order: two demotions at once wait
    for each other, so that they cannot both leave the other as the last one."""
    concerned = User.objects.select_for_update().filter(Q(role=Role.ADMINISTRATOR) | Q(pk=person.pk)).order_by("pk")
    return {row.pk: row for row in concerned}[person.pk]


def _require_another_administrator(person: User) -> None:
    if person.can_administer and not User.objects.administrators().exclude(pk=person.pk).exists():
        raise ValidationError(LAST_ADMINISTRATOR)
