"""What later releases kept of what earlier ones were taught: the measures over the matrix R[t, i]. Pure functions.

R[t, i] is the score of release t on the held-out seeds of leaf i, higher meaning better. A leaf that a release was
not asked about is absent from the matrix, never zero, and every measure counts only what is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from workers.evaluation.statistics import Metric, compare, make_score, matrix_measures
from workers.specs import ItemScore

# The score that the matrix is made of, and the loss of it that is tolerated. In natural-log probability a token:
# 0.05 less means that each token of the reference answer became about 5 % less likely.
METRIC: Metric = "answer_logprob"
MARGIN = 0.05

FORGETS, KEPT, UNCERTAIN = "forgets", "kept", "uncertain"


def verdict(low: float | None, high: float | None, *, margin: float = MARGIN) -> str:
    """``forgets`` when the whole interval lies below −margin, ``kept`` when it lies above, else ``uncertain``.

    "No forgetting" is claimed only when the lower 95 % bound of the paired difference is above −margin: a wide
    interval is a lack of knowledge, not a proof of memory.

    Args:
        margin: the largest loss that does not matter, in the metric's unit, not negative.
    """
    if margin < 0:
        raise ValueError("The margin is how much may be lost; it is not negative.")
    if low is None or high is None:
        return UNCERTAIN
    if high < -margin:
        return FORGETS
    return KEPT if low > -margin else UNCERTAIN


@dataclass(frozen=True)
class PairedDifference:
    """Second minus first over the items that both were asked, with its 95 % interval (None where n < 2).

    ``only_first`` and ``only_second`` count the items that had no partner and were left out.
    """

    n: int
    difference: float
    low: float | None
    high: float | None
    method: str
    p_value: float | None = None
    only_first: int = 0
    only_second: int = 0

    def verdict(self, margin: float = MARGIN) -> str:
        return verdict(self.low, self.high, margin=margin)


def difference_on_common_items(
    first: Sequence[ItemScore], second: Sequence[ItemScore], metric: Metric = METRIC
) -> PairedDifference | None:
    """The paired difference over the items known to both, or None where they share none.

    Held-out seeds are added as a leaf grows, so two releases may have been asked different sets; the mean of each
    over its own set is not comparable, their differences on the common ones are. The interval is that of
    ``workers.evaluation.statistics.compare``; an item keeps the cluster that it has in ``second``.
    """
    clusters = {item.item_id: item.cluster for item in second}
    ids = {item.item_id for item in first} & clusters.keys()
    if not ids:
        return None
    one = [item.model_copy(update={"cluster": clusters[item.item_id]}) for item in first if item.item_id in ids]
    other = [item for item in second if item.item_id in ids]
    found = compare(
        make_score(subject="before", scope="leaf", name="common items", metric=metric, items=one),
        make_score(subject="after", scope="leaf", name="common items", metric=metric, items=other),
    )
    return PairedDifference(
        n=found.n,
        difference=found.difference,
        low=found.low,
        high=found.high,
        method=found.method,
        p_value=found.p_value,
        only_first=len(first) - len(ids),
        only_second=len(second) - len(ids),
    )


@dataclass(frozen=True)
class Measures:
    """What one release looks like over all leaves taught up to it. None where no leaf gives the measure.

    ``average``: mean of R[T, i] over the ``evaluated`` leaves.
    ``backward_transfer``: mean of R[T, i] − R[i, i], ``forgetting``: mean of max R[t, i] (from the release that
    taught the leaf up to the one before T) − R[T, i]; both over the ``earlier`` leaves, taught before T and
    evaluated then and now. ``missing``: leaves taught up to T that T was not evaluated on.
    """

    average: float | None
    backward_transfer: float | None
    forgetting: float | None
    evaluated: int
    earlier: int
    missing: int


def measures(scores: Mapping[str, Mapping[int, float]], taught_by: Mapping[str, int], last: int) -> Measures:
    """Average, backward transfer and forgetting of release ``last``.

    Backward transfer after Lopez-Paz and Ranzato (arXiv 1706.08840), forgetting after Chaudhry et al.
    (arXiv 1801.10112): positive forgetting is a loss against the best earlier release.

    Args:
        scores: leaf → {release number → R[t, i]}, absent where not evaluated.
        taught_by: leaf → number of the first release that taught it.
        last: the release T.
    """
    known = {leaf: release for leaf, release in taught_by.items() if release <= last}
    here = [leaf for leaf in known if last in scores.get(leaf, {})]
    # Backward transfer and forgetting are about the same leaves: those that have their own release to be held against.
    earlier = [leaf for leaf in here if known[leaf] < last and known[leaf] in scores[leaf]]
    found = matrix_measures(
        [{leaf: scores[leaf][t] for leaf in here if t in scores[leaf]} for t in range(last + 1)],
        {leaf: known[leaf] for leaf in earlier},
    )
    return Measures(
        average=found.average,
        backward_transfer=found.backward_transfer,
        forgetting=found.average_forgetting,
        evaluated=len(here),
        earlier=len(earlier),
        missing=len(known) - len(here),
    )
