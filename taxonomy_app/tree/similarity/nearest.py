"""The leaves nearest to a leaf or to a text, and the folders in which they lie: what pages ask.

Each process holds one index of all vectors in memory and looks at most once in ``_FRESH_SECONDS`` whether the worker
has made others. (At 10,000 leaves it takes about 40 MB, half a second to load and a few milliseconds to ask.)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Max
from django.utils.translation import gettext as _

from taxonomy_app.tree.models import Leaf, LeafVector, takes_leaves
from taxonomy_app.tree.similarity import embeddings, ngrams
from taxonomy_app.tree.similarity.vectors import endpoint

_FRESH_SECONDS = 30.0
# An endpoint that was configured only now has vectors of few leaves at first: until it knows most, n-grams know more.
_ENOUGH = 0.9
# Less than this of one in n-grams is chance: common endings and short words.
_LEAST_LIKE = 0.04
# What is much less like than the best has only common turns of phrase with it ("teach a model to …").
_LEAST_OF_BEST = 0.35
_LOOKED_AT = 40
LONGEST_TEXT = 2_000


@dataclass(frozen=True)
class Near:
    """A leaf with how alike it is, 0…1; comparable only within one list."""

    leaf: Leaf
    likeness: float


@dataclass(frozen=True)
class Place:
    """A folder that a text may belong to, with the leaves in it that are most like the text."""

    folder: str
    likeness: float
    leaves: list[Near] = field(default_factory=list)

    @property
    def takes_leaves(self) -> bool:
        return takes_leaves(self.folder)


@dataclass
class _Held:
    signature: tuple[Any, ...]
    index: ngrams.NgramIndex | embeddings.VectorIndex


_lock = threading.Lock()
_held: dict[str, _Held] = {}
_looked: dict[str, float] = {}


def forget() -> None:
    """Drop what this process holds; the next question reads the database again."""
    with _lock:
        _held.clear()
        _looked.clear()


def nearest_to_leaf(leaf: Leaf, most: int = 6) -> list[Near]:
    """The leaves most like ``leaf``, without itself; none while the worker has no vector of it. Three queries."""
    data = dict(LeafVector.objects.filter(leaf=leaf).values_list("source", "data"))
    configured = endpoint()
    if configured is not None and configured.source in data and _enough(configured.source):
        index, vector = _index(configured.source), embeddings.from_bytes(bytes(data[configured.source]))
    elif ngrams.SOURCE in data:
        index, vector = _index(ngrams.SOURCE), ngrams.from_bytes(bytes(data[ngrams.SOURCE]))
    else:
        return []
    found = index.nearest(vector, most + 1)  # type: ignore[arg-type]  # index and vector are of one source
    return _leaves([(key, likeness) for key, likeness in found if key != leaf.pk])[:most]


def nearest_to_text(text: str, most: int = 8, *, ask_model: bool = True) -> tuple[list[Near], str]:
    """The leaves most like a text, and a sentence where the model could not be asked (empty otherwise).

    Asking the model costs its owner something and this process up to a few seconds: not for visitors (``ask_model``).
    """
    text, note = text[:LONGEST_TEXT], ""
    configured = endpoint() if ask_model else None
    if configured is not None and _enough(configured.source):
        try:
            (vector,) = configured.vectors_of([text], timeout=embeddings.IMPATIENT)
        except embeddings.EmbeddingsProblem:
            note = _("The model that compares meanings does not answer just now: these were found by spelling.")
        else:
            return _leaves(_index(configured.source).nearest(vector, most)), note  # type: ignore[arg-type]  # of one source
    return _leaves(_index(ngrams.SOURCE).nearest(ngrams.profile_of(text), most)), note  # type: ignore[arg-type]  # likewise


def places_for(text: str, *, branch: str = "", most: int = 5, ask_model: bool = True) -> tuple[list[Place], str]:
    """Folders (below ``branch``, where one is given) that a text may belong to, the likeliest first, and the note of
    :func:`nearest_to_text`. A folder counts for its most alike leaf, and a little for each further one.
    """
    near, note = nearest_to_text(text, _LOOKED_AT, ask_model=ask_model)
    by_folder: dict[str, list[Near]] = {}
    for one in near:
        if not branch or one.leaf.branch == branch:
            by_folder.setdefault(one.leaf.folder, []).append(one)
    places = [
        Place(folder, leaves[0].likeness + 0.15 * sum(one.likeness for one in leaves[1:4]), leaves[:3])
        for folder, leaves in by_folder.items()
    ]
    return sorted(places, key=lambda place: (-place.likeness, place.folder))[:most], note


def _leaves(found: Sequence[tuple[int, float]]) -> list[Near]:
    """The rows of what was found, those left out that are hardly alike or in the taxonomy no more. One query."""
    rows = Leaf.objects.present().in_bulk([key for key, _ in found])
    near = [Near(rows[key], likeness) for key, likeness in found if key in rows]
    least = max(_LEAST_LIKE, _LEAST_OF_BEST * near[0].likeness) if near else 0.0
    return [one for one in near if one.likeness >= least]


def _enough(source: str) -> bool:
    known = _index(source).keys.size
    return bool(known) and known >= _ENOUGH * _index(ngrams.SOURCE).keys.size


def _index(source: str) -> ngrams.NgramIndex | embeddings.VectorIndex:
    """This process's index of a source, as new as the vectors were at most ``_FRESH_SECONDS`` ago."""
    with _lock:
        held, clock = _held.get(source), time.monotonic()
        if held is not None and clock - _looked[source] < _FRESH_SECONDS:
            return held.index
        rows = LeafVector.objects.filter(source=source)
        signature = tuple(rows.aggregate(Count("pk"), Max("made_at"), Max("pk")).values())
        if held is None or held.signature != signature:
            keys, data = [], []
            for key, bits in rows.order_by("leaf_id").values_list("leaf_id", "data").iterator(chunk_size=2_000):
                keys.append(key)
                data.append(bytes(bits))
            if source == ngrams.SOURCE:
                held = _Held(signature, ngrams.NgramIndex(keys, [ngrams.from_bytes(bits) for bits in data]))
            else:
                held = _Held(signature, embeddings.VectorIndex(keys, [embeddings.from_bytes(bits) for bits in data]))
            _held[source] = held
        _looked[source] = clock
        return held.index
