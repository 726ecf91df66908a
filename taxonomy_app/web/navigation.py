"""The places of the header, by role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.contributions import models as contributions


@dataclass(frozen=True)
class Place:
    """One entry. ``count`` is shown beside it when above zero, with ``count_label`` for those who listen."""

    title: str
    url: str
    current: bool
    count: int = 0
    count_label: str = ""


# Title, route, what a path must start with for the entry to be marked, who sees it.
_PLACES = (
    (lazy("Taxonomy"), "tree:home", ("/taxonomy/", "/exchange/"), "public"),
    (lazy("My contributions"), "contributions:mine", ("/contributions/",), "contributor"),
    (
        lazy("Review queue"),
        "contributions:queue",
        ("/contributions/queue", "/contributions/review", "/contributions/rules"),
        "reviewer",
    ),
    (lazy("Rounds"), "rounds:list", ("/rounds/",), "contributor"),
    (lazy("Releases"), "releases:dashboard", ("/releases/",), "public"),
    (lazy("People"), "people:list", ("/people/",), "administrator"),
)


def may_see(audience: str, user: Any) -> bool:
    if audience == "public":
        return settings.PUBLIC or user.is_authenticated
    if not user.is_authenticated:
        return False
    return {"contributor": True, "reviewer": user.can_review, "administrator": user.can_administer}[audience]


def places(request: HttpRequest) -> list[Place]:
    """The entries that the person may open, the one whose page is shown marked; at most one query."""
    user = request.user
    found: list[tuple[Place, int]] = []
    for title, route, prefixes, audience in _PLACES:
        if not may_see(audience, user):
            continue
        try:
            url = reverse(route)
        except NoReverseMatch:
            continue
        waiting = waiting_for(user) if route == "contributions:queue" else 0
        matched = max((len(prefix) for prefix in prefixes if request.path.startswith(prefix)), default=0)
        found.append((Place(title, url, False, waiting, _("waiting for review") if waiting else ""), matched))
    longest = max((matched for _, matched in found), default=0)
    return [
        Place(place.title, place.url, bool(matched) and matched == longest, place.count, place.count_label)
        for place, matched in found
    ]


def waiting_for(user: Any) -> int:
    """How many submissions this reviewer could decide now: submitted by somebody else."""
    return contributions.Submission.objects.filter(state="submitted").exclude(author=user).count()


def unread_notices(user: Any) -> int:
    """How much happened to contributions that concern this person and that they have not seen yet."""
    return contributions.Notice.objects.unread_by(user).count() if user.is_authenticated else 0
