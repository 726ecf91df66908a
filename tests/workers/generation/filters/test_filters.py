"""A filter that would drop a leaf's own seeds does not fit the leaf and is set aside there."""

from __future__ import annotations

import pytest

from tests.workers.generation.filters.rows import a_row, memory_of
from tests.workers.generation.leaves import freeform_leaf, knowledge_leaf
from workers.generation.filters import all_filters, apply
from workers.generation.rows import Dropped


def test_no_filter_is_set_aside_for_ordinary_leaves() -> None:
    for leaf in (knowledge_leaf(), freeform_leaf()):
        assert memory_of(leaf, filters=tuple(all_filters().values())).set_aside == ()


def test_a_leaf_about_declining_keeps_its_declining_answers() -> None:
    leaf = freeform_leaf()
    polite = tuple(seed.model_copy(update={"answer": f"I am sorry, not {n}."}) for n, seed in enumerate(leaf.seeds))
    declining = leaf.model_copy(update={"seeds": polite})
    memory = memory_of(declining, filters=tuple(all_filters().values()))
    assert memory.set_aside == ("refusal",)
    row = a_row(declining, question="Decline a third coffee.", answer="I am sorry, two were plenty.")
    apply(tuple(all_filters().values()), row, "answer", memory)
    row.leaf = leaf
    with pytest.raises(Dropped) as caught:
        apply(tuple(all_filters().values()), row, "answer", memory_of(leaf, filters=tuple(all_filters().values())))
    assert caught.value.filter == "refusal"


def test_every_filter_has_a_name_of_its_own() -> None:
    names = [rule.name for rule in tuple(all_filters().values())]
    assert len(names) == len(set(names))
