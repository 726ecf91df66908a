"""Estimates and comparisons against scipy.stats, by hand, and by their properties."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from workers.environment import PROJECT
from workers.evaluation.statistics import (
    ComparisonProblem,
    compare,
    compare_all,
    holm,
    improvement,
    make_score,
    matched_proportions_interval,
    matrix_measures,
    mcnemar,
    mean_estimate,
    paired_difference,
    t_test,
    verdict,
)
from workers.specs import Comparison, ItemScore, Score

numbers = st.floats(min_value=-100, max_value=100, allow_nan=False)
many = st.lists(numbers, min_size=2, max_size=30)
bits = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 1.0])), min_size=1, max_size=60)


def items(values: list[float], clusters: list[str] | None = None) -> list[ItemScore]:
    names = clusters or [""] * len(values)
    return [
        ItemScore(item_id=f"i{n:03d}", value=v, cluster=c) for n, (v, c) in enumerate(zip(values, names, strict=True))
    ]


def score(subject: Any, values: list[float], **changes: Any) -> Score:
    made = {"scope": "leaf", "name": "knowledge/x", "metric": "answer_logprob", **changes}
    clusters = made.pop("clusters", None)
    return make_score(subject=subject, items=items(values, clusters), **made)


def comparison(low: float | None, high: float | None, *, metric: str = "answer_logprob") -> Comparison:
    middle = 0.0 if low is None or high is None else (low + high) / 2
    return Comparison(
        first="before", second="after", scope="leaf", name="x", metric=metric, n=9,
        difference=middle, low=low, high=high, method="paired t",
    )  # fmt: skip


# --- Estimates


@given(many)
def test_the_interval_is_that_of_the_t_distribution(values: list[float]) -> None:
    assume(np.std(values) > 1e-6)
    found = mean_estimate(values)
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.standard_error == pytest.approx(stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))


@given(many)
def test_items_each_in_a_cluster_of_its_own_are_not_clustered(values: list[float]) -> None:
    alone = mean_estimate(values, [f"c{n}" for n in range(len(values))])
    assert alone == mean_estimate(values)


def test_the_clustered_error_is_that_of_the_published_formula() -> None:
    values, clusters = [1.0, 2.0, 4.0, 7.0, 3.0], ["a", "a", "b", "b", ""]
    mean = sum(values) / 5
    sums = [(1 + 2 - 2 * mean), (4 + 7 - 2 * mean), (3 - mean)]
    expected = math.sqrt(3 / 2 * sum(s * s for s in sums)) / 5
    found = mean_estimate(values, clusters)
    assert found.standard_error == pytest.approx(expected)
    assert found.degrees == 2
    assert found.high == pytest.approx(mean + stats.t.ppf(0.975, 2) * expected)


def test_the_clustered_error_is_that_of_a_sandwich() -> None:
    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(8), 4)
    values = rng.normal(size=32) + rng.normal(size=8)[clusters]
    # Cluster-robust variance of the intercept of a regression on nothing else: bread · meat · bread.
    residuals = values - values.mean()
    meat = sum(residuals[clusters == g].sum() ** 2 for g in range(8))
    expected = math.sqrt(8 / 7 * meat) / 32
    found = mean_estimate(values.tolist(), [f"g{c}" for c in clusters])
    assert found.standard_error == pytest.approx(expected)
    unclustered = mean_estimate(values.tolist()).standard_error
    assert unclustered is not None
    assert expected > unclustered


@pytest.mark.parametrize(("values", "clusters"), [([1.0], None), ([1.0, 2.0, 3.0], ["a", "a", "a"])])
def test_one_cluster_allows_no_interval(values: list[float], clusters: list[str] | None) -> None:
    found = mean_estimate(values, clusters)
    assert (found.standard_error, found.low, found.high) == (None, None, None)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf]])
def test_what_is_no_number_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"no items|finite"):
        mean_estimate(values)


@given(many)
def test_the_p_value_is_that_of_the_t_test(values: list[float]) -> None:
    assume(np.std(values) > 1e-6)
    assert t_test(mean_estimate(values)) == pytest.approx(stats.ttest_1samp(values, 0.0).pvalue, rel=1e-6, abs=1e-12)


# --- Right or wrong


@given(bits)
def test_mcnemar_is_the_binomial_test_of_the_items_that_differ(pairs: list[tuple[float, float]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    lost, won = sum(a > b for a, b in pairs), sum(b > a for a, b in pairs)
    expected = stats.binomtest(won, lost + won, 0.5).pvalue if lost + won else 1.0
    assert mcnemar(first, second) == pytest.approx(expected)
    assert mcnemar(second, first) == pytest.approx(expected)


def test_mcnemar_refuses_what_is_not_right_or_wrong() -> None:
    with pytest.raises(ValueError, match="right"):
        mcnemar([0.5], [1.0])


@given(bits)
def test_the_interval_of_matched_proportions_stays_within_what_is_possible(pairs: list[tuple[float, float]]) -> None:
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    low, high = matched_proportions_interval(first, second)
    assert -1 <= low < high <= 1
    assert matched_proportions_interval(second, first) == pytest.approx((-high, -low))


def test_two_models_that_agree_on_all_items_are_not_known_to_be_equal() -> None:
    low, high = matched_proportions_interval([1.0] * 40, [1.0] * 40)
    assert low < -0.02
    assert high > 0.02


def test_the_interval_of_matched_proportions_is_the_published_one() -> None:
    # 2 × 2 table with 10 and 3 discordant of 50, half an item added to each cell (Agresti and Min 2005, section 3).
    first, second = [0.0] * 10 + [1.0] * 3 + [1.0] * 37, [1.0] * 10 + [0.0] * 3 + [1.0] * 37
    n, won, lost = 52, 10.5, 3.5
    difference = (won - lost) / n
    error = math.sqrt((won + lost) - (won - lost) ** 2 / n) / n
    expected = (difference - 1.959964 * error, difference + 1.959964 * error)
    assert matched_proportions_interval(first, second) == pytest.approx(expected, rel=1e-5)


# --- Many tests at once


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_never_helps_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    assert [adjusted[i] for i in order] == sorted(adjusted)
    assert all(a <= min(1.0, p * len(p_values)) + 1e-12 for p, a in zip(p_values, adjusted, strict=True))


# --- Comparisons


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=25))
def test_a_comparison_is_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    before, after = [a for a, _ in pairs], [b for _, b in pairs]
    differences = np.array(after) - np.array(before)
    assume(np.std(differences) > 1e-6)
    found = compare(score("before", before), score("after", after))
    assert found.difference == pytest.approx(differences.mean(), abs=1e-9)
    assert found.p_value == pytest.approx(stats.ttest_rel(after, before).pvalue, rel=1e-5, abs=1e-12)
    swapped = compare(score("after", after), score("before", before))
    assert swapped.difference == pytest.approx(-found.difference)
    assert found.low is not None
    assert swapped.high == pytest.approx(-found.low)


def test_the_order_of_items_decides_nothing() -> None:
    one, other = items([1.0, 5.0, 2.0]), items([2.0, 4.0, 9.0])
    assert paired_difference(one, other) == paired_difference(one[::-1], [other[1], other[2], other[0]])


@pytest.mark.parametrize(
    "other",
    [
        items([1.0, 2.0]),
        items([1.0, 2.0, 3.0, 4.0]),
        [ItemScore(item_id=f"x{n}", value=1.0) for n in range(3)],
        items([1.0, 2.0, 3.0], ["a", "a", "b"]),
        [],
    ],
)
def test_scores_of_different_items_are_not_compared(other: list[ItemScore]) -> None:
    with pytest.raises(ComparisonProblem):
        paired_difference(items([1.0, 2.0, 3.0]), other)


@pytest.mark.parametrize("change", [{"name": "knowledge/y"}, {"metric": "loss"}, {"scope": "general"}])
def test_different_measures_are_not_compared(change: dict[str, str]) -> None:
    with pytest.raises(ComparisonProblem, match="not one measure"):
        compare(score("before", [1.0, 2.0]), score("after", [1.0, 2.0], **change))


def test_an_item_twice_is_refused() -> None:
    twice = [ItemScore(item_id="a", value=1.0), ItemScore(item_id="a", value=2.0)]
    with pytest.raises(ValueError, match="two items"):
        make_score(subject="after", scope="leaf", name="x", metric="loss", items=twice)


def test_right_or_wrong_items_get_their_own_test() -> None:
    benchmark = {"scope": "benchmark", "metric": "accuracy", "name": "b"}
    found = compare(
        score("before", [0.0, 1.0, 0.0, 0.0], **benchmark), score("after", [1.0, 1.0, 1.0, 0.0], **benchmark)
    )
    assert "McNemar" in found.method
    assert found.p_value == pytest.approx(0.5)
    assert found.difference == 0.5


def test_clustered_items_say_so() -> None:
    clusters = ["c1", "c1", "c2", ""]
    found = compare(
        score("before", [1.0] * 4, clusters=clusters), score("after", [1.5, 2.0, 1.0, 3.0], clusters=clusters)
    )
    assert "3 clusters" in found.method


def test_a_round_is_compared_in_all_its_pairs_and_benchmarks_are_corrected_together() -> None:
    one = {"scope": "benchmark", "metric": "accuracy", "name": "one"}
    two = {"scope": "benchmark", "metric": "accuracy", "name": "two"}
    scores = [
        score(subject, values, **which)
        for which in (one, two)
        for subject, values in (("before", [0.0] * 8), ("after", [1.0] * 8), ("control", [1.0] * 4 + [0.0] * 4))
    ]
    scores += [score(s, [float(n), 2.0, 4.5]) for n, s in enumerate(("before", "after", "control"))]
    found = compare_all(scores)
    assert {(c.first, c.second) for c in found} == {("before", "after"), ("control", "after"), ("before", "control")}
    assert len(found) == 9
    for item in found:
        if item.scope == "leaf":
            assert item.p_holm is None
        else:
            assert item.p_value is not None
            assert item.p_holm == pytest.approx(min(1.0, 2 * item.p_value))


def test_a_missing_subject_is_left_out() -> None:
    assert [(c.first, c.second) for c in compare_all([score("before", [1.0, 2.0]), score("after", [2.0, 4.0])])] == [
        ("before", "after")
    ]


# --- What is claimed


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.1, 0.5, "better"), (-0.5, -0.1, "worse"), (-0.1, 0.4, "undecided"), (None, None, "undecided")],
)
def test_better_is_claimed_only_when_the_interval_is_above_zero(
    low: float | None, high: float | None, expected: str
) -> None:
    assert verdict(comparison(low, high)) == expected


def test_a_loss_that_falls_is_an_improvement() -> None:
    falling = comparison(-0.5, -0.1, metric="loss")
    assert verdict(falling) == "better"
    assert improvement(falling) == pytest.approx((0.3, 0.1, 0.5))


# --- The forgetting matrix


def test_the_measures_of_a_matrix_by_hand() -> None:
    matrix = [{"a": -1.0, "b": -3.0}, {"a": -1.5, "b": -1.0, "c": -2.0}, {"a": -2.0, "b": -0.5, "c": -1.0}]
    found = matrix_measures(matrix, {"a": 0, "b": 1, "c": 2}, baseline={"b": -3.5, "c": -2.5})
    assert found.average == pytest.approx(-3.5 / 3)
    assert found.backward_transfer == pytest.approx(((-2.0 - -1.0) + (-0.5 - -1.0)) / 2)
    assert found.forward_transfer == pytest.approx(((-3.0 - -3.5) + (-2.0 - -2.5)) / 2)
    assert found.forgetting == pytest.approx({"a": 1.0, "b": -0.5})
    assert found.average_forgetting == pytest.approx(0.25)


def test_a_single_release_has_forgotten_nothing_and_an_empty_matrix_says_nothing() -> None:
    assert matrix_measures([{"a": 1.0}], {"a": 0}).forgetting == {}
    assert matrix_measures([{"a": 1.0}], {"a": 0}).backward_transfer is None
    assert matrix_measures([], {}).average is None


def test_a_cell_that_is_missing_is_not_a_zero() -> None:
    found = matrix_measures([{"a": -1.0}, {}, {"a": -1.25, "b": -1.0}], {"a": 0, "b": 1})
    assert found.forgetting == pytest.approx({"a": 0.25})
    assert found.backward_transfer == pytest.approx(-0.25)


def test_the_statistics_load_no_torch() -> None:
    program = "import sys, workers.evaluation.statistics; sys.exit(any(m in sys.modules for m in ('torch', 'lm_eval')))"
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=False).returncode == 0
