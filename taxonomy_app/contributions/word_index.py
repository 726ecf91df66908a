"""Which seeds of the taxonomy share how many words with a question: an inverted index in memory, kept by each process.

Made once, about 12 bytes a word of a question; 50,000 seeds take a second. After a change of the taxonomy new seeds
alone are read: those of a leaf are written anew with it, under numbers that were never used before.
"""

from __future__ import annotations

import re
import threading
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db.models import Count, Max
from numpy.typing import NDArray

from taxonomy_app.tree.models import IndexState, Seed

_WORD = re.compile(r"\w+", re.UNICODE)
_LONGEST_CONTEXT = 2_000
# Each part is asked by itself, so those that commits added are made one when they are so many.
_MOST_PARTS = 16
# A word that more than one seed in so many has is a common one.
_RARE = 16


def words_of(question: str, context: str | None) -> frozenset[str]:
    """The words by which a seed is compared: the question's, with those of a short context (``Translate:`` alone
    would make every seed of a grounded leaf alike).
    """
    words = frozenset(_WORD.findall(question.casefold()))
    return words | frozenset(_WORD.findall((context or "").casefold()[:_LONGEST_CONTEXT])) if context else words


class WordIndex:
    """Word → the seeds that have it, and how many words each seed has. Seeds are told by their primary key."""

    def __init__(self, seeds: Iterable[tuple[int, frozenset[str]]]) -> None:
        keys, sizes = array("q"), array("l")
        places: dict[str, array[int]] = defaultdict(lambda: array("l"))
        for at, (key, words) in enumerate(seeds):
            keys.append(key)
            sizes.append(len(words))
            for word in words:
                places[word].append(at)
        self._keys, self._sizes = np.array(keys, dtype=np.int64), np.array(sizes, dtype=np.int32)
        self._places = {word: self._kept(np.frombuffer(found, dtype=np.dtype("l"))) for word, found in places.items()}

    def _kept(self, places: NDArray[Any]) -> NDArray[Any]:
        """Where a word is: the places of a rare one; of a common one a byte for each seed, which is added up sooner."""
        if len(places) * _RARE < len(self._keys):
            return places
        everywhere = np.zeros(len(self._keys), dtype=np.uint8)
        everywhere[places] = 1
        return everywhere

    def __len__(self) -> int:
        return len(self._keys)

    def alike(self, words: frozenset[str], least: float) -> Iterator[tuple[int, float]]:
        """Seeds whose words and ``words`` agree by at least ``least`` (Jaccard, above 0…1), with how much."""
        found = [self._places[word] for word in words if word in self._places]
        if not found:
            return
        shared = np.zeros(len(self._keys), dtype=np.uint16)
        for places in found:
            if places.dtype == np.uint8:
                shared += places
            else:
                shared[places] += 1  # a seed has a word once
        # shared / (sizes + words - shared) >= least, without a division for each seed; those near it are divided.
        near = np.flatnonzero(shared * np.float32(1 + least) >= (self._sizes + len(words)) * np.float32(least) - 0.01)
        share = shared[near] / (self._sizes[near] + len(words) - shared[near].astype(np.int32))
        for at in np.flatnonzero(share >= least):
            yield int(self._keys[near[at]]), float(share[at])


@dataclass
class _Held:
    """What this process has: the taxonomy's state that it was last held against, and the parts, oldest first."""

    commit: str | None = None
    extent: tuple[int, int] = (0, 0)
    parts: list[WordIndex] = field(default_factory=list)
    begins: list[int] = field(default_factory=list)  # each part has the seeds beyond this primary key


_held = _Held()
_lock = threading.Lock()


def alike_in_taxonomy(questions: Sequence[frozenset[str]], least: float) -> list[list[tuple[int, float]]]:
    """For the words of each question the seeds of the taxonomy (primary keys) that agree by at least ``least``, with
    how much. Two queries where nothing has changed.

    Some may have left the taxonomy since they were read; whoever shows them reads their rows anyway.
    """
    parts = _parts()
    return [[hit for part in parts for hit in part.alike(words, least)] for words in questions]


def _parts() -> list[WordIndex]:
    """The index as the taxonomy is now."""
    commit = IndexState.objects.values_list("commit", flat=True).first()
    found = Seed.objects.aggregate(last=Max("pk"), count=Count("pk"))
    extent = (found["last"] or 0, found["count"])
    with _lock:
        if (commit, extent) != (_held.commit, _held.extent):
            _bring_up_to(extent)
            _held.commit, _held.extent = commit, extent
        return list(_held.parts)


def _bring_up_to(extent: tuple[int, int]) -> None:
    last, count = extent
    known = _held.extent[0]
    # Another database, or one whose seeds were mostly written anew: what is held is of no more use.
    if last < known or 2 * count < sum(map(len, _held.parts)):
        _held.parts, _held.begins, known = [], [], 0
    if len(_held.parts) >= _MOST_PARTS:
        known = _held.begins[1]
        del _held.parts[1:], _held.begins[1:]
    if last > known:
        _held.parts.append(_read(known))
        _held.begins.append(known)


def _read(beyond: int) -> WordIndex:
    rows = Seed.objects.filter(pk__gt=beyond, leaf__removed_at__isnull=True).order_by()
    seeds = rows.values_list("pk", "question", "context", "leaf__kind").iterator(chunk_size=2_000)
    # Contexts count for skills that come with a text; a passage of knowledge is not part of the question.
    return WordIndex(
        (pk, words_of(question, context if kind == "grounded" else None)) for pk, question, context, kind in seeds
    )
