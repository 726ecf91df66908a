"""What a stage is given."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from tests.workers.planning_data import PLAN, settings_in, some_leaves, some_plan, some_spec, store_with_plan
from workers.artifacts import ArtifactProblem, ArtifactStore
from workers.specs import StageKind, StageProblem
from workers.stages import (
    RESULT_FILE,
    StageCancelled,
    StageContext,
    StageFailure,
    read_plan,
    stage_finish,
    stage_function,
    stage_registry,
)


def context_in(folder: Path) -> StageContext:
    settings = settings_in(folder)
    store = store_with_plan(settings)
    return StageContext(settings=settings, store=store, plan=some_plan(), leaves=some_leaves())


def test_a_plan_is_read_as_it_was_written(tmp_path: Path) -> None:
    store = store_with_plan(settings_in(tmp_path))
    assert read_plan(store, PLAN) == (some_plan(), some_leaves())


def test_a_plan_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ArtifactProblem, match="not in this worker's artifact store"):
        read_plan(ArtifactStore(f"file://{tmp_path}"), PLAN)


def test_a_plan_of_another_version_names_what_is_wrong(tmp_path: Path) -> None:
    artifact = ArtifactStore(f"file://{tmp_path}").artifact(PLAN)
    artifact.write_json("plan.json", {**some_plan().model_dump(mode="json"), "novelty": 1})
    artifact.write_text("leaves.jsonl", "")
    artifact.finish(kind="plan")
    with pytest.raises(ArtifactProblem, match=r"novelty.*same version"):
        read_plan(artifact.store, PLAN)


def test_every_kind_of_stage_has_a_function() -> None:
    assert set(stage_registry) == set(StageKind)


def test_a_stage_is_imported_by_its_path() -> None:
    found = stage_function(StageKind.MIXTURE, {StageKind.MIXTURE: "json.dumps"})
    assert found.__module__ == "json"


def test_check_stops_a_stage_that_is_asked_to_stop(tmp_path: Path) -> None:
    context_in(tmp_path).check()
    asked = StageContext(**{**vars(context_in(tmp_path)), "cancelled": lambda: True})
    with pytest.raises(StageCancelled):
        asked.check()


def test_a_failure_keeps_its_problem_on_its_way_through_a_process() -> None:
    failure = StageFailure(StageProblem(code="x", message="A sentence."))
    assert pickle.loads(pickle.dumps(failure)).problem == failure.problem


def test_a_finished_stage_keeps_its_result(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    spec = some_spec()
    stage_finish(spec, context, {"samples": 3})
    artifact = context.store.artifact(spec.output)
    assert artifact.complete
    assert artifact.read_json(RESULT_FILE) == {"samples": 3}
    assert artifact.manifest()["inputs"] == {"plan": PLAN}
    stage_finish(spec, context, {"samples": 4})
    assert artifact.read_json(RESULT_FILE) == {"samples": 3}
