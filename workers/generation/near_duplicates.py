"""Texts that say nearly the same: an index by MinHash that finds, and an exact measure that decides.

The measure is the Jaccard index of the sets of character trigrams of the folded texts (case, punctuation and white
space do not count). Candidates are found by locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman and Ullman,
Mining of Massive Datasets, section 3.4): 32 bands of 3 rows find a pair of similarity 0.6 with probability 0.9995.
"""

from __future__ import annotations

import functools
import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

BANDS, ROWS = 32, 3
_WORD = re.compile(r"\w+", re.UNICODE)
_rng = np.random.default_rng(20240304)
# Multiply-shift hashing (Dietzfelbinger et al. 1997): odd multipliers, arithmetic modulo 2^64.
_MULTIPLY = _rng.integers(1, 2**63, BANDS * ROWS, dtype=np.uint64) | np.uint64(1)
_ADD = _rng.integers(0, 2**63, BANDS * ROWS, dtype=np.uint64)


def folded(text: str) -> str:
    """Lower-case words separated by one space."""
    return " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


@functools.lru_cache(maxsize=4096)
def shingles(text: str) -> frozenset[int]:
    """Character trigrams of the folded text, as numbers. Seeds are asked for again and again, so some are kept."""
    codes = np.frombuffer(f" {folded(text)} ".encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    if len(codes) < 3:
        return frozenset({0})
    # 21 bits hold any code point of Unicode; then the high bits are mixed into the low ones, which sets look at first.
    packed = (codes[:-2] << np.uint64(42) | codes[1:-1] << np.uint64(21) | codes[2:]) * _MULTIPLY[0]
    return frozenset((packed ^ (packed >> np.uint64(29))).tolist())


def similarity(first: frozenset[int], second: frozenset[int]) -> float:
    """Jaccard index, 0…1."""
    union = len(first | second)
    return len(first & second) / union if union else 1.0


class NearDuplicates:
    """Texts added so far, with what each is called."""

    def __init__(self) -> None:
        self._known: list[tuple[frozenset[int], str]] = []
        self._bands: dict[tuple[int, bytes], list[int]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def add(self, text: str, name: str) -> None:
        marks = shingles(text)
        for band in _band_keys(marks):
            self._bands.setdefault(band, []).append(len(self._known))
        self._known.append((marks, name))

    def nearest(self, text: str) -> tuple[float, str]:
        """The similarity to the most similar text and its name; (0.0, "") where there is none like it."""
        marks = shingles(text)
        candidates = {number for band in _band_keys(marks) for number in self._bands.get(band, ())}
        best = max(((similarity(marks, self._known[n][0]), -n) for n in candidates), default=None)
        return (0.0, "") if best is None else (best[0], self._known[-best[1]][1])


def _band_keys(marks: frozenset[int]) -> list[tuple[int, bytes]]:
    values: NDArray[np.uint64] = np.fromiter(marks, dtype=np.uint64, count=len(marks))
    hashed = (values[:, None] * _MULTIPLY[None, :] + _ADD[None, :]) >> np.uint64(16)
    least = hashed.min(axis=0)
    return [(band, least[band * ROWS : (band + 1) * ROWS].tobytes()) for band in range(BANDS)]
