"""How well a judge tells right from wrong: asked about seeds, and about the same seeds with a planted fault.

The measure is the area under the ROC curve: the probability that a right row scores higher than a wrong one. Only a
judge that is clearly better than chance decides about samples.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import random
import re
from collections.abc import Sequence
from typing import Any

from workers.generation.filters import seed_row
from workers.generation.judges import Judge
from workers.generation.judges.choice import judge_block
from workers.generation.material import random_of
from workers.generation.rows import Row
from workers.pipelines import pipeline
from workers.pipelines.shape import JudgeBlock
from workers.specs import LeafKind, PlannedLeaf, SeedPair, Strict

# A judge decides with at least so many rows of each sort, the area that the pipeline wants, and its 95 % interval
# above chance.
LEAST_ROWS = 6


class Discrimination(Strict):
    """What was found of a judge on one kind of leaf. ``bound`` is the least score that keeps a sample.

    ``by_text``: its numbers were read from what it wrote, not from probabilities.
    """

    judge: str
    kind: LeafKind
    right: int
    wrong: int
    area: float | None = None
    low: float | None = None
    high: float | None = None
    decides: bool = False
    bound: float | None = None
    by_text: bool = False
    reason: str


def known_rows(
    leaves: Sequence[PlannedLeaf], kind: LeafKind, *, random_seed: int, most_seeds: int = 24
) -> tuple[list[Row], list[Row]]:
    """Rows known to be right (taught seeds) and to be wrong (their answers swapped, or their numbers changed)."""
    rng = random_of(random_seed, kind.value, "known rows")
    pairs = [(leaf, number) for leaf in leaves if leaf.kind is kind for number in range(len(_taught(leaf)))]
    rng.shuffle(pairs)
    right: list[Row] = []
    wrong: list[Row] = []
    for leaf, number in pairs[:most_seeds]:
        seeds = _taught(leaf)
        row = seed_row(leaf, seeds[number])
        right.append(row)
        others = [seed.answer for seed in seeds if seed.answer.strip().lower() != row.answer.strip().lower()]
        changed = _other_numbers(row.answer, rng)
        if changed is not None and (len(wrong) % 2 or not others):
            wrong.append(_with_answer(row, changed))
        elif others:
            wrong.append(_with_answer(row, rng.choice(others)))
    return right, wrong


async def discrimination(
    judge: Judge,
    leaves: Sequence[PlannedLeaf],
    kind: LeafKind,
    *,
    random_seed: int,
    most_seeds: int = 24,
    block: JudgeBlock | None = None,
) -> Discrimination:
    """Ask the judge about the known rows of one kind of leaf.

    Args:
        block: the pipeline's, with the bounds; the shipped one where it is left out.
    """
    block = block or judge_block(pipeline().content, kind)
    right, wrong = known_rows(leaves, kind, random_seed=random_seed, most_seeds=most_seeds)
    facts: dict[str, Any] = {"judge": judge.name, "kind": kind, "right": len(right), "wrong": len(wrong)}
    if min(len(right), len(wrong)) < LEAST_ROWS:
        return Discrimination(**facts, reason=f"Fewer than {LEAST_ROWS} seeds to try the judge on.")
    scores = await asyncio.gather(*(judge.score(row) for row in (*right, *wrong)))
    facts["by_text"] = judge.by_text
    silent = sum(score is None for score in scores)
    if silent:
        why = (
            f"{silent} of its {len(scores)} judgements cannot be read."
            if judge.by_text
            else "The server does not give the probabilities that this judge needs."
        )
        return Discrimination(**facts, reason=why)
    found = [score for score in scores if score is not None]
    of_right, of_wrong = found[: len(right)], found[len(right) :]
    area, low, high = area_under_curve(of_right, of_wrong)
    bound = best_bound(of_right, of_wrong)
    if judge.grades:
        bound = min(bound, block.keep_from)
    decides = area >= block.least_area and low > 0.5
    reason = (
        "It tells right rows from wrong ones well enough to decide."
        if decides
        else f"It does not tell right rows from wrong ones well enough ({block.least_area:g} is wanted), "
        "so it decides nothing."
    )
    return Discrimination(
        **facts,
        area=round(area, 4),
        low=round(low, 4),
        high=round(high, 4),
        decides=decides,
        bound=bound,
        reason=reason,
    )


def area_under_curve(right: Sequence[float], wrong: Sequence[float]) -> tuple[float, float, float]:
    """Area under the ROC curve (ties count half) with its 95 % interval (Hanley and McNeil 1982), within 0…1."""
    n, m = len(right), len(wrong)
    area = sum((r > w) + 0.5 * (r == w) for r in right for w in wrong) / (n * m)
    q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
    variance = (area * (1 - area) + (n - 1) * (q1 - area * area) + (m - 1) * (q2 - area * area)) / (n * m)
    # At 0 or 1 the formula gives no width at all; that of half a mistaken pair stands in for it.
    least = 0.5 / (n * m)
    edge = min(max(area, least), 1 - least)
    half = 1.96 * math.sqrt(max(variance, edge * (1 - edge) / (min(n, m)) if area in (0.0, 1.0) else 0.0))
    return area, max(area - half, 0.0), min(area + half, 1.0)


def best_bound(right: Sequence[float], wrong: Sequence[float]) -> float:
    """The bound that parts them best: the largest share of right rows kept less that of wrong rows kept (Youden 1950).

    Between two scores that do equally well it is the middle of the widest gap.
    """
    scores = sorted({*right, *wrong})
    cuts = [(low + high) / 2 for low, high in itertools.pairwise(scores)] or scores
    gaps = [high - low for low, high in itertools.pairwise(scores)] or [0.0]

    def kept(cut: float) -> float:
        return sum(score >= cut for score in right) / len(right) - sum(score >= cut for score in wrong) / len(wrong)

    return max(zip(cuts, gaps, strict=True), key=lambda found: (round(kept(found[0]), 9), found[1]))[0]


def _taught(leaf: PlannedLeaf) -> list[SeedPair]:
    held = {seed.fingerprint for seed in leaf.held_out}
    return [seed for seed in leaf.seeds if seed.fingerprint not in held]


def _with_answer(row: Row, answer: str) -> Row:
    return Row(
        row.leaf,
        row.plan,
        row.made_by,
        context=row.context,
        source=row.source,
        question=row.question,
        answer=answer,
    )


def _other_numbers(answer: str, rng: random.Random) -> str | None:
    """The answer with each of its numbers changed; None where it has none."""
    changed = re.sub(r"\d+", lambda match: str(int(match[0]) + rng.choice((-3, -2, 2, 3, 7))).lstrip("-"), answer)
    return None if changed == answer else changed
