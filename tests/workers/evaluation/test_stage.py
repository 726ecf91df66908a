"""The evaluation of a round on tiny models, with real processes."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.workers.planning_data import settings_in, some_leaves, some_plan, some_spec, store_with_plan
from workers.evaluation import stage
from workers.evaluation.stage import SCORES_FILE, part_name, run
from workers.model_folder import ModelProblem
from workers.specs import EvaluationResult, ModelReference, Progress, StageKind, StageSpec
from workers.stages import RESULT_FILE, StageCancelled, StageContext, StageFailure

pytestmark = [pytest.mark.model, pytest.mark.timeout(400)]


class Round:
    """A round's surroundings with tuned students; counts what the scoring processes were asked."""

    def __init__(self, folder: Path, before: Path, after: Path) -> None:
        self.settings = settings_in(folder)
        plan = some_plan()
        self.plan = plan.model_copy(update={"student": ModelReference(name=str(before))})
        self.store = store_with_plan(self.settings, self.plan)
        self.progress: list[Progress] = []
        for name, student in (("tuning-1", after), ("control-1", before)):
            artifact = self.store.artifact(name)
            for file in student.iterdir():
                artifact.put_file(f"student/{file.name}", file)
            artifact.finish(kind="tuning")

    def context(self, cancelled: Callable[[], bool] = lambda: False, **evaluation: Any) -> StageContext:
        recipe = self.plan.recipe
        asked = recipe.evaluation.model_copy(update=evaluation)
        plan = self.plan.model_copy(update={"recipe": recipe.model_copy(update={"evaluation": asked})})
        return StageContext(
            settings=self.settings,
            store=self.store,
            plan=plan,
            leaves=some_leaves(),
            report=self.progress.append,
            cancelled=cancelled,
        )

    def spec(self, attempt: int = 1, **inputs: str) -> StageSpec:
        made = some_spec(StageKind.EVALUATION, attempt=attempt, output="evaluation-1")
        return made.model_copy(update={"inputs": inputs or {"tuning": "tuning-1", "control": "control-1"}})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """For each scoring process that was started, what it was to measure."""
    found: list[list[str]] = []
    real = stage.start_child

    def noted(command: Any, **more: Any) -> Any:
        spec = json.loads(Path(command[-1]).read_text(encoding="utf-8"))
        found.append([spec["subject"], *spec["measures"]])
        return real(command, **more)

    monkeypatch.setattr(stage, "start_child", noted)
    return found


@pytest.fixture
def round_(tmp_path: Path, model_folder: Path, other_model_folder: Path) -> Round:
    return Round(tmp_path, model_folder, other_model_folder)


def test_a_round_is_scored_compared_and_finished(round_: Round, asked: list[list[str]]) -> None:
    answer = run(round_.spec(), round_.context(benchmarks=("everyday_science",), limit=6))
    artifact = round_.store.artifact("evaluation-1")
    assert artifact.complete
    assert artifact.read_json(RESULT_FILE) == json.loads(json.dumps(answer))
    result = EvaluationResult.model_validate_json(artifact.read_text(SCORES_FILE))
    assert {s.subject for s in result.scores} == {"before", "after", "control"}
    assert {s.scope for s in result.scores} == {"leaf", "general", "benchmark"}
    assert len(result.scores) == 3 * 4
    assert {(c.first, c.second) for c in result.comparisons} >= {("before", "after"), ("control", "after")}
    assert answer["leaves"]["scored"] == 2
    # The control is the very model that was there before: nothing has changed.
    unchanged = [c for c in result.comparisons if (c.first, c.second) == ("before", "control")]
    assert [c.difference for c in unchanged] == pytest.approx([0.0] * 4, abs=1e-6)
    total = 3 * (5 + 40 + 6)
    assert {p.total for p in round_.progress} == {total}
    counts = [p.done for p in round_.progress]
    assert counts == sorted(counts)
    assert 0 <= counts[0] <= counts[-1] <= total
    assert len(asked) == 3


