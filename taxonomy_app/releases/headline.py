"""A release in figures and in one plain sentence. Pure functions over what was measured; nothing is rounded up.

"Better" is the sign of a mean, "certain" means that the 95 % interval of the paired difference leaves out zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Protocol

from django.utils.formats import get_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

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
    return f"{size:.{digits}f}".replace(".", get_format("DECIMAL_SEPARATOR"))


def headline(summary: dict[str, Any]) -> str:
    """The release in one sentence: "Better on 4 of 5 taught leaves, certain on 3; general loss rose by 0.02 …"."""
    leaves = summary.get("leaves", {})
    if leaves.get("compared"):
        clauses = [
            ngettext(
                "Better on %(better)s of %(compared)s taught leaf",
                "Better on %(better)s of %(compared)s taught leaves",
                leaves["compared"],
            )
            % leaves
        ]
        if leaves["better"]:
            clauses.append(_("certain on %(certain_better)s") % leaves)
        if leaves["certain_worse"]:
            clauses.append(_("certainly worse on %(certain_worse)s") % leaves)
        parts = [", ".join(clauses)]
    else:
        parts = [_("No taught leaf could be compared, because none has held-out seeds")]
    general = next(iter(summary.get("general", [])), None)
    if general:
        parts.append(_general_sentence(general))
    count = summary.get("retention", {}).get("forgets")
    if count:
        parts.append(
            ngettext("forgets %(count)s earlier leaf", "forgets %(count)s earlier leaves", count) % {"count": count}
        )
    return "; ".join(parts) + "."


def _general_sentence(general: dict[str, Any]) -> str:
    difference = general["difference"]
    if difference is None:
        return _("general loss could not be compared")
    size = {"amount": amount(difference)}
    if difference > 0:
        change = _("general loss rose by %(amount)s") % size
    elif difference < 0:
        change = _("general loss fell by %(amount)s") % size
    else:
        change = _("general loss stayed the same, at a difference of %(amount)s") % size
    if not is_certain(general["low"], general["high"]):
        change = _("%(change)s (not certain)") % {"change": change}
    control = general.get("control_difference")
    if control is None:
        return change
    told = {"change": change, "control": amount(control)}
    if control < 0:
        return _("%(change)s with replay, against a fall of %(control)s without") % told
    return _("%(change)s with replay, against %(control)s without") % told


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
