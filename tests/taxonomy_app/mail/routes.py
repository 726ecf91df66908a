"""Who may do what on the routes of e-mail."""

from __future__ import annotations

from taxonomy_app.mail.links import unsubscribe_path
from tests.taxonomy_app.routing import ADMINISTRATORS, EVERYBODY, SIGNED_IN, Route, World


def _token(world: World) -> list[str]:
    return [unsubscribe_path(world.contributor, "notices").split("/")[-2]]


ROUTES = {
    "mail:home": Route(get=ADMINISTRATORS),
    "mail:retry": Route(post=ADMINISTRATORS),
    "mail:choices": Route(get=SIGNED_IN, post=SIGNED_IN),
    "mail:unsubscribe": Route(args=_token, get=EVERYBODY, post=EVERYBODY, door=True),
}
