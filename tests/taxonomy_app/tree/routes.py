"""Who may do what on the routes of the taxonomy: everybody reads, nobody writes."""

from __future__ import annotations

from tests.leaves import DOCUMENT_NAME, FREEFORM, KNOWLEDGE
from tests.taxonomy_app.routing import EVERYBODY, Route, World


def _leaf(world: World) -> list[object]:
    return [world.taxonomy.leaf(FREEFORM).leaf_id]


ROUTES = {
    "tree:home": Route(get=EVERYBODY),
    "tree:folder": Route(get=EVERYBODY, query=lambda world: {"path": "knowledge"}),
    "tree:leaf": Route(args=_leaf, get=EVERYBODY),
    "tree:history": Route(args=_leaf, get=EVERYBODY),
    "tree:download": Route(args=_leaf, get=EVERYBODY),
    "tree:version": Route(args=lambda world: [*_leaf(world), 0], get=EVERYBODY),
    "tree:related": Route(args=_leaf, get=EVERYBODY),
    "tree:places": Route(get=EVERYBODY, query=lambda world: {"text": "Rhymes about plants"}),
    "tree:document": Route(args=lambda world: [world.taxonomy.leaf(KNOWLEDGE).leaf_id, DOCUMENT_NAME], get=EVERYBODY),
    "tree:at_path": Route(args=lambda world: [FREEFORM], get=EVERYBODY),
}
