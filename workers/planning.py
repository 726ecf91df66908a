"""What a leaf's seeds are to a round, how they are known across rounds, which are held out: pure functions.

The web plans rounds with these, the shell commands plan without it.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Collection, Sequence

from taxonomy_repo.leaf import KnowledgeSeed, Leaf
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


def seed_pairs(leaf: Leaf) -> tuple[SeedPair, ...]:
    """Every question and answer of a leaf in its order; the pairs of one knowledge context share its index."""
    pairs: list[SeedPair] = []
    for index, seed in enumerate(leaf.seed_examples):
        asked: list[tuple[str, str, str | None]]
        if isinstance(seed, KnowledgeSeed):
            asked = [(pair.question, pair.answer, seed.context) for pair in seed.questions_and_answers]
        else:
            asked = [(seed.question, seed.answer, seed.context)]
        pairs += [
            SeedPair(
                fingerprint=seed_fingerprint(question, context),
                question=question,
                answer=answer,
                context=context,
                context_index=index if context is not None else None,
            )
            for question, answer, context in asked
        ]
    return tuple(pairs)


def data_pairs(data: bytes, place: str) -> tuple[SeedPair, ...]:
    """The pairs of a foundational leaf's ``data.jsonl``: one ``{"question": …, "answer": …}`` a line.

    Args:
        place: how a problem names the file.

    Raises:
        ValueError: a line is something else; one sentence that names it.
    """
    pairs = []
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            question, answer = row["question"], row["answer"]
            fine = isinstance(question, str) and isinstance(answer, str) and bool(question.strip() and answer.strip())
        except (ValueError, KeyError, TypeError):
            fine = False
        if not fine:
            raise ValueError(f"Line {number} of {place} is not a question with its answer.")
        pairs.append(SeedPair(fingerprint=seed_fingerprint(question), question=question, answer=answer))
    return tuple(pairs)
