"""What can be seen from the form alone."""

from __future__ import annotations

import pytest

from tests.workers.generation.filters.rows import a_row, reason
from tests.workers.generation.leaves import freeform_leaf, grounded_leaf, knowledge_leaf
from workers.generation.filters.shape import CutOff, Form, Length, Refusal, Repetition


def test_what_was_cut_off_is_dropped() -> None:
    assert reason(CutOff(), a_row(freeform_leaf(), question="Write", finished=False), "question")
    assert reason(CutOff(), a_row(freeform_leaf(), question="Write"), "question") is None


@pytest.mark.parametrize(
    ("question", "dropped"),
    [
        ("What is the lantern made of?", False),
        ("", True),
        ("?!", True),
        ("What is the answer: granite or slate?", False),
        ("What is it?\nAnswer: granite?", True),
        ("The lantern is of granite.", True),
        ("What does the passage say about the lantern?", True),
        ("What is mentioned above?", True),
        ("What is the passage of the strait called?", True),
    ],
)
def test_a_knowledge_question_is_a_question_that_stands_by_itself(question: str, dropped: bool) -> None:
    assert bool(reason(Form(), a_row(knowledge_leaf(), question=question), "question")) is dropped


def test_an_instruction_need_not_be_a_question() -> None:
    assert reason(Form(), a_row(freeform_leaf(), question="Write a line about the text on a coin."), "question") is None


def test_a_sum_is_an_answer() -> None:
    assert reason(Form(), a_row(freeform_leaf(), question="2 + 2?", answer="4"), "answer") is None
    assert reason(Form(), a_row(freeform_leaf(), question="2 + 2?", answer=" "), "answer") == "The answer is empty."


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I cannot help with that.",
        "As an AI I have no opinion.",
        "The passage does not mention the lantern.",
        "It is not specified.",
    ],
)
def test_a_refusal_is_no_answer(answer: str) -> None:
    assert reason(Refusal(), a_row(knowledge_leaf(), question="Why?", answer=answer), "answer")


def test_an_apology_that_was_asked_for_is_no_refusal() -> None:
    answer = "Sorry about the wet gloves; I cannot find the dry ones."
    assert reason(Refusal(), a_row(freeform_leaf(), question="Write a line.", answer=answer), "answer") is None


def test_going_in_circles_is_dropped() -> None:
    circle = "the boat is carried in the boat and the boat is carried in the boat and the boat is carried"
    assert reason(Repetition(), a_row(freeform_leaf(), question="x", answer=circle), "answer")
    straight = "A boat left the harbour at dawn, and by noon its crew had caught enough herring for the whole village."
    assert reason(Repetition(), a_row(freeform_leaf(), question="x", answer=straight), "answer") is None
    assert reason(Repetition(), a_row(freeform_leaf(), question="What now?", answer="What now."), "answer")


def test_a_text_is_as_long_as_the_seeds_texts_are() -> None:
    leaf = grounded_leaf()
    assert reason(Length(), a_row(leaf, context="Too short."), "context")
    assert reason(Length(), a_row(leaf, context="A boat sails on Tuesday with salt."), "context") is None
    assert reason(Length(), a_row(leaf, context="word " * 200), "context")
    assert reason(Length(), a_row(leaf, question="Why?"), "question")
