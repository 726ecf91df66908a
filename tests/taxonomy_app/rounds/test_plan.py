"""A round is planned from the indexed taxonomy, started, and written down for the workers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from taxonomy_app.people.models import User
from taxonomy_app.rounds import services
from taxonomy_app.rounds.models import Round, RoundState
from taxonomy_app.rounds.services.plan import PREPARE_TASK, family_of, round_estimate
from taxonomy_app.rounds.services.record import artifact_store
from taxonomy_app.tree.models import Kind, Leaf, Seed
from tests.taxonomy_app.rounds.making import (
    NOW,
    FakeBroker,
    current_stage,
    make_leaf,
    make_round,
    make_running,
    run_all,
    tiny_recipe,
)
from workers.specs import ModelReference, PlannedLeaf, RoundPlan, TeacherReference

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("commits", "fake_broker")]
BUNDLED = ModelReference(name="bundled:smollm2-135m-instruct")


def test_planning_pins_and_runs_nothing(administrator: User, fake_broker: FakeBroker) -> None:
    planned = make_round(administrator)
    plan = planned.read_plan()
    assert planned.state == RoundState.PLANNED
    assert fake_broker.tasks == fake_broker.specs == []
    assert planned.plan_hash == plan.hash
    assert [pin.path for pin in plan.leaves] == [
        "compositional_skills/writing/haiku",
        "knowledge/history/salt_road",
    ]
    for leaf in planned.leaves.all():
        assert leaf.taught_count == len(leaf.taught) == 6 - len(leaf.held_out)
        assert len(leaf.held_out) == 2
        assert not set(leaf.taught) & set(leaf.held_out)


def test_the_same_inputs_give_the_same_hash_and_another_seed_another(administrator: User) -> None:
    one, two, three = (make_round(administrator, random_seed=seed) for seed in (7, 7, 8))
    assert one.plan_hash == two.plan_hash != three.plan_hash


def test_without_a_seed_a_round_takes_its_number(administrator: User) -> None:
    make_round(administrator)
    assert make_round(administrator, random_seed=None).read_plan().random_seed == 2


def test_held_out_seeds_stay_held_out_over_rounds_and_edits(administrator: User) -> None:
    leaf = make_leaf("compositional_skills/writing/haiku")
    first = make_running(administrator, leaves=[leaf]).leaves.get()
    Seed.objects.bulk_create(
        Seed(leaf=leaf, position=6 + n, group=n, fingerprint=f"new{n}", question="?", answer="!") for n in range(10)
    )
    second = make_round(administrator, leaves=[leaf]).leaves.get()
    assert set(first.held_out) <= set(second.held_out)
    assert not set(first.taught) & set(second.held_out)
    assert len(second.held_out) == 4


def test_a_round_cannot_start_if_another_shared_the_seeds_out_differently_meanwhile(administrator: User) -> None:
    leaf = make_leaf("compositional_skills/writing/haiku", seeds=12)
    few = tiny_recipe().model_copy(update={"held_out_share": 0.1, "held_out_least": 1})
    late = make_round(administrator, leaves=[leaf])
    make_running(administrator, leaves=[leaf], recipe=few)
    with pytest.raises(ValidationError, match="Plan again"):
        services.round_start(round=late, actor=administrator, now=NOW)
    again = make_round(administrator, leaves=[leaf], planned_from=late)
    services.round_start(round=again, actor=administrator, now=NOW)


def test_starting_twice_starts_once(administrator: User, fake_broker: FakeBroker) -> None:
    planned = make_round(administrator)
    services.round_start(round=planned, actor=administrator, now=NOW)
    with pytest.raises(ValidationError, match="already"):
        services.round_start(round=planned, actor=administrator, now=NOW)
    assert [name for name, _ in fake_broker.tasks] == [PREPARE_TASK]


def test_what_cannot_be_planned_is_refused_in_a_sentence(administrator: User) -> None:
    with pytest.raises(ValidationError, match="taxonomy is empty"):
        make_round(administrator, leaves=[])
    leaf = make_leaf("compositional_skills/writing/haiku")
    with pytest.raises(ValidationError, match="at least one leaf"):
        make_round(administrator, leaf_ids=[])
    broken = make_leaf("compositional_skills/writing/broken", seeds=0)
    with pytest.raises(ValidationError, match=r"writing/broken cannot be used"):
        make_round(administrator, leaves=[leaf, broken])
    Leaf.objects.filter(pk=leaf.pk).update(removed_at=NOW)
    with pytest.raises(ValidationError, match="no longer in the taxonomy"):
        make_round(administrator, leaves=[leaf])


def test_rounds_planned_from_one_another_are_a_family(administrator: User) -> None:
    first = make_round(administrator)
    second = make_round(administrator, planned_from=first)
    third = make_round(administrator, planned_from=second)
    assert family_of(third) == family_of(first) == str(first.pk)
    assert family_of(make_round(administrator)) != str(first.pk)


def test_a_student_from_here_brings_what_it_learnt_along(administrator: User, fake_broker: FakeBroker) -> None:
    first = make_running(administrator)
    run_all(fake_broker, first)
    stages = {stage.kind: stage for stage in first.stages.all()}
    tuned = ModelReference(name=f"artifact:{stages['tuning'].output_artifact}")
    second = make_running(administrator, student=tuned, random_seed=8)
    mixture = second.stages.get(kind="mixture")
    assert mixture.inputs["earlier:1"] == stages["mixture"].output_artifact
    # What the teacher wrote then is not to be written again, and is part of what names the new samples.
    generation = second.stages.get(kind="generation")
    assert generation.inputs == {"samples:1": stages["generation"].output_artifact}
    same_seed = make_round(administrator, random_seed=8)
    assert same_seed.stages.get(kind="generation").output_artifact != generation.output_artifact
    run_all(fake_broker, second)
    grandchild = ModelReference(name=f"artifact:{second.stages.get(kind='tuning').output_artifact}")
    third = make_round(administrator, student=grandchild, random_seed=9)
    assert set(third.stages.get(kind="mixture").inputs) == {"generation", "earlier:1", "earlier:2"}
    assert set(third.stages.get(kind="generation").inputs) == {"samples:1", "samples:2"}


def test_what_an_earlier_release_was_taught_is_scored_again(administrator: User, fake_broker: FakeBroker) -> None:
    haiku = make_leaf("compositional_skills/writing/haiku")
    first = make_running(administrator, leaves=[haiku])
    run_all(fake_broker, first)
    held = first.leaves.get().held_out
    assert held
    salt = make_leaf("compositional_skills/writing/salt")
    second = make_round(administrator, leaves=[salt], random_seed=9)
    pins = {pin.path: pin for pin in second.read_plan().leaves}
    assert pins[salt.path].teaches
    assert (pins[haiku.path].teaches, list(pins[haiku.path].held_out)) == (False, held)
    row = second.leaves.get(path=haiku.path)
    assert (row.taught_count, row.taught, row.held_out) == (0, [], held)
    # An unfinished round has taught nothing yet that a release could forget.
    assert make_round(administrator, leaves=[haiku], random_seed=10).leaves.count() == 1


def test_the_cost_is_labelled_as_a_guess_until_a_round_was_measured(
    administrator: User, fake_broker: FakeBroker
) -> None:
    leaves = [make_leaf("compositional_skills/writing/haiku"), make_leaf("knowledge/history/salt", kind=Kind.KNOWLEDGE)]
    arguments: dict[str, Any] = {
        "leaf_ids": [leaf.leaf_id for leaf in leaves],
        "recipe": tiny_recipe(),
        "teacher": TeacherReference(),
        "student": BUNDLED,
    }
    guess = round_estimate(**arguments)
    assert "No round has run here yet" in guess.basis
    assert guess.samples == 8
    run_all(fake_broker, make_running(administrator, leaves=leaves))
    measured = round_estimate(**arguments)
    assert measured.basis == "From the speed of earlier rounds on this installation."
    # Each of the five stages took 60 seconds, and the same work is to be done again.
    assert measured.seconds == pytest.approx(300, abs=1)
    assert (measured.requests, measured.prompt_tokens, measured.completion_tokens) == (24, 900, 200)


def test_the_plan_is_written_for_the_workers_with_seeds_documents_and_data(
    administrator: User, taxonomy: Any, fake_broker: FakeBroker
) -> None:
    planned = make_round(administrator, leaves=list(Leaf.objects.present()))
    services.round_start(round=planned, actor=administrator, now=NOW)
    assert services.round_prepare(round_id=planned.pk, now=NOW)
    planned.refresh_from_db()
    artifact = artifact_store().artifact(planned.plan_artifact)
    artifact.verify()
    assert RoundPlan.model_validate_json(artifact.read_text("plan.json")).hash == planned.plan_hash
    leaves = [PlannedLeaf.model_validate(json.loads(line)) for line in artifact.lines("leaves.jsonl")]
    assert [leaf.path for leaf in leaves] == [pin.path for pin in planned.read_plan().leaves]
    rows = {row.path: row for row in planned.leaves.all()}
    for leaf in leaves:
        assert [pair.fingerprint for pair in leaf.held_out] == rows[leaf.path].held_out
        assert {pair.fingerprint for pair in leaf.seeds} == set(rows[leaf.path].taught)
    knowledge = next(leaf for leaf in leaves if leaf.kind == "knowledge")
    assert knowledge.documents
    assert knowledge.documents[0].text
    assert fake_broker.specs[0].plan == planned.plan_artifact
    assert not services.round_prepare(round_id=planned.pk, now=NOW)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [([], "none of them is there"), ([("scan.md", " \n\n 12 \f\n")], "The document scan.md of")],
    ids=["gone", "without text"],
)
def test_documents_that_cannot_be_asked_about_fail_the_round_in_a_sentence_and_can_be_retried(
    found: list[tuple[str, str]],
    sentence: str,
    administrator: User,
    taxonomy: Any,
    fake_broker: FakeBroker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planned = make_round(administrator, leaves=list(Leaf.objects.present()))
    services.round_start(round=planned, actor=administrator, now=NOW)
    with monkeypatch.context() as patched:
        patched.setattr(type(taxonomy.documents), "read", lambda *_: found)
        assert not services.round_prepare(round_id=planned.pk, now=NOW)
    planned.refresh_from_db()
    assert planned.state == RoundState.FAILED
    assert sentence in planned.problem["message"]
    services.stage_retry(round=planned, actor=administrator, now=NOW)
    assert services.round_prepare(round_id=planned.pk, now=NOW)
    planned.refresh_from_db()
    assert planned.state == RoundState.RUNNING
    assert current_stage(planned).attempt == 1


def test_a_round_cancelled_while_its_plan_is_written_stays_cancelled(
    administrator: User, taxonomy: Any, fake_broker: FakeBroker
) -> None:
    planned = make_round(administrator, leaves=list(Leaf.objects.present()))
    services.round_start(round=planned, actor=administrator, now=NOW)
    services.round_cancel(round=planned, actor=administrator, now=NOW)
    assert not services.round_prepare(round_id=planned.pk, now=NOW)
    assert Round.objects.get(pk=planned.pk).state == RoundState.CANCELLED
    assert fake_broker.specs == []
