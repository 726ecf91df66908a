"""Means with standard errors, paired comparisons of two models, and the measures of a forgetting matrix.

Models are compared item by item: the difference d_i of an item's two scores has far less variance than the difference
of two means. Nothing is compared whose items differ. Only ``math`` and ``scipy.special`` are used, so that the web
may import this.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from scipy import special

from workers.specs import Comparison, ItemScore, Score

Subject = Literal["before", "after", "control"]
Scope = Literal["leaf", "benchmark", "general"]
Metric = Literal["answer_logprob", "accuracy", "exact_match", "loss", "judge_score"]

LEVEL = 0.95
BINARY_METRICS = frozenset({"accuracy", "exact_match"})
LOWER_IS_BETTER = frozenset({"loss"})
# Which pairs of subjects a round compares: what the round did, what replay did, what it would have done without.
PAIRS: tuple[tuple[Subject, Subject], ...] = (("before", "after"), ("control", "after"), ("before", "control"))


class ComparisonProblem(ValueError):
    """Two scores cannot be compared, because they are not of the same items."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its standard error and interval; None where the data do not allow one (fewer than two clusters).

    ``degrees``: degrees of freedom of the t distribution behind ``low`` and ``high``.
    """

    mean: float
    standard_error: float | None
    low: float | None
    high: float | None
    n: int
    degrees: int


def mean_estimate(values: Sequence[float], clusters: Sequence[str] | None = None, *, level: float = LEVEL) -> Estimate:
    """Mean of ``values`` with a t interval; with ``clusters`` the standard error allows for items that hang together.

    Formula (Miller, "Adding error bars to evals", arXiv 2411.00640, section 2.2; the factor G/(G-1) as in Cameron and
    Miller, "A practitioner's guide to cluster-robust inference", 2015)::

        SE² = G/(G-1) · 1/n² · Σ_g (Σ_{i in g} (x_i - mean))²,   interval: mean ± t(G-1) · SE

    With each item a cluster of its own (G = n) this is the usual s²/n. An empty cluster name means "on its own".

    Args:
        values: one number an item, in any unit; the answer has the same.
        clusters: one name an item, or None.

    Raises:
        ValueError: no values, a value that is not finite, or clusters of another length.
    """
    n = len(values)
    if n == 0:
        raise ValueError("There are no items to average.")
    if not all(math.isfinite(value) for value in values):
        raise ValueError("An item's score is not a finite number.")
    names = [""] * n if clusters is None else list(clusters)
    if len(names) != n:
        raise ValueError(f"{n} items have {len(names)} cluster names.")
    mean = math.fsum(values) / n
    groups: dict[tuple[str, int], list[float]] = {}
    for position, (name, value) in enumerate(zip(names, values, strict=True)):
        groups.setdefault((name, -1 if name else position), []).append(value - mean)
    count = len(groups)
    if count < 2:
        return Estimate(mean, None, None, None, n, 0)
    squares = math.fsum(math.fsum(group) ** 2 for group in groups.values())
    error = math.sqrt(count / (count - 1) * squares) / n
    reach = float(special.stdtrit(count - 1, 0.5 + level / 2)) * error
    return Estimate(mean, error, mean - reach, mean + reach, n, count - 1)


def mcnemar(first: Sequence[float], second: Sequence[float]) -> float:
    """Two-sided exact p-value that two models are right equally often (McNemar 1947, in its binomial form).

    Only items on which they disagree count: of b + c such items the number b won by ``first`` is Binomial(b + c, 1/2).

    Args:
        first, second: 0 or 1 an item, in the same order.
    """
    if len(first) != len(second):
        raise ValueError("The two models have different numbers of items.")
    if not {*first, *second} <= {0.0, 1.0}:
        raise ValueError("McNemar's test needs items that are right (1) or wrong (0).")
    lost = sum(1 for a, b in zip(first, second, strict=True) if a > b)
    won = sum(1 for a, b in zip(first, second, strict=True) if b > a)
    if lost + won == 0:
        return 1.0
    return min(1.0, 2.0 * float(special.bdtr(min(lost, won), lost + won, 0.5)))


def matched_proportions_interval(
    first: Sequence[float], second: Sequence[float], *, level: float = LEVEL
) -> tuple[float, float]:
    """Interval of the difference of two matched proportions, second minus first.

    Agresti and Min, "Simple improved confidence intervals for comparing matched proportions", Statistics in Medicine
    24 (2005): half an item is added to each of the four cells. Unlike the t interval it does not shrink to a point
    where two models agree on every item.
    """
    lost = 0.5 + sum(1 for a, b in zip(first, second, strict=True) if a > b)
    won = 0.5 + sum(1 for a, b in zip(first, second, strict=True) if b > a)
    n = len(first) + 2.0
    difference = (won - lost) / n
    error = math.sqrt(won + lost - (won - lost) ** 2 / n) / n
    reach = float(special.ndtri(0.5 + level / 2)) * error
    return max(-1.0, difference - reach), min(1.0, difference + reach)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, in the given order (Holm, Scandinavian Journal of Statistics 6, 1979).

    The k-th smallest of m is multiplied by m - k + 1, never less than the one before it, never above 1.
    """
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


