"""Seeds, held-out seeds and earlier samples do not come again."""

from __future__ import annotations

import pytest

from tests.workers.generation.filters.rows import a_row, memory_of, reason
from tests.workers.generation.leaves import freeform_leaf, grounded_leaf, knowledge_leaf, pair
from workers.generation.filters import held_out_index, new_memory
from workers.generation.filters.duplicates import Duplicate, HeldOut
from workers.specs import GenerationRecipe


def test_a_seed_asked_again_is_a_duplicate() -> None:
    leaf = knowledge_leaf()
    again = a_row(leaf, question=leaf.seeds[0].question.upper())
    assert reason(Duplicate(), again, "question") == "The question is the same as a seed."
    assert reason(Duplicate(), a_row(leaf, question="Why is there a meadow beside the kettle?"), "question") is None


def test_an_earlier_question_of_the_leaf_is_a_duplicate() -> None:
    leaf = freeform_leaf()
    memory = memory_of(leaf)
    row = a_row(leaf, question="Write a line about the smell of old books in a cellar.")
    assert reason(Duplicate(), row, "question", memory) is None
    memory.remember(row.question, None)
    again = a_row(leaf, question="Write a line about the smell of old books in the cellar!")
    assert "nearly the same as an earlier sample" in (reason(Duplicate(), again, "question", memory) or "")


def test_the_same_question_on_another_text_is_another_row() -> None:
    leaf = grounded_leaf()
    memory = memory_of(leaf)
    first = a_row(
        leaf, question="Who sails, and when?", context="Karin takes the small ferry across on Sunday evening."
    )
    assert reason(Duplicate(), first, "question", memory) is None
    memory.remember(first.question, first.context)
    other = a_row(leaf, question="Who sails, and when?", context="No boat leaves before the storm is over, says Per.")
    assert reason(Duplicate(), other, "question", memory) is None


@pytest.mark.parametrize("leaf", [knowledge_leaf(), freeform_leaf(), grounded_leaf()], ids=lambda leaf: leaf.kind.value)
def test_a_held_out_seed_is_never_taught(leaf: object) -> None:
    seed = leaf.held_out[0]  # type: ignore[attr-defined]
    context = seed.context if leaf.kind == "grounded" else None  # type: ignore[attr-defined]
    row = a_row(leaf, question=seed.question.replace("?", " ?"), context=context)  # type: ignore[arg-type]
    assert "held-out seed" in (reason(HeldOut(), row, "question") or "")


def test_a_held_out_seed_of_another_leaf_is_not_taught_either() -> None:
    leaf, other = freeform_leaf(), knowledge_leaf()
    memory = new_memory(leaf, GenerationRecipe(), held_out=held_out_index([leaf, other]))
    row = a_row(leaf, question=other.held_out[0].question)
    assert other.path in (reason(HeldOut(), row, "question", memory) or "")


def test_rows_may_be_as_alike_as_the_leafs_own_seeds() -> None:
    measures = tuple(pair(f"Label the measure with its sign: {n} kilometres", f"{n} km") for n in (5, 12, 30, 48))
    leaf = freeform_leaf().model_copy(update={"seeds": measures})
    row = a_row(leaf, question="Label the measure with its sign: 77 kilometres")
    assert reason(Duplicate(), row, "question") is None
    assert "the same" in (reason(Duplicate(), a_row(leaf, question=measures[0].question), "question") or "")
