"""A judge is judged: the area under its curve, the interval, the bound that parts right from wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.generation.leaves import SENTINEL, freeform_leaf, knowledge_leaf, pair
from workers.generation.judges.discrimination import (
    Discrimination,
    area_under_curve,
    best_bound,
    discrimination,
    known_rows,
)
from workers.generation.rows import Row
from workers.specs import LeafKind


class Stub:
    """A judge that answers by a rule."""

    name = "stub"
    grades = False
    by_text = False

    def __init__(self, rule: Callable[[Row], float | None]) -> None:
        self.rule = rule

    async def score(self, row: Row) -> float | None:
        return self.rule(row)


def judged(rule: Callable[[Row], float | None], *, grades: bool = False) -> Discrimination:
    judge = Stub(rule)
    judge.grades = grades
    return asyncio.run(discrimination(judge, [knowledge_leaf()], LeafKind.KNOWLEDGE, random_seed=1))


def right(row: Row) -> bool:
    return any(seed.question == row.question and seed.answer == row.answer for seed in row.leaf.seeds)


def test_known_rows_are_taught_seeds_and_the_same_with_a_fault() -> None:
    good, bad = known_rows([knowledge_leaf(), freeform_leaf()], LeafKind.KNOWLEDGE, random_seed=1)
    assert len(good) == len(bad) == 10
    assert all(right(row) for row in good)
    assert not any(right(row) for row in bad)
    assert not any(SENTINEL in row.question + row.answer for row in (*good, *bad))
    assert all(row.source for row in good)


def test_numbers_are_changed_where_there_are_any() -> None:
    seeds = tuple(pair(f"When did boat {n} sail?", f"It sailed in {1900 + n}.", f"Boat {n}.", n) for n in range(8))
    leaf = knowledge_leaf().model_copy(update={"seeds": seeds, "held_out": ()})
    answers = {seed.answer for seed in seeds}
    _, bad = known_rows([leaf], LeafKind.KNOWLEDGE, random_seed=1)
    assert any(row.answer not in answers for row in bad)
    assert not any(right(row) for row in bad)


def test_a_judge_that_knows_decides_with_a_bound_between_right_and_wrong() -> None:
    found = judged(lambda row: 2.0 if right(row) else 1.0)
    assert found.area == 1.0
    assert found.decides
    assert found.bound == pytest.approx(1.5)


def test_a_judge_that_guesses_does_not_decide() -> None:
    found = judged(lambda row: float(hash(row.question + row.answer) % 2) * 0)
    assert found.area == 0.5
    assert not found.decides
    assert "decides nothing" in found.reason


def test_a_judge_that_is_wrong_does_not_decide() -> None:
    assert not judged(lambda row: 1.0 if right(row) else 2.0).decides


def test_a_judge_whose_server_tells_no_probabilities_does_not_decide() -> None:
    found = judged(lambda _row: None)
    assert found.area is None
    assert not found.decides


def test_judgements_that_cannot_be_read_are_counted() -> None:
    judge = Stub(lambda row: None if row.answer.startswith("They carry") else 2.0)
    judge.by_text = True
    found = asyncio.run(discrimination(judge, [knowledge_leaf()], LeafKind.KNOWLEDGE, random_seed=1))
    assert not found.decides
    assert found.by_text
    assert "judgements cannot be read" in found.reason


def test_a_grade_that_is_good_enough_is_never_dropped() -> None:
    assert judged(lambda row: 2.9 if right(row) else 2.5, grades=True).bound == 2.0


def test_too_few_seeds_are_said() -> None:
    leaf = knowledge_leaf()
    few = leaf.model_copy(update={"seeds": leaf.seeds[:3]})
    found = asyncio.run(discrimination(Stub(lambda _row: 1.0), [few], LeafKind.KNOWLEDGE, random_seed=1))
    assert not found.decides
    assert "Fewer than" in found.reason


def test_the_area_counts_pairs_and_half_of_ties() -> None:
    assert area_under_curve([3, 2], [1, 2])[0] == pytest.approx(3.5 / 4)


def test_the_interval_is_that_of_hanley_and_mcneil() -> None:
    # Area 0.8 of 50 and 50 rows: Q1 = 0.8/1.2, Q2 = 1.28/1.8; standard error 0.0446.
    rights = [1.0] * 40 + [-1.0] * 10
    wrongs = [0.0] * 50
    area, low, high = area_under_curve(rights, wrongs)
    assert area == pytest.approx(0.8)
    assert (high - low) / 2 / 1.96 == pytest.approx(0.0446, abs=0.0005)


def test_an_area_of_one_from_few_rows_is_not_certain() -> None:
    _, low, high = area_under_curve([2.0] * 6, [1.0] * 6)
    assert high == 1.0
    assert 0.7 < low < 1.0


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.lists(st.floats(-5, 5), min_size=1, max_size=12))
def test_the_area_of_the_swapped_judge_is_the_rest(first: list[float], second: list[float]) -> None:
    area, low, high = area_under_curve(first, second)
    assert area == pytest.approx(1 - area_under_curve(second, first)[0])
    assert 0 <= low <= area <= high <= 1


def test_the_bound_is_the_middle_of_the_gap() -> None:
    assert best_bound([3.0, 2.0, 4.0], [0.5, 1.0]) == pytest.approx(1.5)
    assert best_bound([3.0, 2.0, 0.9], [0.5, 1.0]) == pytest.approx(1.5)
