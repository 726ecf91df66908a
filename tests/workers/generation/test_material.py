"""What requests are shown: drawn before anything is asked, the same for the same seed, never a held-out seed."""

from __future__ import annotations

import itertools
import random
from collections import Counter

from tests.workers.generation.leaves import all_leaves, freeform_leaf, grounded_leaf, knowledge_leaf
from workers.generation.documents import chunks_of
from workers.generation.material import Deck, Material, material_of, plans_of
from workers.generation.rows import RowPlan
from workers.specs import PlannedLeaf


def material(leaf: PlannedLeaf) -> Material:
    return material_of(leaf, 0, chunks_of(leaf.documents, chunk_tokens=30, count=lambda text: len(text.split())))


def plans(leaf: PlannedLeaf, count: int = 40, seed: int = 7) -> list[RowPlan]:
    return list(itertools.islice(plans_of(material(leaf), random_seed=seed), count))


def test_cards_do_not_come_again_before_all_have_come() -> None:
    deck = Deck(range(5), random.Random(1))
    drawn = [deck.draw() for _ in range(20)]
    assert all(set(drawn[start : start + 5]) == set(range(5)) for start in range(0, 20, 5))


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    for leaf in all_leaves()[:3]:
        assert plans(leaf) == plans(leaf)
        assert plans(leaf) != plans(leaf, seed=8)


def test_leaves_draw_independently_of_one_another() -> None:
    alone = plans(knowledge_leaf())
    other = [plan.seed for plan in plans(knowledge_leaf("others"))]
    assert [plan.seed for plan in alone] != other


def test_no_plan_holds_a_held_out_seed() -> None:
    for leaf in all_leaves()[:3]:
        held = {seed.fingerprint for seed in leaf.held_out}
        assert held
        for plan in plans(leaf, 200):
            assert plan.shown
            assert not held & {pair.fingerprint for pair in plan.shown}


def test_a_held_out_seed_among_the_seeds_is_left_out_as_well() -> None:
    leaf = knowledge_leaf()
    muddled = leaf.model_copy(update={"seeds": (*leaf.seeds, *leaf.held_out)})
    assert [plan.shown for plan in plans(muddled)] == [plan.shown for plan in plans(leaf)]


def test_a_target_is_not_one_of_the_examples() -> None:
    for plan in plans(knowledge_leaf(), 100):
        assert plan.target is not None
        assert len(plan.examples) == 2
        assert not any(plan.target.text.split() == (group.context or "").split() for group in plan.examples)


def test_the_pair_shown_of_the_target_is_its_own() -> None:
    found = [plan for plan in plans(knowledge_leaf(), 60) if plan.own]
    assert found
    for plan in found:
        assert plan.target is not None
        assert plan.own[0].context is not None
        assert plan.own[0].context.split() == plan.target.text.split()


def test_every_chunk_is_asked_about_as_often_as_any_other() -> None:
    counts = Counter(plan.target.start for plan in plans(knowledge_leaf(), 120) if plan.target)
    assert len(counts) == 5
    assert max(counts.values()) - min(counts.values()) <= 15


def test_a_leaf_without_documents_is_asked_about_its_contexts() -> None:
    bare = knowledge_leaf().model_copy(update={"documents": ()})
    assert {plan.target.text for plan in plans(bare, 60) if plan.target} == {seed.context for seed in bare.seeds}


def test_half_of_the_rows_are_to_have_long_answers() -> None:
    assert Counter(plan.length for plan in plans(knowledge_leaf())) == {"short": 20, "long": 20}


def test_skill_examples_are_different_seeds_and_all_are_used() -> None:
    for leaf in (grounded_leaf(), freeform_leaf()):
        found = plans(leaf, 30)
        assert all(len({group.pairs[0].fingerprint for group in plan.examples}) == 3 for plan in found)
        assert {pair.fingerprint for plan in found for pair in plan.shown} == {seed.fingerprint for seed in leaf.seeds}


def test_a_leaf_without_seeds_has_no_plan_and_one_with_a_single_seed_has() -> None:
    leaf = freeform_leaf()
    assert plans(leaf.model_copy(update={"seeds": ()})) == []
    assert len(plans(leaf.model_copy(update={"seeds": leaf.seeds[:1]}), 5)) == 5
    knowledge = knowledge_leaf()
    assert len(plans(knowledge.model_copy(update={"seeds": knowledge.seeds[:1]}), 5)) == 5
