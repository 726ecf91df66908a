"""Who may do what on the start page and on what every site has."""

from __future__ import annotations

from tests.taxonomy_app.routing import EVERYBODY, Route

ROUTES = {
    "web:home": Route(get=EVERYBODY),
    "web:about": Route(get=EVERYBODY),
    "web:language": Route(post=EVERYBODY, data=lambda world: {"language": "de"}, door=True),
    "web:shortcuts": Route(post=EVERYBODY, data=lambda world: {"shortcuts": "off"}, door=True),
    "web:theme": Route(post=EVERYBODY, data=lambda world: {"theme": "dark"}, door=True),
    "web:health": Route(get=EVERYBODY, door=True, redis=True),
    "web:robots": Route(get=EVERYBODY, door=True),
    "web:manifest": Route(get=EVERYBODY, door=True),
    "web:favicon": Route(get=EVERYBODY, door=True),
}
