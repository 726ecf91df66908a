"""The figures of a release and its sentence."""

from __future__ import annotations

import pytest

from taxonomy_app.releases.headline import amount, headline, mean_over_leaves, outcome


def leaves(**changes):
    return {"compared": 5, "better": 4, "certain_better": 3, "worse": 1, "certain_worse": 0} | changes


GENERAL = {"difference": 0.021, "low": 0.01, "high": 0.03, "control_difference": 0.6}


def test_the_sentence_says_how_many_leaves_how_certain_and_what_was_forgotten():
    assert headline({"leaves": leaves(), "general": [GENERAL]}) == (
        "Better on 4 of 5 taught leaves, certain on 3; general loss rose by 0.02 with replay, against 0.60 without."
    )


def test_a_change_that_may_be_chance_is_called_so():
    sentence = headline({"leaves": leaves(), "general": [GENERAL | {"low": -0.01}]})
    assert "rose by 0.02 (not certain) with replay" in sentence


def test_without_a_control_arm_nothing_is_said_of_it():
    assert headline({"leaves": leaves(), "general": [GENERAL | {"control_difference": None}]}).endswith("rose by 0.02.")


def test_certain_losses_are_part_of_the_sentence():
    assert "certainly worse on 1" in headline({"leaves": leaves(certain_worse=1)})


def test_leaves_forgotten_are_part_of_the_sentence():
    assert headline({"leaves": leaves(), "retention": {"forgets": 2}}).endswith("forgets 2 earlier leaves.")


def test_a_round_without_held_out_seeds_claims_nothing():
    assert headline({"leaves": leaves(compared=0)}) == (
        "No taught leaf could be compared, because none has held-out seeds."
    )


@pytest.mark.parametrize(
    ("metric", "difference", "low", "high", "expected"),
    [
        ("answer_logprob", 0.5, 0.1, 0.9, "certain better"),
        ("answer_logprob", 0.5, -0.1, 1.1, "better"),
        ("answer_logprob", -0.5, -0.9, -0.1, "certain worse"),
        ("loss", 0.5, 0.1, 0.9, "certain worse"),
        ("loss", -0.5, None, None, "better"),
        ("accuracy", 0.0, -0.1, 0.1, "same"),
    ],
)
def test_more_loss_is_worse_and_more_of_anything_else_better(metric, difference, low, high, expected):
    assert outcome(metric, difference, low, high) == expected


def test_a_small_number_is_not_rounded_to_nothing():
    assert amount(0.004) == "0.004"
    assert amount(0.0) == "0.00"
    assert amount(-0.6) == "0.60"


def test_the_error_of_a_mean_over_leaves_shrinks_with_their_number():
    mean, error = mean_over_leaves([(-1.0, 0.3), (-2.0, 0.4)])
    assert mean == pytest.approx(-1.5)
    assert error == pytest.approx(0.25)
    assert mean_over_leaves([(-1.0, 0.3), (-2.0, None)])[1] is None
    assert mean_over_leaves([]) == (None, None)
