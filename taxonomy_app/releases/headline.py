"""A release in figures and in one plain sentence. Pure functions over what was measured; nothing is rounded up.

"Better" is the sign of a mean, "certain" means that the 95 % interval of the paired difference leaves out zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Protocol

from taxonomy_app.releases.forgetting import METRIC, difference_on_common_items
from workers.evaluation.statistics import LOWER_IS_BETTER
from workers.specs import ItemScore


class Difference(Protocol):
    """What a comparison row and a specs.Comparison have in common."""

    metric: str
    difference: float
    low: float | None
    high: float | None


def direction(metric: str) -> int:
    """+1 where higher is better, −1 where lower is."""
    return -1 if metric in LOWER_IS_BETTER else 1


def is_certain(low: float | None, high: float | None) -> bool:
    """Whether the interval leaves out zero; without an interval nothing is certain."""
    return low is not None and high is not None and (low > 0 or high < 0)


def outcome(metric: str, difference: float, low: float | None, high: float | None) -> str:
    """``better``, ``worse`` or ``same`` for a mean difference, with ``certain`` before it where it is."""
    gain = difference * direction(metric)
    word = "better" if gain > 0 else "worse" if gain < 0 else "same"
    return f"certain {word}" if is_certain(low, high) and gain else word


def count_outcomes(comparisons: Sequence[Difference]) -> dict[str, int]:
    """How many comparisons are better and worse, and how many of those for certain."""
    words = [outcome(c.metric, c.difference, c.low, c.high) for c in comparisons]
    return {
        "compared": len(words),
        "better": sum(word.endswith("better") for word in words),
        "certain_better": words.count("certain better"),
        "worse": sum(word.endswith("worse") for word in words),
        "certain_worse": words.count("certain worse"),
    }


def mean_over_leaves(scores: Sequence[tuple[float, float | None]]) -> tuple[float | None, float | None]:
    """Mean of the leaves' means and its standard error, from (mean, standard error) of each.

    The leaves are taken as the whole, not as drawn from more leaves, so the error is that of their seeds alone:
    sqrt(Σ se²) / k. None where a leaf has no standard error.
    """
    if not scores:
        return None, None
    errors = [error for _, error in scores]
    total = None if None in errors else math.sqrt(sum(e * e for e in errors if e is not None)) / len(scores)
    return fmean(mean for mean, _ in scores), total


def difference_over_leaves(before: dict[str, float], after: dict[str, float]) -> dict[str, Any] | None:
    """The leaves' means compared in pairs, leaf by leaf: what a further leaf of this kind would gain."""
    found = difference_on_common_items(
        [ItemScore(item_id=leaf, value=value) for leaf, value in sorted(before.items())],
        [ItemScore(item_id=leaf, value=value) for leaf, value in sorted(after.items())],
    )
    if found is None:
        return None
    return {"n": found.n, "difference": found.difference, "low": found.low, "high": found.high}


def amount(value: float, digits: int = 2) -> str:
    """A number without sign; one that rounds to zero keeps a digit that shows it is not."""
    size = abs(value)
    while 0 < size < 0.5 * 10**-digits and digits < 4:
        digits += 1
    return f"{size:.{digits}f}"


def headline(summary: dict[str, Any]) -> str:
    """The release in one sentence: "Better on 4 of 5 taught leaves, certain on 3; general loss rose by 0.02 …"."""
    leaves = summary.get("leaves", {})
    parts = []
    if leaves.get("compared"):
        better, compared = leaves["better"], leaves["compared"]
        noun = "taught leaf" if compared == 1 else "taught leaves"
        sentence = f"Better on {better} of {compared} {noun}"
        if better:
            sentence += f", certain on {leaves['certain_better']}"
        if leaves["certain_worse"]:
            sentence += f", certainly worse on {leaves['certain_worse']}"
        parts.append(sentence)
    else:
        parts.append("No taught leaf could be compared, because none has held-out seeds")
    general = next(iter(summary.get("general", [])), None)
    if general:
        parts.append(_general_sentence(general))
    retention = summary.get("retention", {})
    if retention.get("forgets"):
        count = retention["forgets"]
        parts.append(f"forgets {count} earlier {'leaf' if count == 1 else 'leaves'}")
    return "; ".join(parts) + "."


def _general_sentence(general: dict[str, Any]) -> str:
    difference = general["difference"]
    if difference is None:
        return "general loss could not be compared"
    word = "rose by" if difference > 0 else "fell by" if difference < 0 else "stayed the same, at a difference of"
    sentence = f"general loss {word} {amount(difference)}"
    if not is_certain(general["low"], general["high"]):
        sentence += " (not certain)"
    control = general.get("control_difference")
    if control is not None:
        sentence += f" with replay, against {'a fall of ' if control < 0 else ''}{amount(control)} without"
    return sentence


__all__ = [
    "METRIC",
    "amount",
    "count_outcomes",
    "difference_over_leaves",
    "direction",
    "headline",
    "is_certain",
    "mean_over_leaves",
    "outcome",
]
