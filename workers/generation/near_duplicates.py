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
    return frozenset(_marks(text).tolist())


def similarity(first: frozenset[int], second: frozenset[int]) -> float:
    """Jaccard index, 0…1."""
    common = len(first & second)
    union = len(first) + len(second) - common
    return common / union if union else 1.0


class NearDuplicates:
    """Texts added so far, with what each is called."""

    def __init__(self) -> None:
        self._known: list[tuple[NDArray[np.uint64], str]] = []
        self._bands: dict[bytes, list[int]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def add(self, text: str, name: str) -> None:
        marks, keys = _looked_up(text)
        for key in keys:
            self._bands.setdefault(key, []).append(len(self._known))
        self._known.append((marks, name))

    def nearest(self, text: str) -> tuple[float, str]:
        """The similarity to the most similar text and its name; (0.0, "") where there is none like it.

        Of several that are equally similar the one that was added first.
        """
        marks, keys = _looked_up(text)
        found: set[int] = set()
        for key in keys:
            found.update(self._bands.get(key, ()))
        if not found:
            return 0.0, ""
        candidates = sorted(found)
        # All candidates at once: texts of one leaf begin alike, so there may be many.
        sets = [self._known[number][0] for number in candidates]
        sizes = np.fromiter(map(len, sets), dtype=np.int64, count=len(sets))
        every = np.concatenate(sets)
        places = np.searchsorted(marks, every)
        places[places == len(marks)] = 0
        common = np.add.reduceat((marks[places] == every).astype(np.int64), np.cumsum(sizes) - sizes)
        scores = common / (len(marks) + sizes - common)
        best = int(np.argmax(scores))
        return float(scores[best]), self._known[candidates[best]][1]


def _marks(text: str) -> NDArray[np.uint64]:
    """The trigrams of a text, each once, rising."""
    codes = np.frombuffer(f" {folded(text)} ".encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    if len(codes) < 3:
        return np.zeros(1, dtype=np.uint64)
    # 21 bits hold any code point of Unicode; then the high bits are mixed into the low ones, which sets look at first.
    packed = (codes[:-2] << np.uint64(42) | codes[1:-1] << np.uint64(21) | codes[2:]) * _MULTIPLY[0]
    return np.unique(packed ^ (packed >> np.uint64(29)))


# A row's text is looked for among seeds, held-out seeds and earlier rows, and added at last: it is hashed once for all.
@functools.lru_cache(maxsize=2048)
def _looked_up(text: str) -> tuple[NDArray[np.uint64], tuple[bytes, ...]]:
    marks = _marks(text)
    hashed = (marks[:, None] * _MULTIPLY[None, :] + _ADD[None, :]) >> np.uint64(16)
    least = hashed.min(axis=0)
    width = ROWS * least.itemsize
    whole = least.tobytes()
    # Each key begins with its band's number, so that one table serves all bands.
    return marks, tuple(band.to_bytes(1, "little") + whole[band * width : (band + 1) * width] for band in range(BANDS))
