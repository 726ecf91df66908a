"""How an app tells ``test_routes`` who may do what on each of its routes.

``tests/taxonomy_app/<app>/routes.py`` holds ``ROUTES: dict[str, Route | list[Route]]`` by the full name of the route
(``"people:list"``) and may hold ``prepare(world)``, which makes the rows that the routes need and keeps them on the
world (``world.submission = …``) for the routes' ``args`` and ``data``::

    ROUTES = {
        "rounds:list": Route(get=ADMINISTRATORS),
        "rounds:cancel": Route(args=lambda world: [world.round.pk], post=ADMINISTRATORS),
        "contributions:draft": Route(
            args=lambda world: [world.draft.pk], get=Access("sign-in", "ok", "missing", "missing", "missing")
        ),
    }

A route that behaves differently for different rows has a list of ``Route``, one for each case.
A method that is left out must be refused to everybody. ``world.contributor`` owns what ``prepare`` makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

# ok: the person was let through (a form with mistakes, 400 or 422, is let through, too).
Outcome = Literal["ok", "sign-in", "forbidden", "missing", "not allowed"]

PEOPLE = ("visitor", "contributor", "other_contributor", "reviewer", "administrator")


class Access(NamedTuple):
    """What each person gets, in the order of ``PEOPLE``. ``contributor`` owns the rows, ``other_contributor`` none."""

    visitor: Outcome
    contributor: Outcome
    other_contributor: Outcome
    reviewer: Outcome
    administrator: Outcome


EVERYBODY = Access("ok", "ok", "ok", "ok", "ok")
SIGNED_IN = Access("sign-in", "ok", "ok", "ok", "ok")
REVIEWERS = Access("sign-in", "forbidden", "forbidden", "ok", "ok")
ADMINISTRATORS = Access("sign-in", "forbidden", "forbidden", "forbidden", "ok")
# A contributor's own thing that only reviewers see besides; to another contributor it does not exist.
OWNER_AND_REVIEWERS = Access("sign-in", "ok", "missing", "ok", "ok")
OWNER = Access("sign-in", "ok", "missing", "missing", "missing")


def nothing(world: Any) -> Sequence[Any]:
    return ()


def no_data(world: Any) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Route:
    """One route: its arguments, what a GET and a POST are sent, and who gets what by each."""

    get: Access | None = None
    post: Access | None = None
    args: Callable[[Any], Sequence[Any]] = nothing
    query: Callable[[Any], Mapping[str, Any]] = no_data
    data: Callable[[Any], Mapping[str, Any]] = no_data
    # Open to visitors even on a site that is not public.
    door: bool = False
    # Routes that need Redis to answer.
    redis: bool = False


@dataclass
class World:
    """Who and what the routes are tried with; ``prepare`` of each app adds to it."""

    taxonomy: Any
    contributor: Any
    other_contributor: Any
    reviewer: Any
    administrator: Any
    now: Any
    visitor: None = None
