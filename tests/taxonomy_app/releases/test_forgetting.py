"""Verdicts, pairing and the measures over the matrix of leaves and releases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxonomy_app.releases.forgetting import MARGIN, difference_on_common_items, measures, verdict
from workers.specs import ItemScore

values = st.floats(-5, 0, allow_nan=False).map(lambda value: round(value, 6))


@st.composite
def matrices(draw):
    """Scores with holes, the release that first taught each leaf, and the last release."""
    last = draw(st.integers(1, 5))
    leaves = [f"leaf {i}" for i in range(draw(st.integers(1, 6)))]
    taught_by = {leaf: draw(st.integers(1, 5)) for leaf in leaves}
    scores = {leaf: draw(st.dictionaries(st.integers(1, 5), values, max_size=5)) for leaf in leaves}
    return scores, taught_by, last


def items(**values: float) -> list[ItemScore]:
    return [ItemScore(item_id=key, value=value) for key, value in values.items()]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-0.30, -0.06, "forgets"),
        (-0.30, -0.05, "uncertain"),  # just at the margin is not below it
        (-0.30, 0.10, "uncertain"),
        (-0.05, 0.10, "uncertain"),
        (-0.04, 0.10, "kept"),
        (-0.04, -0.01, "kept"),
        (0.20, 0.40, "kept"),
        (None, None, "uncertain"),
    ],
)
def test_no_forgetting_is_claimed_only_when_the_interval_shows_it(low, high, expected):
    assert verdict(low, high, margin=0.05) == expected


def test_a_negative_margin_is_refused():
    with pytest.raises(ValueError, match="not negative"):
        verdict(0.0, 1.0, margin=-0.1)


def test_only_items_that_both_were_asked_are_compared():
    found = difference_on_common_items(items(a=-2.0, b=-1.0, gone=-9.0), items(a=-1.0, b=-0.5, new=0.0))
    assert found is not None
    assert found.n == 2
    assert found.difference == pytest.approx(0.75)
    assert (found.only_first, found.only_second) == (1, 1)


def test_nothing_in_common_is_no_comparison_rather_than_zero():
    assert difference_on_common_items(items(a=-2.0), items(b=-2.0)) is None


def test_one_common_item_gives_no_interval_and_no_certainty():
    found = difference_on_common_items(items(a=-1.0), items(a=-3.0))
    assert found is not None
    assert (found.low, found.high) == (None, None)
    assert found.verdict(MARGIN) == "uncertain"


def test_measures_of_a_small_matrix_are_those_worked_out_by_hand():
    scores = {"a": {1: -1.0, 2: -0.8, 3: -1.5}, "b": {2: -2.0, 3: -1.9}, "c": {3: -0.5}, "d": {1: -1.0}}
    found = measures(scores, {"a": 1, "b": 2, "c": 3, "d": 1}, last=3)
    assert found.average == pytest.approx((-1.5 - 1.9 - 0.5) / 3)
    assert found.backward_transfer == pytest.approx((-0.5 + 0.1) / 2)
    assert found.forgetting == pytest.approx((0.7 - 0.1) / 2)
    assert (found.evaluated, found.earlier, found.missing) == (3, 2, 1)


def test_the_first_release_has_nothing_to_forget():
    found = measures({"a": {1: -1.0}}, {"a": 1}, last=1)
    assert (found.average, found.backward_transfer, found.forgetting) == (-1.0, None, None)


@given(matrices())
def test_a_leaf_that_was_not_evaluated_is_counted_missing_and_never_as_a_score(matrix):
    scores, taught_by, last = matrix
    found = measures(scores, taught_by, last)
    known = [leaf for leaf, release in taught_by.items() if release <= last]
    assert found.evaluated + found.missing == len(known)
    assert (found.average is None) == (found.evaluated == 0)
    without = {leaf: row for leaf, row in scores.items() if last in row}
    again = measures(without, taught_by, last)
    assert (again.average, again.backward_transfer, again.forgetting) == (
        found.average,
        found.backward_transfer,
        found.forgetting,
    )


@given(matrices())
def test_forgetting_is_never_less_than_the_loss_against_the_release_that_taught(matrix):
    found = measures(*matrix)
    assert (found.forgetting is None) == (found.backward_transfer is None)
    if found.forgetting is not None and found.backward_transfer is not None:
        assert found.forgetting >= -found.backward_transfer - 1e-9


@given(matrices(), st.floats(-3, 3).map(lambda value: round(value, 3)))
def test_raising_every_score_alike_moves_the_average_and_nothing_else(matrix, shift):
    scores, taught_by, last = matrix
    found = measures(scores, taught_by, last)
    moved = measures({leaf: {t: v + shift for t, v in row.items()} for leaf, row in scores.items()}, taught_by, last)
    if found.average is not None:
        assert moved.average == pytest.approx(found.average + shift, abs=1e-6)
    for name in ("backward_transfer", "forgetting"):
        before, after = getattr(found, name), getattr(moved, name)
        assert (after is None) if before is None else (after == pytest.approx(before, abs=1e-6))


@given(matrices())
def test_later_releases_change_nothing_about_an_earlier_one(matrix):
    scores, taught_by, last = matrix
    cut = {leaf: {t: v for t, v in row.items() if t <= last} for leaf, row in scores.items()}
    assert measures(scores, taught_by, last) == measures(cut, taught_by, last)
