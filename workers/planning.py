"""How seeds are identified across rounds and which are held out: pure functions for the web and the shell alike."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Sequence

from workers.specs import SeedPair


def seed_fingerprint(question: str, context: str | None = None) -> str:
    """What a seed is known by in every round: SHA-256 (first 16 hex digits) of its context and question.

    White space is folded and Unicode normalised (NFC), so that re-wrapping a text does not make a new seed; the
    answer is left out, so that a corrected answer stays the same seed and a held-out seed stays held out.
    """
    folded = "\x00".join(" ".join(unicodedata.normalize("NFC", text).split()) for text in (context or "", question))
    return hashlib.sha256(folded.encode()).hexdigest()[:16]


def choose_held_out(
    seeds: Sequence[SeedPair],
    *,
    share: float,
    least: int,
    held_before: Collection[str] = (),
    taught_before: Collection[str] = (),
) -> tuple[str, ...]:
    """Fingerprints of the seeds to keep from teacher and student, in the order of ``seeds``.

    A seed once held out stays so, one that ever taught is never held out: otherwise scores of different releases
    would not be comparable, or a release would be asked what it was shown. New ones are taken by the order of
    their fingerprints, which no one chooses. At least one seed is always left to teach.

    Args:
        share: wanted part of the leaf's seeds (0…1), rounded to the nearest whole number.
        least: wanted number of seeds where the leaf is large enough.
    """
    fingerprints = list(dict.fromkeys(seed.fingerprint for seed in seeds))
    wanted = min(max(least, round(share * len(fingerprints))), max(len(fingerprints) - 1, 0))
    held = [f for f in fingerprints if f in held_before][: max(len(fingerprints) - 1, 0)]
    fresh = sorted(f for f in fingerprints if f not in held_before and f not in taught_before)
    held += fresh[: max(wanted - len(held), 0)]
    chosen = set(held)
    return tuple(f for f in fingerprints if f in chosen)
