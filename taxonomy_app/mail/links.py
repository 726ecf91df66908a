"""Addresses in e-mails: whole ones of this site, and the signed link that ends a kind of e-mail without signing in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings
from django.core import signing
from django.urls import reverse

from taxonomy_app.mail.models import Email

if TYPE_CHECKING:
    from taxonomy_app.people.models import User

_UNSUBSCRIBE = "taxonomy_app.mail.unsubscribe"


def absolute(path: str) -> str:
    """``path`` of this site as an address that works outside it (``SEEDBED_SITE_URL``)."""
    return f"{settings.SITE_URL}{path}"


@dataclass(frozen=True)
class Unsubscription:
    """What a link ends: e-mails about ``kind`` (an ``Email.Kind``) to ``address`` of the person with this id."""

    person_id: int
    address: str
    kind: str


def unsubscribe_path(person: User, kind: str) -> str:
    """The path of the link. It never runs out: an e-mail may be read years later, and must still be endable."""
    token = signing.dumps([person.pk, person.email, kind], salt=_UNSUBSCRIBE)
    return reverse("mail:unsubscribe", args=[token])


def unsubscription(token: str) -> Unsubscription | None:
    """What the link means, or None where this site did not sign it."""
    try:
        person_id, address, kind = signing.loads(token, salt=_UNSUBSCRIBE)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return Unsubscription(person_id, address, kind) if kind in Email.Kind.values else None