def t_test(estimate: Estimate) -> float | None:
    """Two-sided p-value that the mean is zero; None where there is no standard error.

    Where every difference is the same, it is 0 for a difference and 1 for none.
    """
    if estimate.standard_error is None:
        return None
    if estimate.standard_error == 0.0:
        return 1.0 if estimate.mean == 0.0 else 0.0
    return float(2.0 * special.stdtr(estimate.degrees, -abs(estimate.mean) / estimate.standard_error))


# --- Scores and comparisons -------------------------------------------------------------------------


def make_score(*, subject: Subject, scope: Scope, name: str, metric: Metric, items: Sequence[ItemScore]) -> Score:
    """A model's score from its items, in the order of their ids, whatever order they came in.

    Raises:
        ValueError: no items, or two with one id.
    """
    ordered = sorted(items, key=lambda item: item.item_id)
    for item_id, same in groupby(ordered, key=lambda item: item.item_id):
        if len(list(same)) > 1:
            raise ValueError(f"{name} has two items {item_id!r}.")
    estimate = mean_estimate([item.value for item in ordered], [item.cluster for item in ordered])
    return Score(
        subject=subject,
        scope=scope,
        name=name,
        metric=metric,
        mean=estimate.mean,
        standard_error=estimate.standard_error,
        items=tuple(ordered),
    )


@dataclass(frozen=True)
class PairedDifference:
    """Second minus first over the same items, with its interval (None where fewer than two clusters) and p-value."""

    n: int
    difference: float
    low: float | None
    high: float | None
    method: str
    p_value: float | None


def paired_difference(
    first: Sequence[ItemScore], second: Sequence[ItemScore], *, binary: bool = False, level: float = LEVEL
) -> PairedDifference:
    """The mean of the differences of two models on the same items, second minus first, in the scores' unit.

    Items that are right or wrong (``binary``) and stand alone get the interval of matched proportions and McNemar's
    p-value; all others the t interval of the differences, clustered where items name a cluster.

    Raises:
        ComparisonProblem: the items differ, or one belongs to another cluster in the second score.
    """
    left = {item.item_id: item for item in first}
    right = {item.item_id: item for item in second}
    if left.keys() != right.keys():
        odd = sorted(left.keys() ^ right.keys())
        raise ComparisonProblem(f"{len(odd)} items are not in both scores, {odd[0]!r} for one.")
    if not left:
        raise ComparisonProblem("There are no items to compare.")
    ids = sorted(left)
    moved = [i for i in ids if left[i].cluster != right[i].cluster]
    if moved:
        raise ComparisonProblem(f"The item {moved[0]!r} belongs to different clusters in the two scores.")
    before, after = [left[i].value for i in ids], [right[i].value for i in ids]
    clusters = [left[i].cluster for i in ids]
    estimate = mean_estimate([b - a for a, b in zip(before, after, strict=True)], clusters, level=level)
    low, high, p_value = estimate.low, estimate.high, t_test(estimate)
    if binary and not any(clusters):
        method = "matched proportions (Agresti–Min), exact McNemar test"
        p_value = mcnemar(before, after)
        if low is not None:
            low, high = matched_proportions_interval(before, after, level=level)
    elif any(clusters):
        method = f"paired t, standard error clustered ({len(set(clusters) - {''}) + clusters.count('')} clusters)"
    else:
        method = "paired t"
    return PairedDifference(estimate.n, estimate.mean, low, high, method, p_value)


def compare(first: Score, second: Score, *, level: float = LEVEL) -> Comparison:
    """The paired difference of two subjects on one measure.

    Raises:
        ComparisonProblem: the scores are of different things, or their items differ.
    """
    if (first.scope, first.name, first.metric) != (second.scope, second.name, second.metric):
        raise ComparisonProblem(
            f"{first.name} by {first.metric} and {second.name} by {second.metric} are not one measure."
        )
    values = {item.value for item in (*first.items, *second.items)}
    binary = first.metric in BINARY_METRICS and values <= {0.0, 1.0}
    try:
        found = paired_difference(first.items, second.items, binary=binary, level=level)
    except ComparisonProblem as problem:
        raise ComparisonProblem(f"{first.name} ({first.subject}, {second.subject}): {problem}") from problem
    return Comparison(
        first=first.subject,
        second=second.subject,
        scope=first.scope,
        name=first.name,
        metric=first.metric,
        n=found.n,
        difference=found.difference,
        low=found.low,
        high=found.high,
        method=found.method,
        p_value=found.p_value,
    )


