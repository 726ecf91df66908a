"""Texts compared by the runs of four signs that their words have in common: needs no model and knows every language.

The weight of a run is the logarithm of how rare it is among the leaves (inverse document frequency), and likeness is
the cosine of the weighted sets, 0…1: Manning, Raghavan and Schütze, Introduction to Information Retrieval, 6.2 and 6.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from taxonomy_app.tree.search_words import words_in
from taxonomy_app.tree.similarity.ranking import best_of

# Vectors of another making cannot be compared with these: the name changes with whatever changes them.
SOURCE = "ngrams-4-1"
_SIZE = 4
# What is known of a leaf by its first so many runs; later ones change its neighbours no more.
_MOST = 640
# A run that more than this share of the leaves has says nothing, and would cost the most.
_COMMON = 0.25
_LEAST_TO_JUDGE = 40

Profile = NDArray[np.uint32]


def profile_of(text: str) -> Profile:
    """The distinct runs of a text as sorted hashes of 32 bits; words begin and end with a space. May be empty."""
    spaced = " " + " ".join(words_in(text)) + " "
    signs = np.frombuffer(spaced.encode("utf-32-le"), np.uint32)
    if signs.size < _SIZE:
        return np.empty(0, np.uint32)
    windows = np.lib.stride_tricks.sliding_window_view(signs, _SIZE)
    # A run inside one word, with the space before or behind it; not the end of one word and the start of the next.
    windows = windows[(windows[:, 1:-1] != ord(" ")).all(axis=1)]
    hashes = np.full(len(windows), 2_166_136_261, np.uint32)  # FNV-1a, sign by sign
    for column in windows.T:
        hashes = (hashes ^ column) * np.uint32(16_777_619)
    _, first = np.unique(hashes, return_index=True)
    return np.sort(hashes[np.sort(first)[:_MOST]])


def to_bytes(profile: Profile) -> bytes:
    return profile.astype("<u4").tobytes()


def from_bytes(data: bytes) -> Profile:
    return np.frombuffer(data, "<u4")


class NgramIndex:
    """Finds the profiles nearest to one, by looking only at those that share a run with it."""

    def __init__(self, keys: Sequence[int], profiles: Sequence[Profile]) -> None:
        self.keys = np.asarray(keys, np.int64)
        lengths = [profile.size for profile in profiles]
        runs = np.concatenate(profiles) if profiles else np.empty(0, np.uint32)
        rows = np.repeat(np.arange(len(profiles), dtype=np.int32), lengths)
        order = np.argsort(runs, kind="stable")
        self._rows = rows[order]
        self._runs, starts, counts = np.unique(runs[order], return_index=True, return_counts=True)
        self._starts, self._ends = starts, starts + counts
        self._weights = np.log((1 + len(profiles)) / counts) ** 2
        if len(profiles) >= _LEAST_TO_JUDGE:
            self._weights[counts > _COMMON * len(profiles)] = 0.0
        of_rows = np.bincount(self._rows, weights=np.repeat(self._weights, counts), minlength=len(profiles))
        self._norms = np.sqrt(np.maximum(of_rows, 1e-9))
        self._unknown = float(np.log(1 + len(profiles)) ** 2)

    def nearest(self, profile: Profile, most: int) -> list[tuple[int, float]]:
        """(key, likeness) of at most ``most`` others that have anything in common with it, the most alike first."""
        if not self._runs.size or not profile.size:
            return []
        at = np.minimum(np.searchsorted(self._runs, profile), self._runs.size - 1)
        known = at[self._runs[at] == profile]
        telling = known[self._weights[known] > 0]
        if not telling.size:
            return []
        rows = np.concatenate([self._rows[self._starts[one] : self._ends[one]] for one in telling])
        weights = np.repeat(self._weights[telling], self._ends[telling] - self._starts[telling])
        shared = np.bincount(rows, weights=weights, minlength=self.keys.size)
        own = float(self._weights[known].sum()) + self._unknown * (profile.size - known.size)
        return best_of(self.keys, shared / (self._norms * np.sqrt(own)), most)
