"""How scores are written and drawn."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from taxonomy_app.releases.templatetags.scores import extent, in_unit, interval, interval_bar, number, outcome_mark


def row(metric="answer_logprob", difference=0.5, low=0.1, high=0.9):
    return SimpleNamespace(metric=metric, difference=difference, low=low, high=high)


@pytest.mark.parametrize(
    ("value", "sign", "expected"),
    [(-1.234, False, "−1.23"), (0.5, True, "+0.50"), (-0.001, True, "0.00"), (0.001, True, "0.00"), (None, True, "–")],
)
def test_numbers_have_a_true_minus_and_no_sign_on_zero(value, sign, expected):
    assert number(value, 2, sign=sign) == expected


def test_a_number_that_is_none_is_not_written():
    assert number(float("nan"), 2) == "–"
    assert in_unit("", "accuracy") == in_unit(None, "loss") == "–"  # a template's word for an attribute of None


def test_shares_are_written_as_per_cent():
    assert in_unit(0.4125, "accuracy") == "41.2"
    assert in_unit(-0.0625, "accuracy", sign=True) == "−6.2"
    assert in_unit(1.4, "loss") == "1.40"


def test_without_an_interval_the_page_says_so():
    assert "no interval" in interval(None, None, "loss")
    assert "[−0.10, +0.90]" in interval(-0.1, 0.9, "loss")


def test_only_an_interval_that_leaves_out_zero_is_painted_as_gain_or_loss():
    assert "bar-gain" in interval_bar(row(), 1.0)
    assert "bar-open" in interval_bar(row(low=-0.1), 1.0)
    assert "bar-open" in interval_bar(row(low=None, high=None), 1.0)
    assert "bar-loss" in interval_bar(row(metric="loss"), 1.0)
    assert interval_bar(None, 1.0) == ""


def test_worse_is_left_of_the_line_for_every_metric():
    def place(bar):
        return float(bar.split('cx="')[1].split('"')[0])

    assert place(interval_bar(row(), 1.0)) > 66
    assert place(interval_bar(row(metric="loss"), 1.0)) < 66


def test_bars_of_a_table_share_a_scale_that_one_wide_interval_cannot_spoil():
    assert extent([row(difference=0.5, low=0.1, high=0.9), None]) == pytest.approx(0.9)
    assert extent([row(difference=0.5, low=-9.0, high=10.0)]) == pytest.approx(1.25)
    assert extent([]) == 1.0
    assert extent([row(difference=0.0, low=0.0, high=0.0)]) == 1.0


def test_outcomes_are_told_by_words_and_shapes_and_not_by_colour_alone():
    words = ["certain better", "better", "same", "worse", "certain worse", ""]
    marks = [outcome_mark(word) for word in words]
    assert "better, certain" in marks[0]
    assert "better, not certain" in marks[1]
    assert "not compared" in marks[5]
    assert len({mark.split('aria-hidden="true">')[1][0] for mark in marks}) == len(words)