def compare_all(scores: Sequence[Score], *, level: float = LEVEL) -> tuple[Comparison, ...]:
    """Every comparison that a round shows (PAIRS), in the order of ``scores``; benchmarks also with Holm's p-value.

    Holm's correction runs over all benchmark measures of one pair of subjects: they are looked at together to find
    one that rose.

    Raises:
        ComparisonProblem: two subjects' items differ.
    """
    found: list[Comparison] = []
    measures = list(dict.fromkeys((s.scope, s.name, s.metric) for s in scores))
    by_key = {(s.scope, s.name, s.metric, s.subject): s for s in scores}
    for first, second in PAIRS:
        pairs = [(by_key.get((*m, first)), by_key.get((*m, second))) for m in measures]
        made = [compare(a, b, level=level) for a, b in pairs if a is not None and b is not None]
        family = [c for c in made if c.scope == "benchmark" and c.p_value is not None]
        adjusted = dict(zip(map(id, family), holm([c.p_value for c in family if c.p_value is not None]), strict=True))
        found += [c.model_copy(update={"p_holm": adjusted[id(c)]}) if id(c) in adjusted else c for c in made]
    return tuple(found)


def improvement(comparison: Comparison) -> tuple[float, float | None, float | None]:
    """Difference, lower and upper bound with the sign turned so that more is better."""
    if comparison.metric not in LOWER_IS_BETTER:
        return comparison.difference, comparison.low, comparison.high
    low = None if comparison.high is None else -comparison.high
    high = None if comparison.low is None else -comparison.low
    return -comparison.difference, low, high


def verdict(comparison: Comparison) -> Literal["better", "worse", "undecided"]:
    """Better or worse only where the whole interval lies on one side of zero."""
    _, low, high = improvement(comparison)
    if low is None or high is None:
        return "undecided"
    return "better" if low > 0 else "worse" if high < 0 else "undecided"


# --- The forgetting matrix ----------------------------------------------------------------------------


@dataclass(frozen=True)
class MatrixMeasures:
    """Summary of R[t][i], the score on leaf i after release t; None where no leaf allows it. Higher is better.

    ``forgetting`` is by leaf, positive where something was lost since the leaf's best release.
    """

    average: float | None
    backward_transfer: float | None
    forward_transfer: float | None
    forgetting: Mapping[str, float]
    average_forgetting: float | None


def matrix_measures(
    matrix: Sequence[Mapping[str, float]],
    learnt_at: Mapping[str, int],
    baseline: Mapping[str, float] | None = None,
) -> MatrixMeasures:
    """Average accuracy, backward and forward transfer (Lopez-Paz and Ranzato, GEM, NeurIPS 2017),
    forgetting (Chaudhry et al., "Riemannian walk", ECCV 2018), over whatever cells exist.

    With T the last release and i learnt at release l(i)::

        average            mean over i of R[T][i]
        backward transfer  mean over i with l(i) < T of R[T][i] - R[l(i)][i]
        forward transfer   mean over i with l(i) > 0 of R[l(i) - 1][i] - baseline[i]
        forgetting of i    max over l(i) <= t < T of R[t][i]  -  R[T][i]

    Args:
        matrix: one mapping leaf → score for each release, oldest first; a leaf that was not scored is absent.
        learnt_at: for each leaf the index of the first release that was taught it.
        baseline: the untaught student's score by leaf, for forward transfer.
    """
    if not matrix:
        return MatrixMeasures(None, None, None, {}, None)
    last = len(matrix) - 1
    final = matrix[last]
    backward = [
        final[leaf] - matrix[at][leaf]
        for leaf, at in learnt_at.items()
        if at < last and leaf in final and leaf in matrix[at]
    ]
    forward = [
        matrix[at - 1][leaf] - (baseline or {})[leaf]
        for leaf, at in learnt_at.items()
        if 0 < at <= last and leaf in matrix[at - 1] and leaf in (baseline or {})
    ]
    forgetting = {}
    for leaf, at in learnt_at.items():
        earlier = [matrix[t][leaf] for t in range(at, last) if leaf in matrix[t]]
        if earlier and leaf in final:
            forgetting[leaf] = max(earlier) - final[leaf]
    return MatrixMeasures(
        average=_mean(list(final.values())),
        backward_transfer=_mean(backward),
        forward_transfer=_mean(forward),
        forgetting=forgetting,
        average_forgetting=_mean(list(forgetting.values())),
    )


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
