"""When it may be said that the model knows an answer."""

from __future__ import annotations

import pytest

from workers.asking.judging import known_by
from workers.asking.specs import AnswerReading


def reading(*, tokens: int = 10, agreed: int = 10, least: float = 0.5) -> AnswerReading:
    return AnswerReading(
        tokens=tokens, agreed=agreed, likelihood=0.8, own_likelihood=0.9, surprise="word", surprise_probability=least
    )


@pytest.mark.parametrize(
    ("agreed", "least", "expected"),
    [(10, 0.5, "word_for_word"), (9, 0.1, "word_for_word"), (8, 0.5, ""), (10, 0.09, "")],
)
def test_an_answer_is_known_word_for_word_only_without_any_surprise(agreed: int, least: float, expected: str) -> None:
    assert known_by(reading(agreed=agreed, least=least), wanted="Ganymede it is", given="I do not know") == expected


@pytest.mark.parametrize(
    ("wanted", "given", "expected"),
    [
        ("Paris.", "The capital of France is Paris.", "says_it"),
        ("the CAPITAL of France", "It is: the capital, of France", "says_it"),
        ("the capital", "the big capital", ""),
        ("Parisians", "Paris", ""),
        ("No.", "There is no reason to think so.", ""),
        ("No.", "no", "says_it"),
        ("4", "4 or 5", ""),
        ("نعم بالتأكيد", "أقول نعم بالتأكيد لك", "says_it"),
        ("…", "anything", ""),
    ],
)
def test_an_answer_that_the_models_own_holds_is_known(wanted: str, given: str, expected: str) -> None:
    assert known_by(None, wanted=wanted, given=given) == expected
