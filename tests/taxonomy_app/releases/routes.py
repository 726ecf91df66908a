"""Who may do what on the routes of releases: everybody reads what is published, administrators decide."""

from __future__ import annotations

from typing import Any

from tests.taxonomy_app.releases.making import NOW, leaf_id, make_release
from tests.taxonomy_app.routing import ADMINISTRATORS, EVERYBODY, Access, Route, World

LEAF = "compositional_skills/writing/haiku"
PUBLISHED, CANDIDATE = 1, 2
# A release that is not published is not there for visitors.
WITH_ACCOUNT = Access("missing", "ok", "ok", "ok", "ok")


def make(administrator: Any) -> None:
    """Release 1, published and current, and the candidate Release 2."""
    from taxonomy_app.releases import services

    scores = {LEAF: ([-2.0, -2.2, -2.1], [-1.0, -1.1, -0.9])}
    first = make_release(administrator, scores)
    services.release_publish(release=first, actor=administrator, now=NOW)
    services.release_promote(release=first, actor=administrator, now=NOW)
    make_release(administrator, scores)


def prepare(world: World) -> None:
    make(world.administrator)


def _both(*more: object) -> tuple[Route, Route]:
    return (
        Route(args=lambda world: [PUBLISHED, *more], get=EVERYBODY),
        Route(args=lambda world: [CANDIDATE, *more], get=WITH_ACCOUNT),
    )


ROUTES = {
    "releases:dashboard": Route(get=EVERYBODY),
    "releases:matrix": Route(get=EVERYBODY),
    "releases:compare": Route(get=EVERYBODY),
    "releases:release": _both(),
    "releases:leaf": _both(leaf_id(LEAF)),
    "releases:scores_json": _both(),
    "releases:scores_csv": _both(),
    "releases:publish": Route(args=lambda world: [CANDIDATE], post=ADMINISTRATORS),
    "releases:promote": Route(args=lambda world: [CANDIDATE], post=ADMINISTRATORS),
    "releases:rollback": Route(
        args=lambda world: [PUBLISHED], post=ADMINISTRATORS, data=lambda world: {"reason": "It forgets."}
    ),
}
