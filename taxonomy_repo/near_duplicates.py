"""Texts that say nearly the same, found among many at once.

Alike means: of the character trigrams of both texts together, so many are in both (Jaccard index; case, punctuation
and white space do not count). Candidates come from locality-sensitive hashing of one-permutation MinHash sketches (Li,
Owen and Zhang 2012, with rotated bins for short texts, Shrivastava and Li 2014), and each is measured exactly. What it
costs grows with the number of texts, not with its square; ``bench/taxonomy_check.py`` has the numbers at 50,000.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taxonomy_repo.leaf import KnowledgeSeed, Seed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEAST_SIMILARITY = 0.85
# Shorter texts (a word, a number) are alike by chance.
LEAST_TRIGRAMS = 12

# A pair of similarity 0.85 shares a band with probability 1 - (1 - 0.85^6)^21 = 0.9999, one of 0.3 with 0.015.
_BINS, _BANDS, _ROWS = 128, 21, 6
# Of many texts that share a band each is compared with so many before it: a thousand copies stay a few thousand pairs.
_NEIGHBOURS = 8
# Portions that keep what is held at once small, whatever the number of texts.
_TEXTS_AT_ONCE, _PAIRS_AT_ONCE = 1_000, 50_000
# A sketch errs by about 1/sqrt(128); what it puts this far below the wanted similarity is not measured exactly.
_MARGIN = 0.2
# So few texts are compared one by one sooner than they are sketched.
_FEW = 24
_EMPTY = 0xFFFFFFFF
_SEPARATOR = "\0"
_NOT_WORDS = re.compile(rf"(?:[^\w{_SEPARATOR}]|_)+")
# The same for texts of ASCII, as nearly all are, in a quarter of the time.
_ASCII_WORDS = {code: " " for code in range(128) if _NOT_WORDS.fullmatch(chr(code))}


@dataclass(frozen=True)
class Alike:
    """Two texts by their positions, the earlier one first, and how alike they are (0…1)."""

    first: int
    second: int
    similarity: float


def seed_text(seed: Seed) -> str:
    """What of a seed is compared: its questions with their answers, so that questions after one pattern are told apart.

    Contexts are left out: different questions about one passage are no repetition.
    """
    if isinstance(seed, KnowledgeSeed):
        return "\n".join(f"{pair.question} {pair.answer}" for pair in seed.questions_and_answers)
    return f"{seed.question} {seed.answer}"


def near_duplicates(texts: Sequence[str], *, least: float = LEAST_SIMILARITY) -> list[Alike]:
    """The pairs of texts that are at least ``least`` alike, by position.

    Texts with fewer than about ``LEAST_TRIGRAMS`` different trigrams are left out. Of a large group that is all alike
    not every pair is given, but every text of it is in one.
    """
    if len(texts) <= _FEW:
        return _compare_all(texts, least)
    import numpy as np

    portions = [_sketches(texts[at : at + _TEXTS_AT_ONCE]) for at in range(0, len(texts), _TEXTS_AT_ONCE)]
    sketches = np.concatenate([portion[0] for portion in portions])
    enough = np.concatenate([portion[1] for portion in portions])
    trigrams: dict[int, frozenset[str]] = {}
    found = []
    for first, second in _candidates(sketches, enough):
        close = (sketches[first] == sketches[second]).mean(axis=1) >= least - _MARGIN
        for one, other in zip(first[close].tolist(), second[close].tolist(), strict=True):
            for at in (one, other):
                if at not in trigrams:
                    trigrams[at] = _trigram_set(texts[at])
            similarity = _jaccard(trigrams[one], trigrams[other])
            if similarity >= least:
                found.append(Alike(one, other, similarity))
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def _compare_all(texts: Sequence[str], least: float) -> list[Alike]:
    """Every pair, measured."""
    sets = [_trigram_set(text) for text in texts]
    found = []
    for second, other in enumerate(sets):
        for first, one in enumerate(sets[:second]):
            smaller, larger = sorted((len(one), len(other)))
            if smaller >= LEAST_TRIGRAMS and smaller >= least * larger:
                similarity = _jaccard(one, other)
                if similarity >= least:
                    found.append(Alike(first, second, similarity))
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def _folded(text: str) -> str:
    """Words in small letters, one space between them; separators between texts stay."""
    if text.isascii():
        spaced = " ".join(text.lower().translate(_ASCII_WORDS).split())
    else:
        spaced = _NOT_WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return spaced.replace(f" {_SEPARATOR}", _SEPARATOR).replace(f"{_SEPARATOR} ", _SEPARATOR).strip(" ")


def _trigram_set(text: str) -> frozenset[str]:
    folded = _folded(text.replace(_SEPARATOR, " "))
    return frozenset(map("".join, zip(folded, folded[1:], folded[2:], strict=False)))


def _trigrams(texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The trigrams of all texts as mixed 64-bit numbers, some of them repeated, and the position of each one's text."""
    import numpy as np

    folded = _folded(_SEPARATOR.join(text.replace(_SEPARATOR, " ") for text in texts))
    codes = np.frombuffer(folded.encode("utf-32-le", "replace"), dtype=np.uint32)
    if len(codes) < 3:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    owner = np.cumsum(codes == 0, dtype=np.int64)[:-2]
    wide = codes.astype(np.uint64)
    # 21 bits hold any code point of Unicode.
    packed = (wide[:-2] << np.uint64(42)) | (wide[1:-1] << np.uint64(21)) | wide[2:]
    whole = (codes[:-2] != 0) & (codes[1:-1] != 0) & (codes[2:] != 0)
    return _mixed(packed[whole]), owner[whole]


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea and Flood 2014): every bit depends on every bit."""
    import numpy as np

    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _sketches(texts: Sequence[str]) -> tuple[NDArray[Any], NDArray[Any]]:
    """A row of ``_BINS`` numbers for each text, and which texts have trigrams enough to be compared."""
    import numpy as np

    trigrams, owners = _trigrams(texts)
    flat = np.full(len(texts) * _BINS, _EMPTY, dtype=np.uint32)
    bins = owners * _BINS + (trigrams & np.uint64(_BINS - 1)).astype(np.int64)
    np.minimum.at(flat, bins, (trigrams >> np.uint64(33)).astype(np.uint32))
    sketches = flat.reshape(len(texts), _BINS)
    full = sketches != _EMPTY
    # Hardly two of so few trigrams share a bin.
    enough = full.sum(axis=1) >= LEAST_TRIGRAMS
    # An empty bin takes the value of the next full one, round the end; how far that is goes into the value, so that it
    # is not taken for one of its own bin.
    columns = np.arange(2 * _BINS, dtype=np.int64)
    ahead = np.where(np.tile(full, 2), columns, 2 * _BINS)[:, ::-1]
    following = np.minimum.accumulate(ahead, axis=1)[:, ::-1][:, :_BINS]
    distance = ((following - columns[:_BINS]) * 0x9E3779B1 & 0x7FFFFFFF).astype(np.uint32)
    return np.take_along_axis(sketches, following % _BINS, axis=1) ^ distance, enough


def _candidates(sketches: NDArray[Any], enough: NDArray[Any]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Pairs of positions (earlier, later) that share a band, each once, in portions."""
    import numpy as np

    numbers = np.flatnonzero(enough)
    count = len(sketches)
    pairs = []
    # One number for each band of each text: its rows, weighed so that their order counts.
    weights = _mixed(np.arange(1, _ROWS + 1, dtype=np.uint64))
    bands = sketches[numbers, : _BANDS * _ROWS].reshape(len(numbers), _BANDS, _ROWS)
    keys = np.zeros((_BANDS, len(numbers)), dtype=np.uint64)
    for row in range(_ROWS):
        keys += (bands[:, :, row].astype(np.uint64) * weights[row]).T
    for key in keys:
        order = np.argsort(key, kind="stable")
        key, sorted_numbers = key[order], numbers[order]  # noqa: PLW2901 - the same keys, in another order
        for distance in range(1, min(_NEIGHBOURS, len(numbers) - 1) + 1):
            same = key[distance:] == key[:-distance]
            if not same.any():
                break
            pairs.append(sorted_numbers[:-distance][same] * count + sorted_numbers[distance:][same])
    if not pairs:
        return
    distinct = np.unique(np.concatenate(pairs))
    for start in range(0, len(distinct), _PAIRS_AT_ONCE):
        part = distinct[start : start + _PAIRS_AT_ONCE]
        yield part // count, part % count


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """The Jaccard index of two sets, 0…1."""
    both = len(one & other)
    union = len(one) + len(other) - both
    return both / union if union else 1.0