def test_a_new_attempt_asks_only_what_is_missing(round_: Round, asked: list[list[str]]) -> None:
    run(round_.spec(), round_.context())
    first = round_.store.artifact("evaluation-1")
    again = round_.store.artifact("evaluation-2")
    for name in (part_name("before", "held_out"), part_name("before", "general"), part_name("after", "held_out")):
        again.write_bytes(name, first.read_bytes(name))
    asked.clear()
    run(round_.spec(attempt=2).model_copy(update={"output": "evaluation-2"}), round_.context())
    assert asked == [["after", "general"], ["control", "held_out", "general"]]
    scores = [json.loads(a.read_text(SCORES_FILE))["scores"] for a in (first, again)]
    assert scores[0] == scores[1]


def test_the_student_before_is_not_asked_again_in_the_next_round(round_: Round, asked: list[list[str]]) -> None:
    run(round_.spec(tuning="tuning-1"), round_.context())
    asked.clear()
    next_round = round_.spec(tuning="tuning-1").model_copy(update={"output": "evaluation-2"})
    run(next_round, round_.context(benchmarks=("everyday_science",), limit=3))
    assert asked == [
        ["before", "benchmark-everyday_science"],
        ["after", "held_out", "general", "benchmark-everyday_science"],
    ]
    asked.clear()
    other_items = (some_leaves()[0].model_copy(update={"held_out": some_leaves()[0].held_out[:2]}),)
    context = dataclasses.replace(round_.context(), leaves=other_items)
    run(round_.spec(tuning="tuning-1").model_copy(update={"output": "evaluation-3"}), context)
    assert asked[0] == ["before", "held_out"]


def test_a_cancelled_evaluation_stops_within_seconds_and_leaves_no_process(round_: Round) -> None:
    began = time.monotonic()
    asked_to_stop: list[float] = []

    def cancelled() -> bool:
        if time.monotonic() - began > 1.0 and not asked_to_stop:
            asked_to_stop.append(time.monotonic())
        return bool(asked_to_stop)

    with pytest.raises(StageCancelled):
        run(round_.spec(), round_.context(cancelled))
    # Not the time that scoring would have taken: the process is stopped where it is.
    assert time.monotonic() - asked_to_stop[0] < 60
    assert not round_.store.artifact("evaluation-1").complete


def test_a_student_that_is_no_model_is_said_before_anything_is_scored(round_: Round, asked: list[list[str]]) -> None:
    broken = round_.store.artifact("broken-1")
    broken.write_text("student/config.json", "{}")
    broken.finish(kind="tuning")
    with pytest.raises(ModelProblem):
        run(round_.spec(tuning="broken-1"), round_.context())
    assert asked == []


def test_missing_benchmark_data_is_said_before_anything_is_scored(
    round_: Round, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEEDBED_BENCHMARKS", raising=False)
    with pytest.raises(StageFailure, match="SEEDBED_BENCHMARKS") as failure:
        run(round_.spec(), round_.context(benchmarks=("arc_challenge",)))
    assert failure.value.problem.code == "benchmark"
    assert asked == []


def test_a_scoring_process_that_is_killed_is_a_failure_worth_retrying(
    round_: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = stage.start_child

    def killed(_command: Any, **more: Any) -> Any:
        return real(["sh", "-c", "kill -9 $$"], **more)

    monkeypatch.setattr(stage, "start_child", killed)
    with pytest.raises(StageFailure) as failure:
        run(round_.spec(), round_.context())
    assert (failure.value.problem.code, failure.value.problem.retry) == ("scoring", True)


def test_seeds_that_could_not_be_scored_are_told_by_leaf_and_counted_once(tmp_path: Path) -> None:
    artifact = store_with_plan(settings_in(tmp_path), some_plan()).artifact("evaluation-1")
    rows = [{"leaf": "a", "item_id": "1", "left_out": "it is long"}, {"leaf": "a", "item_id": "2", "tokens": 3}]
    for subject in ("before", "after"):
        artifact.write_json(part_name(subject, "held_out"), {"scores": [], "rows": rows})
    assert stage.left_out(artifact, ("before", "after", "control")) == {"a": ["it is long"]}
