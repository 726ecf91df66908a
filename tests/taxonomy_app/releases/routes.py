"""Every route of releases: how it is asked for and what each role gets, for the table test over all routes.

``make(people)`` prepares what the arguments name; roles are visitor, contributor, reviewer, administrator, on a public
site. A release that is published and current has the number 1, a candidate the number 2.
"""

from __future__ import annotations

from typing import Any

from tests.taxonomy_app.releases.making import NOW, leaf_id, make_release

LEAF = "compositional_skills/writing/haiku"
PUBLIC = {"visitor": 200, "contributor": 200, "reviewer": 200, "administrator": 200}
CANDIDATE = PUBLIC | {"visitor": 404}
ADMINISTRATOR = {"visitor": 302, "contributor": 403, "reviewer": 403, "administrator": 302}

# (route, arguments, method, data, status by role)
ROUTES: list[tuple[str, list[Any], str, dict[str, str], dict[str, int]]] = [
    ("releases:dashboard", [], "GET", {}, PUBLIC),
    ("releases:matrix", [], "GET", {}, PUBLIC),
    ("releases:compare", [], "GET", {}, PUBLIC),
    ("releases:release", [1], "GET", {}, PUBLIC),
    ("releases:release", [2], "GET", {}, CANDIDATE),
    ("releases:leaf", [1, leaf_id(LEAF)], "GET", {}, PUBLIC),
    ("releases:leaf", [2, leaf_id(LEAF)], "GET", {}, CANDIDATE),
    ("releases:scores_json", [1], "GET", {}, PUBLIC),
    ("releases:scores_json", [2], "GET", {}, CANDIDATE),
    ("releases:scores_csv", [1], "GET", {}, PUBLIC),
    ("releases:scores_csv", [2], "GET", {}, CANDIDATE),
    ("releases:publish", [2], "POST", {}, ADMINISTRATOR),
    ("releases:promote", [1], "POST", {}, ADMINISTRATOR | {"administrator": 422}),
    ("releases:rollback", [1], "POST", {"reason": "It forgets."}, ADMINISTRATOR),
]


def make(administrator: Any) -> None:
    """Release 1, published and current, and the candidate Release 2."""
    from taxonomy_app.releases import services

    scores = {LEAF: ([-2.0, -2.2, -2.1], [-1.0, -1.1, -0.9])}
    first = make_release(administrator, scores)
    services.release_publish(release=first, actor=administrator, now=NOW)
    services.release_promote(release=first, actor=administrator, now=NOW)
    make_release(administrator, scores)
