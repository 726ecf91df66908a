"""Answers are not taken from the prompt."""

from __future__ import annotations

from tests.workers.generation.filters.rows import a_row, reason
from tests.workers.generation.leaves import freeform_leaf, grounded_leaf
from workers.generation.filters.copies import CopiedPrompt


def test_the_answer_of_an_example_is_a_copy() -> None:
    leaf = freeform_leaf()
    copied = a_row(leaf, question="Write a line about owls.", answer=leaf.seeds[0].answer.lower())
    assert reason(CopiedPrompt(), copied, "answer") == "The answer is copied from an example in the prompt."
    own = a_row(leaf, question="Write a line about owls.", answer="Two owls spoke above the barn all night.")
    assert reason(CopiedPrompt(), own, "answer") is None


def test_a_short_answer_may_be_the_same() -> None:
    leaf = freeform_leaf()
    short = leaf.model_copy(update={"seeds": tuple(seed.model_copy(update={"answer": "Yes."}) for seed in leaf.seeds)})
    assert reason(CopiedPrompt(), a_row(short, question="Is it so?", answer="Yes."), "answer") is None


def test_the_text_of_an_example_is_a_copy() -> None:
    leaf = grounded_leaf()
    assert reason(CopiedPrompt(), a_row(leaf, context=leaf.seeds[1].context), "context")


def test_the_description_of_the_task_is_no_question() -> None:
    leaf = freeform_leaf().model_copy(update={"task_description": "Write one line about a small subject."})
    assert reason(CopiedPrompt(), a_row(leaf, question="Write one line about a small subject!"), "question")
