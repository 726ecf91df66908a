"""Who may do what on the routes of rounds: everybody watches, administrators act."""

from __future__ import annotations

from tests.taxonomy_app.rounds.making import make_round
from tests.taxonomy_app.routing import ADMINISTRATORS, EVERYBODY, Access, Route, World


def prepare(world: World) -> None:
    world.round = make_round(world.administrator)


def _round(world: World) -> list[object]:
    return [world.round.pk]


ROUTES = {
    "rounds:list": Route(get=EVERYBODY),
    "rounds:new": Route(get=ADMINISTRATORS, post=ADMINISTRATORS),
    "rounds:estimate": Route(post=ADMINISTRATORS),
    "rounds:round": Route(args=_round, get=EVERYBODY),
    "rounds:progress": Route(args=_round, get=EVERYBODY),
    "rounds:samples": Route(args=_round, get=EVERYBODY),
    # No row is there to decide about, so even an administrator finds none.
    "rounds:decide": Route(
        args=_round,
        post=Access("sign-in", "forbidden", "forbidden", "forbidden", "missing"),
    ),
    "rounds:go_on": Route(args=_round, post=ADMINISTRATORS),
    "rounds:preview": Route(args=_round, post=ADMINISTRATORS),
    "rounds:start": Route(args=_round, post=ADMINISTRATORS),
    "rounds:cancel": Route(args=_round, post=ADMINISTRATORS),
    "rounds:retry": Route(args=_round, post=ADMINISTRATORS),
    # Nothing was mixed yet.
    "rounds:data": Route(
        args=lambda world: [world.round.pk, "skills_train_msgs"],
        get=Access("sign-in", "forbidden", "forbidden", "forbidden", "missing"),
    ),
    # No attempt has run: to an administrator there is no log either.
    "rounds:log": Route(
        args=lambda world: [world.round.pk, "generation", 1],
        get=Access("sign-in", "forbidden", "forbidden", "forbidden", "missing"),
    ),
}
