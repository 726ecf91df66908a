"""Held-out seeds: what is shown, what is scored, what hangs together."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.workers.planning_data import pair, some_leaves
from workers.evaluation.held_out import item_cluster, question_text, score_held_out
from workers.evaluation.likelihood import answer_logprobs, chat_continuation
from workers.specs import LeafKind, Message

KNOWLEDGE, GROUNDED, FREEFORM = some_leaves()


def test_a_grounded_question_comes_with_its_context_and_a_knowledge_question_without() -> None:
    assert question_text(GROUNDED, GROUNDED.held_out[0]) == "The sailmaker mends nets in winter.\n\nWhat is mended?"
    assert question_text(KNOWLEDGE, KNOWLEDGE.held_out[0]) == "When does the ferry leave?"


def test_questions_on_one_knowledge_context_are_a_cluster() -> None:
    assert [item_cluster(KNOWLEDGE, seed) for seed in KNOWLEDGE.held_out] == ["context-0", "context-0", "context-1"]
    assert {item_cluster(GROUNDED, seed) for seed in GROUNDED.held_out} == {""}
    assert item_cluster(FREEFORM, FREEFORM.seeds[0]) == ""


def test_a_leaf_is_scored_by_the_mean_probability_of_its_reference_answers(loaded: Any) -> None:
    scores, rows = score_held_out(loaded, some_leaves(), "after")
    assert [(score.name, len(score.items)) for score in scores] == [(KNOWLEDGE.path, 3), (GROUNDED.path, 2)]
    for leaf, score in zip((KNOWLEDGE, GROUNDED), scores, strict=True):
        for seed in leaf.held_out:
            message = Message(role="user", content=question_text(leaf, seed))
            values = answer_logprobs(loaded, [chat_continuation(loaded.tokenizer, [message], seed.answer)])[0]
            item = next(item for item in score.items if item.item_id == seed.fingerprint)
            assert item.value == pytest.approx(math.fsum(values) / len(values), abs=1e-4)
            assert item.value < 0
    assert {row["question"] for row in rows} >= {"When does the ferry leave?"}
    assert all(row["tokens"] > 0 for row in rows)


def test_taught_seeds_are_never_scored(loaded: Any) -> None:
    scores, _ = score_held_out(loaded, some_leaves(), "after")
    taught = {seed.fingerprint for leaf in some_leaves() for seed in leaf.seeds}
    assert not taught & {item.item_id for score in scores for item in score.items}


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [("Why? " * 900, "So.", "longer than the 1024 tokens"), ("Why?", " ", "its answer has no text")],
)
def test_a_seed_that_cannot_be_scored_is_left_out_by_name_and_costs_the_others_nothing(
    question: str, answer: str, why: str, loaded: Any
) -> None:
    odd = pair(question, answer)
    mixed = KNOWLEDGE.model_copy(update={"held_out": (odd, *KNOWLEDGE.held_out)})
    scores, rows = score_held_out(loaded, [mixed, GROUNDED], "after")
    assert scores == score_held_out(loaded, [KNOWLEDGE, GROUNDED], "after")[0]
    assert [row["item_id"] for row in rows if "left_out" in row] == [odd.fingerprint]
    assert why in rows[0]["left_out"]
    alone = KNOWLEDGE.model_copy(update={"held_out": (odd,)})
    assert score_held_out(loaded, [alone], "after")[0] == []


def test_every_kind_of_leaf_says_what_is_shown() -> None:
    for kind in LeafKind:
        leaf = GROUNDED.model_copy(update={"kind": kind})
        assert ("sailmaker" in question_text(leaf, GROUNDED.held_out[0])) == (kind is LeafKind.GROUNDED)
