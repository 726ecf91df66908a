"""Plans pin, hold out, hash, and name artifacts by what decides them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy_app.rounds.planning import (
    LeafChoice,
    SeedHistory,
    may_change,
    plan_build,
    planned_leaf,
    recipe_with,
    stage_outlines,
)
from taxonomy_repo.leaf import KnowledgeSeed, Leaf, QuestionAnswer, SeedExample
from tests.taxonomy_app.rounds.making import tiny_recipe
from workers.planning import seed_fingerprint
from workers.specs import LeafKind, LeafPin, ModelReference, RoundPlan, SeedPair, StageKind, TeacherReference

BUNDLED = ModelReference(name="bundled:smollm2-135m-instruct")


def choice(name: str, *, seeds: int = 8, history: SeedHistory = SeedHistory()) -> LeafChoice:  # noqa: B008 - frozen
    return LeafChoice(
        leaf_id=f"id-{name}",
        path=f"compositional_skills/{name}",
        kind=LeafKind.FREEFORM,
        blob=f"blob-{name}",
        seeds=tuple(f"{name}{n}" for n in range(seeds)),
        history=history,
    )


def plan(**changes: Any) -> RoundPlan:
    arguments: dict[str, Any] = {
        "taxonomy_commit": "c" * 40,
        "choices": [choice("haiku"), choice("sonnet")],
        "teacher": TeacherReference(),
        "student": BUNDLED,
        "recipe": tiny_recipe(),
        "random_seed": 1,
        "code_version": "1",
    }
    return plan_build(**{**arguments, **changes})


def outputs(made: RoundPlan, **changes: Any) -> dict[StageKind, str]:
    arguments: dict[str, Any] = {"data_blobs": {}, "earlier": {}, "family": "first"}
    return {outline.kind: outline.output for outline in stage_outlines(made, **{**arguments, **changes})}


def test_the_same_inputs_give_the_same_hash_in_any_order() -> None:
    assert plan().hash == plan(choices=[choice("sonnet"), choice("haiku")]).hash


@pytest.mark.parametrize(
    "change",
    [
        {"taxonomy_commit": "d" * 40},
        {"choices": [choice("haiku")]},
        {"teacher": TeacherReference(source="vllm")},
        {"student": ModelReference(name="artifact:x")},
        {"recipe": tiny_recipe(samples=5)},
        {"random_seed": 2},
        {"code_version": "2"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_part_of_the_plan_changes_the_hash(change: dict[str, Any]) -> None:
    assert plan(**change).hash != plan().hash


def test_a_seed_held_out_once_stays_so_and_one_that_taught_never_is() -> None:
    first = plan(choices=[choice("haiku")]).leaves[0]
    taught = {f"haiku{n}" for n in range(8)} - set(first.held_out)
    history = SeedHistory(frozenset(first.held_out), frozenset(taught))
    later = plan(choices=[choice("haiku", seeds=16, history=history)]).leaves[0]
    assert set(first.held_out) <= set(later.held_out)
    assert not set(later.held_out) & taught
    assert len(later.held_out) > len(first.held_out)


def test_another_student_keeps_the_generated_samples_and_nothing_after() -> None:
    one, other = outputs(plan()), outputs(plan(student=ModelReference(name="artifact:tuning-1")))
    assert one[StageKind.GENERATION] == other[StageKind.GENERATION]
    assert all(one[kind] != other[kind] for kind in one if kind != StageKind.GENERATION)


def test_another_evaluation_keeps_everything_before() -> None:
    recipe = recipe_with(tiny_recipe(), benchmark_limit=9)
    one, other = outputs(plan()), outputs(plan(recipe=recipe))
    assert {kind for kind in one if one[kind] != other[kind]} == {StageKind.EVALUATION}


def test_leaving_out_the_control_keeps_the_tuned_student() -> None:
    one, other = outputs(plan()), outputs(plan(recipe=recipe_with(tiny_recipe(), control=False)))
    assert one[StageKind.TUNING] == other[StageKind.TUNING]
    assert one[StageKind.MIXTURE] != other[StageKind.MIXTURE]
    assert StageKind.CONTROL not in other


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": tiny_recipe(samples=5)},
        {"random_seed": 2},
        {"code_version": "2"},
        {"choices": [choice("haiku")]},
        {"teacher": TeacherReference(model=ModelReference(name="a/b", revision="f" * 40))},
        {"teacher": TeacherReference(profile="chat")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_decides_the_samples_names_them_anew(change: dict[str, Any]) -> None:
    assert outputs(plan(**change))[StageKind.GENERATION] != outputs(plan())[StageKind.GENERATION]


def test_new_data_of_a_foundational_leaf_is_noticed() -> None:
    assert outputs(plan(), data_blobs={"id-haiku": "b"})[StageKind.MIXTURE] != outputs(plan())[StageKind.MIXTURE]


def test_how_fast_and_where_the_teacher_is_asked_keeps_the_samples_within_a_family() -> None:
    slow = TeacherReference(source="endpoint", url="http://a/v1", max_in_flight=1, model=ModelReference(name="m/m"))
    fast = slow.model_copy(update={"url": "http://b/v1", "max_in_flight": 64})
    one, other = outputs(plan(teacher=slow)), outputs(plan(teacher=fast))
    assert one[StageKind.GENERATION] == other[StageKind.GENERATION]
    assert outputs(plan(teacher=fast), family="second")[StageKind.GENERATION] != one[StageKind.GENERATION]


def test_a_model_that_may_change_is_shared_within_its_family_only() -> None:
    folder = plan(student=ModelReference(name="/models/mine"))
    one, other = outputs(folder), outputs(folder, family="second")
    assert one[StageKind.GENERATION] == other[StageKind.GENERATION]
    assert one[StageKind.TUNING] != other[StageKind.TUNING]
    assert outputs(plan()) == outputs(plan(), family="second")


def test_names_that_may_come_to_mean_something_else_are_known() -> None:
    assert not may_change(BUNDLED)
    assert not may_change(ModelReference(name="artifact:tuning-1"))
    assert not may_change(ModelReference(name="org/model", revision="0" * 40))
    assert may_change(ModelReference(name="org/model", revision="main"))
    assert may_change(ModelReference(name="/models/mine"))


def test_a_recipe_with_own_numbers_is_checked_like_any_other() -> None:
    assert recipe_with(tiny_recipe(), samples_per_leaf=50).generation.samples_per_leaf == 50
    assert recipe_with(tiny_recipe(), control=False).tuning.control == "none"
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        recipe_with(tiny_recipe(), samples_per_leaf=0)


KNOWLEDGE = Leaf(
    version=3,
    created_by="rosa",
    task_description="",
    domain="history",
    document_outline="The salt road",
    seed_examples=(
        KnowledgeSeed(
            "Peat was burned.", (QuestionAnswer("What burned?", "Peat."), QuestionAnswer("Until when?", "1958."))
        ),
        KnowledgeSeed("Salt was sold.", (QuestionAnswer("What was sold?", "Salt."),)),
    ),
)


def test_held_out_seeds_are_kept_apart_and_contexts_stay_together() -> None:
    held = seed_fingerprint("Until when?", "Peat was burned.")
    pin = LeafPin(leaf_id="l", path="knowledge/salt", blob="b", held_out=(held,))
    made = planned_leaf(pin, KNOWLEDGE, kind=LeafKind.KNOWLEDGE)
    assert [pair.question for pair in made.held_out] == ["Until when?"]
    assert [(pair.question, pair.context_index) for pair in made.seeds] == [("What burned?", 0), ("What was sold?", 1)]


def test_a_held_out_question_does_not_come_back_through_the_data() -> None:
    leaf = Leaf(3, "rosa", "Add numbers.", (SeedExample("1 + 1?", "2"), SeedExample("1 + 2?", "3")))
    held = seed_fingerprint("1 + 2?")
    data = [SeedPair(fingerprint=seed_fingerprint(q), question=q, answer="x") for q in ("1 + 2?", "2 + 2?")]
    pin = LeafPin(leaf_id="l", path="foundational_skills/sums", blob="b", held_out=(held,))
    made = planned_leaf(pin, leaf, kind=LeafKind.FOUNDATIONAL, data=data)
    assert [pair.question for pair in made.data] == ["2 + 2?"]


def test_a_plan_that_holds_out_what_is_not_there_is_refused() -> None:
    pin = LeafPin(leaf_id="l", path="knowledge/salt", blob="b", held_out=("nowhere",))
    with pytest.raises(ValueError, match="does not have"):
        planned_leaf(pin, KNOWLEDGE, kind=LeafKind.KNOWLEDGE)


@given(
    seeds=st.integers(1, 30),
    share=st.floats(0.0, 0.9),
    before=st.sets(st.integers(0, 29)),
    taught=st.sets(st.integers(0, 29)),
)
@settings(deadline=None)
def test_something_is_always_left_to_teach(seeds: int, share: float, before: set[int], taught: set[int]) -> None:
    history = SeedHistory(frozenset(f"haiku{n}" for n in before - taught), frozenset(f"haiku{n}" for n in taught))
    recipe = recipe_with(tiny_recipe(), held_out_share=share)
    pin = plan(choices=[choice("haiku", seeds=seeds, history=history)], recipe=recipe).leaves[0]
    assert len(pin.held_out) < seeds
    assert not set(pin.held_out) & history.taught


def test_a_leaf_of_an_earlier_round_is_scored_and_does_not_teach() -> None:
    earlier = choice("limerick", history=SeedHistory(held_out=frozenset({"limerick3", "gone"}), taught=frozenset()))
    never_held = choice("ode", history=SeedHistory(taught=frozenset({"ode1"})))
    made = plan(scored=[earlier, never_held])
    pins = {pin.path: pin for pin in made.leaves}
    assert "compositional_skills/ode" not in pins
    pin = pins["compositional_skills/limerick"]
    assert (pin.teaches, pin.held_out) == (False, ("limerick3",))
    assert all(other.teaches for path, other in pins.items() if path != pin.path)
    assert made.hash != plan().hash


def test_of_a_leaf_that_is_only_scored_the_workers_see_the_held_out_seeds() -> None:
    seeds = tuple(SeedExample(question=f"Ask {n}", answer=f"Say {n}") for n in range(4))
    leaf = Leaf(version=3, created_by="rosa", task_description="Answer.", seed_examples=seeds)
    held = seed_fingerprint("Ask 2")
    pin = LeafPin(leaf_id="a", path="compositional_skills/a", blob="b", held_out=(held,), teaches=False)
    data = (SeedPair(fingerprint="f", question="More", answer="data"),)
    seen = planned_leaf(pin, leaf, kind=LeafKind.FREEFORM, data=data)
    assert [pair.question for pair in seen.held_out] == ["Ask 2"]
    assert not seen.teaches
    assert (seen.seeds, seen.documents, seen.data) == ((), (), ())


@pytest.mark.parametrize(
    ("judge", "expected"),
    [(None, (True, "token")), ("written", (True, "written")), ("token", (True, "token")), ("none", (False, "token"))],
)
def test_how_rows_are_judged_can_be_chosen(judge: str | None, expected: tuple[bool, str]) -> None:
    made = recipe_with(tiny_recipe(), judge=judge).generation
    assert (made.judge, made.judge_form) == expected
