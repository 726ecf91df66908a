"""Who may do what on the routes of accounts."""

from __future__ import annotations

from django.contrib.auth.tokens import default_token_generator
from django.core import signing

from taxonomy_app.people import services
from tests.taxonomy_app.routing import ADMINISTRATORS, EVERYBODY, SIGNED_IN, Route, World


def _owner(world: World) -> list[str]:
    return [world.contributor.username]


ROUTES = {
    "people:sign_in": Route(get=EVERYBODY, post=EVERYBODY, door=True),
    # Signing out sends a visitor to the start page, which on a closed site is the sign-in page.
    "people:sign_out": Route(post=EVERYBODY),
    "people:register": Route(get=EVERYBODY, post=EVERYBODY, door=True),
    "people:choose_password": Route(
        args=lambda world: [world.contributor.pk, default_token_generator.make_token(world.contributor)],
        get=EVERYBODY,
        post=EVERYBODY,
        door=True,
    ),
    "people:confirm_email": Route(
        args=lambda world: [signing.dumps([world.contributor.pk, world.contributor.email], salt=services._CONFIRM)],
        get=EVERYBODY,
        post=EVERYBODY,
        door=True,
    ),
    "people:send_confirmation": Route(post=SIGNED_IN),
    "people:profile": Route(get=SIGNED_IN, post=SIGNED_IN),
    "people:change_password": Route(get=SIGNED_IN, post=SIGNED_IN),
    "people:person": Route(args=_owner, get=EVERYBODY),
    "people:list": Route(get=ADMINISTRATORS),
    "people:add": Route(get=ADMINISTRATORS, post=ADMINISTRATORS),
    "people:change_role": Route(args=_owner, post=ADMINISTRATORS),
    "people:close": Route(args=_owner, post=ADMINISTRATORS),
    "people:reopen": Route(args=_owner, post=ADMINISTRATORS),
    "people:password_link": Route(args=_owner, post=ADMINISTRATORS),
}
