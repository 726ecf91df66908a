"""Every URL × person × method: who is let through, who is sent to sign in, who is refused, to whom nothing is there."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from taxonomy_app.people.middleware import OPEN_ROUTES
from tests.taxonomy_app.routing import PEOPLE, Route, World

APPS = ("web", "people", "mail", "tree", "contributions", "asking", "rounds", "releases", "exchange", "api")


def routes_of_the_site() -> list[str]:
    """The full name of every route of the project; one without a name stands as its pattern."""

    def walk(resolver: URLResolver, namespace: str) -> list[str]:
        found: list[str] = []
        for entry in resolver.url_patterns:
            if isinstance(entry, URLResolver):
                inner = ":".join(part for part in (namespace, entry.namespace) if part)
                found += walk(entry, inner)
            elif isinstance(entry, URLPattern):
                found.append(":".join(part for part in (namespace, entry.name or str(entry.pattern)) if part))
        return found

    return walk(get_resolver(), "")


def _known() -> tuple[dict[str, tuple[Route, ...]], list[Callable[[World], None]]]:
    routes: dict[str, tuple[Route, ...]] = {}
    preparations: list[Callable[[World], None]] = []
    for app in APPS:
        name = f"tests.taxonomy_app.{app}.routes"
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise
            continue
        told = getattr(module, "ROUTES", {})
        # What is told in another way counts as not told; the first test below names each such route.
        if isinstance(told, dict):
            routes |= {name: (route,) if isinstance(route, Route) else tuple(route) for name, route in told.items()}
        if hasattr(module, "prepare"):
            preparations.append(module.prepare)
    return routes, preparations


SITE = sorted(set(routes_of_the_site()))
KNOWN, PREPARATIONS = _known()
CASES = [
    pytest.param(name, case, id=name if len(KNOWN[name]) == 1 else f"{name}-{number}")
    for name in SITE
    if name in KNOWN
    for number, case in enumerate(KNOWN[name], 1)
]


@pytest.fixture
def world(
    taxonomy: Any, contributor: Any, other_contributor: Any, reviewer: Any, administrator: Any, now: Any
) -> World:
    made = World(taxonomy, contributor, other_contributor, reviewer, administrator, now)
    for prepare in PREPARATIONS:
        prepare(made)
    return made


def outcome(client: Client, method: str, url: str, data: Any) -> str:
    """What a person got, in the words of the table. What the request changed is undone."""
    with transaction.atomic():
        response = getattr(client, method)(url, data)
        if hasattr(response, "streaming_content"):
            b"".join(response.streaming_content)
        transaction.set_rollback(True)
    if response.status_code in (301, 302, 303) and response.url.startswith(reverse("people:sign_in")):
        return "sign-in"
    refused = {401: "sign-in", 403: "forbidden", 404: "missing", 405: "not allowed"}
    if response.status_code in refused:
        return refused[response.status_code]
    assert response.status_code < 400 or response.status_code in (400, 409, 422, 429), (
        f"{method} {url} answered {response.status_code}"
    )
    return "ok"


@pytest.mark.parametrize("name", SITE)
def test_every_route_says_who_may_do_what(name: str) -> None:
    app = name.partition(":")[0]
    assert name in KNOWN, (
        f"{name} is a new route: add it to ROUTES in tests/taxonomy_app/{app}/routes.py (see routing.py)."
    )


def test_no_route_is_told_of_that_is_not_there() -> None:
    assert sorted(set(KNOWN) - set(SITE)) == []


@pytest.mark.parametrize(("name", "route"), CASES)
def test_each_person_gets_from_a_route_what_the_table_says(
    name: str, route: Route, world: World, request: pytest.FixtureRequest
) -> None:
    if route.redis:
        request.getfixturevalue("redis_url")
    wrong: list[str] = []
    for person in PEOPLE:
        client = Client()
        if (user := getattr(world, person)) is not None:
            client.force_login(user)
        # After the sign-in, which makes links to choose a password worthless.
        url = reverse(name, args=route.args(world))
        for method, access, data in (("get", route.get, route.query), ("post", route.post, route.data)):
            got = outcome(client, method, url, data(world))
            if access is None:
                if got == "ok" or (person == "administrator" and got == "sign-in"):
                    wrong.append(f"{method} by {person}: {got}, should be refused")
            elif got != getattr(access, person):
                wrong.append(f"{method} by {person}: {got}, should be {getattr(access, person)}")
        for method in ("put", "patch", "delete"):
            if (got := outcome(client, method, url, b"")) == "ok":
                wrong.append(f"{method} by {person}: let through")
    assert not wrong, f"{name}\n" + "\n".join(wrong)


@pytest.mark.parametrize(("name", "route"), CASES)
def test_on_a_site_that_is_not_public_only_the_door_is_open_to_visitors(
    name: str, route: Route, world: World, settings: Any, request: pytest.FixtureRequest
) -> None:
    settings.PUBLIC = False
    if route.redis:
        request.getfixturevalue("redis_url")
    url = reverse(name, args=route.args(world))
    client = Client()
    got = [outcome(client, "get", url, route.query(world)), outcome(client, "post", url, route.data(world))]
    if route.door:
        assert "sign-in" not in got
    else:
        assert got == ["sign-in", "sign-in"]


def test_the_door_is_what_the_table_says_and_no_wider() -> None:
    assert {name for name, routes in KNOWN.items() if any(route.door for route in routes)} == set(OPEN_ROUTES)
