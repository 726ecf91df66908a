"""Which seeds of the taxonomy share how many words with a question: an inverted index in memory, made once for each
state of the taxonomy's index and process. About 12 bytes a word of a question; 50,000 seeds take a second to make.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from django.db.models import Count, Max

from taxonomy_app.tree.models import IndexState, Seed

_WORD = re.compile(r"\w+", re.UNICODE)
_LONGEST_CONTEXT = 2_000


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
        self._keys, self._sizes = np.array(keys, dtype=np.int64), np.array(sizes, dtype=np.int64)
        self._places = {word: np.frombuffer(found, dtype=np.dtype("l")) for word, found in places.items()}

    def alike(self, words: frozenset[str], least: float) -> Iterator[tuple[int, float]]:
        """Seeds whose words and ``words`` agree by at least ``least`` (Jaccard, above 0…1), with how much."""
        found = [self._places[word] for word in words if word in self._places]
        if not found:
            return
        shared = np.bincount(np.concatenate(found), minlength=len(self._keys))
        share = shared / (self._sizes + len(words) - shared)
        for at in np.flatnonzero(share >= least):
            yield int(self._keys[at]), float(share[at])


def word_index() -> WordIndex:
    """The index of all seeds in the taxonomy now, made where the one in memory is of an earlier state."""
    commit = IndexState.objects.values_list("commit", flat=True).first()
    extent = Seed.objects.aggregate(last=Max("pk"), count=Count("pk"))
    return _index_of(commit, extent["last"], extent["count"])


@lru_cache(maxsize=1)
def _index_of(commit: str | None, last: int | None, count: int) -> WordIndex:
    """The index for a state of the taxonomy's rows, which the arguments name."""
    rows = Seed.objects.filter(leaf__removed_at__isnull=True).order_by()
    seeds = rows.values_list("pk", "question", "context", "leaf__kind").iterator(chunk_size=2_000)
    # Contexts count for skills that come with a text; a passage of knowledge is not part of the question.
    return WordIndex(
        (pk, words_of(question, context if kind == "grounded" else None)) for pk, question, context, kind in seeds
    )
