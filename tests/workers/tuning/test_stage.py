"""The tuning stages: what they leave in the artifact, what the watcher is told, stopping and going on."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.workers.tuning.test_mixture import LEAVES, a_plan, samples_of
from workers.artifacts import ArtifactProblem, ArtifactStore
from workers.environment import shared_settings
from workers.models import resolve
from workers.recipes import recipe
from workers.specs import (
    ModelReference,
    PhaseRecipe,
    Progress,
    RoundPlan,
    StageKind,
    StageReference,
    StageSpec,
    TuningRecipe,
)
from workers.stages import StageCancelled, StageContext, StageFailure
from workers.tuning import mixture, stage
from workers.tuning.metrics import read_records

# Each start of the program loads torch and transformers, which on a busy machine takes long.
pytestmark = pytest.mark.timeout(400)


def a_round(student: Path, *, epochs: float = 2, save_every: float = 1000.0) -> RoundPlan:
    phases = tuple(
        PhaseRecipe(name=name, epochs=epochs, learning_rate=3e-3, batch_samples=8, replay=replay, general_replay=0.1)
        for name, replay in (("knowledge_short", 0.0), ("knowledge_long", 0.2), ("skills", 0.2))
    )
    tuning = TuningRecipe(phases=phases, row_tokens=256, save_every_seconds=save_every, control="without_replay")
    plan = a_plan(used=recipe("quick").model_copy(update={"tuning": tuning}))
    return plan.model_copy(update={"student": ModelReference(name=str(student))})


class Round:
    """A worker's side of a round: a store, a mixture in it, and stages run with a context of the test's making."""

    def __init__(self, folder: Path, plan: RoundPlan) -> None:
        self.settings = shared_settings({"SEEDBED_VAR": str(folder)})
        self.store = ArtifactStore(self.settings.artifacts_url)
        self.plan = plan
        self.progress: list[Progress] = []
        generated = self.store.artifact("generation")
        generated.write_text("samples.jsonl", "".join(s.model_dump_json() + "\n" for s in samples_of(count=6)))
        generated.finish(kind="generation")
        spec = self.spec(StageKind.MIXTURE, {"generation": "generation"})
        mixture.run(spec, self.context(lambda: False))
        self.store.artifact(spec.output).finish(kind="mixture")

    def spec(self, kind: StageKind, inputs: dict[str, str], attempt: int = 1) -> StageSpec:
        reference = StageReference(round_id="r", stage_id=f"s-{kind}", kind=kind, attempt=attempt)
        return StageSpec(reference=reference, plan="plan", inputs=inputs, output=str(kind))

    def context(self, cancelled: Callable[[], bool]) -> StageContext:
        return StageContext(
            settings=self.settings,
            store=self.store,
            plan=self.plan,
            leaves=LEAVES,
            report=self.progress.append,
            cancelled=cancelled,
        )

    def tune(
        self, kind: StageKind = StageKind.TUNING, *, cancelled: Callable[[], bool] = lambda: False, attempt: int = 1
    ) -> dict[str, Any]:
        return stage.run(self.spec(kind, {"mixture": "mixture"}, attempt), self.context(cancelled))


@pytest.fixture(autouse=True)
def quiet_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The training program on one thread of the CPU, wherever the tests run."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, student: Path) -> tuple[Round, dict[str, Any]]:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    work = Round(tmp_path_factory.mktemp("round"), a_round(student))
    return work, work.tune()


def test_the_artifact_holds_the_student_its_phases_and_its_curve(tuned: tuple[Round, dict[str, Any]]) -> None:
    work, result = tuned
    artifact = work.store.artifact("tuning")
    names = artifact.names()
    assert {"student/config.json", "student/model.safetensors", "student/tokenizer.json", "curve.jsonl"} <= set(names)
    assert [name for name in names if name.startswith("phases/")] == [
        "phases/1-knowledge_short.json",
        "phases/2-knowledge_long.json",
        "phases/3-skills.json",
    ]
    assert not [name for name in names if name.startswith("parts/")], "checkpoints are no part of a finished artifact"
    points = [json.loads(line) for line in artifact.lines("curve.jsonl")]
    assert [point["step"] for point in points] == list(range(1, result["steps"] + 1))
    phase = artifact.read_json("phases/3-skills.json")
    assert phase["steps"] == len(phase["done"])
    artifact.finish(kind="tuning")
    assert resolve(ModelReference(name="artifact:tuning"), settings=work.settings, store=work.store).name == "student"


def test_the_result_tells_steps_tokens_speed_and_losses(tuned: tuple[Round, dict[str, Any]]) -> None:
    _, result = tuned
    assert [phase["name"] for phase in result["phases"]] == ["knowledge_short", "knowledge_long", "skills"]
    assert result["steps"] == sum(phase["steps"] for phase in result["phases"])
    assert result["tokens"] == sum(phase["tokens"] for phase in result["phases"])
    assert 0 < result["loss_tokens"] < result["tokens"]
    assert result["tokens_per_second"] == pytest.approx(result["tokens"] / result["seconds"], rel=0.02)
    assert all(phase["loss_last"] < phase["loss_first"] for phase in result["phases"])
    json.dumps(result)


def test_who_watches_sees_every_point_of_the_curve_once_and_the_time_left(tuned: tuple[Round, dict[str, Any]]) -> None:
    work, result = tuned
    points = [point for progress in work.progress for point in progress.curve]
    assert [step for step, _ in points] == [float(step) for step in range(1, result["steps"] + 1)]
    shown = [progress for progress in work.progress if progress.curve]
    assert shown[-1].done == shown[-1].total == result["tokens"]
    assert shown[-1].figures["seconds_left"] == 0
    assert shown[-1].figures["tokens_per_second"] > 0
    assert "Skills: step" in shown[-1].message


def test_the_control_arm_is_tuned_on_the_files_without_replay(tuned: tuple[Round, dict[str, Any]]) -> None:
    work, with_replay = tuned
    result = work.tune(StageKind.CONTROL)
    counts = work.store.artifact("mixture").read_json("control/phases.json")["phases"]
    assert [phase["samples"] for phase in result["phases"]] == [entry["own"] for entry in counts]
    assert result["tokens"] < with_replay["tokens"]


def test_cancelled_it_ends_within_seconds_and_the_next_attempt_goes_on(tmp_path: Path, student: Path) -> None:
    work = Round(tmp_path, a_round(student, epochs=400))
    asked: list[float] = []

    def cancelled() -> bool:
        if not asked and any(progress.curve for progress in work.progress):
            asked.append(time.monotonic())
        return bool(asked)

    with pytest.raises(StageCancelled):
        work.tune(cancelled=cancelled)
    assert time.monotonic() - asked[0] < 25
    folder = work.store.local / "tuning" / "parts" / "work"  # type: ignore[operator]
    [checkpoint] = (folder / "checkpoints").glob("step-*")
    reached = int(checkpoint.name.removeprefix("step-"))
    assert reached > 0
    # The next attempt goes on there; it too is stopped as soon as that can be seen.
    work.progress.clear()
    asked.clear()
    with pytest.raises(StageCancelled):
        work.tune(cancelled=cancelled, attempt=2)
    starts = [record["from_step"] for record in read_records(folder / "metrics.jsonl") if record["event"] == "run"]
    assert starts[-1] == reached


def test_the_training_program_dies_with_the_worker(tmp_path: Path, student: Path) -> None:
    """A worker killed with SIGKILL: the same stage in a forked process, which is then killed."""
    work = Round(tmp_path, a_round(student, epochs=4000))
    worker = os.fork()
    if worker == 0:
        try:
            work.tune()
        finally:
            os._exit(1)
    folder = work.store.local / "tuning" / "parts" / "work"  # type: ignore[operator]
    try:
        wait_until(lambda: any(r["event"] == "step" for r in read_records(folder / "metrics.jsonl")))
        assert training_programs(folder)
    finally:
        os.kill(worker, signal.SIGKILL)
        os.waitpid(worker, 0)
    wait_until(lambda: not training_programs(folder))


def training_programs(folder: Path) -> list[int]:
    """Ids of running training programs that work in this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"workers.tuning.train" in words and str(folder / "spec.json").encode() in words:
                found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened for too long"
        time.sleep(0.05)


