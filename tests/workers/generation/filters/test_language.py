"""Rows in another language than the leaf's."""

from __future__ import annotations

import pytest

from tests.workers.generation.filters.rows import a_row, memory_of, reason
from tests.workers.generation.leaves import freeform_leaf, knowledge_leaf, pair
from workers.generation.filters.language import Language, leaf_language, script_of

GERMAN = (
    "Die Laterne des Hafens wurde im Frühjahr angezündet, als das letzte Boot nach Hause gekommen war, "
    "und niemand sah es."
)
ENGLISH = (
    "The lantern of the harbour was lit in spring when the last boat had come home, and nobody in the town saw it."
)


def test_letters_have_a_script_and_nothing_else_has() -> None:
    assert [script_of(letter) for letter in "aжあ灯ß"] == ["LATIN", "CYRILLIC", "HIRAGANA", "CJK", "LATIN"]
    assert script_of("3") == script_of(" ") == script_of("🙂") == ""


@pytest.mark.parametrize(
    ("answer", "dropped"),
    [
        ("The lantern of Orsa is of granite.", False),
        ("奥尔萨的灯是花岗岩做的。", True),
        ("Фонарь Орсы сделан из гранита.", True),
        ("It is called 灯 there.", False),
        ("42", False),
        (ENGLISH, False),
        (GERMAN, True),
    ],
)
def test_a_row_is_in_the_language_of_its_leaf(answer: str, dropped: bool) -> None:
    leaf = knowledge_leaf()
    row = a_row(leaf, question="What is the lantern of Orsa made of?", answer=answer)
    assert (reason(Language(), row, "answer", memory_of(leaf)) is not None) == dropped


def test_a_leaf_in_another_language_is_held_to_its_own() -> None:
    seeds = tuple(pair(f"Was geschah mit der Laterne, Teil {n}?", f"{GERMAN} Das war Teil {n}.") for n in range(8))
    leaf = freeform_leaf().model_copy(update={"seeds": seeds, "held_out": ()})
    memory = memory_of(leaf)
    assert reason(Language(), a_row(leaf, question="Was war im Hafen?", answer=GERMAN), "answer", memory) is None
    assert reason(Language(), a_row(leaf, question="Was war im Hafen?", answer=ENGLISH), "answer", memory)


def test_a_leaf_of_few_words_is_judged_by_its_script_alone() -> None:
    assert leaf_language(["Was ist das?"]).small_words == frozenset()
    leaf = freeform_leaf()
    assert reason(Language(), a_row(leaf, question="A line?", answer=GERMAN), "answer", memory_of(leaf)) is None


def test_a_leaf_that_translates_is_in_both_languages() -> None:
    """Answers in the other language are part of the leaf's own texts, so that they are its language as well."""
    seeds = tuple(pair(f"Say in Russian: the lantern {n}.", f"Фонарь номер {n}.") for n in range(6))
    leaf = freeform_leaf().model_copy(update={"seeds": seeds, "held_out": ()})
    row = a_row(leaf, question="Say in Russian: the boat.", answer="Лодка.")
    assert reason(Language(), row, "answer", memory_of(leaf)) is None