def test_a_program_killed_from_outside_is_put_down_to_memory(tmp_path: Path, student: Path) -> None:
    work = Round(tmp_path, a_round(student, epochs=4000))
    folder = work.store.local / "tuning" / "parts" / "work"  # type: ignore[operator]

    def kill() -> None:
        wait_until(lambda: bool(training_programs(folder)))
        for process in training_programs(folder):
            os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(StageFailure) as failure:
        work.tune()
    killer.join()
    # The guardian's command line names the program too; if it was hit first, the program ends by SIGTERM's code.
    assert failure.value.problem.code == "out_of_memory"
    assert "ran out of memory" in failure.value.problem.message
    assert failure.value.problem.retry


def test_a_mixture_that_is_missing_or_of_another_recipe_is_told(tmp_path: Path, student: Path) -> None:
    work = Round(tmp_path, a_round(student))
    with pytest.raises(StageFailure, match="no mixture"):
        stage.run(work.spec(StageKind.TUNING, {}), work.context(lambda: False))
    with pytest.raises(ArtifactProblem, match="not finished"):
        stage.run(work.spec(StageKind.TUNING, {"mixture": "absent"}), work.context(lambda: False))
    with pytest.raises(StageFailure, match="no phase of this round's recipe"):
        stage.read_phases(work.store.local / "mixture", recipe("stacked").tuning)  # type: ignore[operator]


def test_a_phase_without_samples_of_its_own_is_left_out(tmp_path: Path, student: Path) -> None:
    work = Round(tmp_path, a_round(student))
    folder = tmp_path / "mixture"
    folder.mkdir()
    listed = work.store.artifact("mixture").read_json("phases.json")
    listed["phases"][1]["own"] = 0
    (folder / "phases.json").write_text(json.dumps(listed))
    names = [phase.name for phase in stage.read_phases(folder, work.plan.recipe.tuning)]
    assert names == ["knowledge_short", "skills"]


def test_a_student_that_is_no_model_is_told(tmp_path: Path, student: Path) -> None:
    work = Round(tmp_path, a_round(tmp_path / "nowhere"))
    with pytest.raises(Exception, match="nowhere"):
        work.tune()


class Elsewhere(ArtifactStore):
    """A store that pretends not to be on this machine: everything is copied to and from it."""

    def __init__(self, url: str, cache: Path) -> None:
        super().__init__(url, cache)
        self.local = None


def test_on_a_store_elsewhere_another_machine_goes_on_from_the_kept_checkpoint(tmp_path: Path, student: Path) -> None:
    work = Round(tmp_path, a_round(student, epochs=400, save_every=0.2))
    work.store = Elsewhere(work.settings.artifacts_url, tmp_path / "cache")
    artifact = work.store.artifact("tuning")
    with pytest.raises(StageCancelled):
        work.tune(cancelled=lambda: artifact.exists("parts/checkpoint/newest.json"))
    kept = artifact.read_json("parts/checkpoint/newest.json")["name"]
    assert len({name.split("/")[2] for name in artifact.names("parts/checkpoint/step-")}) == 1

    other = work.settings.__class__(**{**vars(work.settings), "var": tmp_path / "other machine"})
    work.settings = other
    work.progress.clear()
    with pytest.raises(StageCancelled):
        work.tune(cancelled=lambda: any(progress.curve for progress in work.progress), attempt=2)
    records = list(read_records(other.var / "tuning" / "tuning" / "metrics.jsonl"))
    starts = [record["from_step"] for record in records if record["event"] == "run"]
    assert starts[-1] == int(kept.removeprefix("step-"))
