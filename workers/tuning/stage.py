"""The TUNING stage and the CONTROL stage: the student tuned on the mixture, with replay and without.

Both are the same program on different files. What a broken attempt leaves (checkpoints, metrics) lies under ``parts/``
of the artifact and is removed before the artifact is finished.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

from workers.artifacts import Artifact
from workers.models import resolve
from workers.specs import Progress, StageKind, StageProblem, StageSpec, TuningRecipe
from workers.stages import StageCancelled, StageContext, StageFailure
from workers.tuning.launcher import launch, new_run_id, seconds_left
from workers.tuning.metrics import Record, read_records
from workers.tuning.mixture import CONTROL, PHASES_FILE
from workers.tuning.program import TrainingPhase, TrainingSpec

PARTS = "parts"
CHECKPOINT = f"{PARTS}/checkpoint"
# Words for phases as people read them.
PHASE_TITLES = {
    "knowledge_short": "Knowledge, short answers",
    "knowledge_long": "Knowledge, long answers",
    "skills": "Skills",
    "stacked": "All at once",
}
# The speed that is shown, and the time left, are those of this many last steps.
RECENT_STEPS = 8


def run(spec: StageSpec, context: StageContext) -> dict[str, Any]:
    """Tune, and leave in the artifact ``student/``, ``phases/<n>-<name>.json`` and ``curve.jsonl``.

    Returns:
        steps, tokens, loss_tokens, seconds, tokens_per_second, phases (each with its first and last loss) and
        left_out (samples that could not be used, by reason).
    """
    mixture = _mixture_folder(spec, context)
    phases = read_phases(mixture, context.plan.recipe.tuning)
    student = resolve(context.plan.student, settings=context.settings, store=context.store)
    artifact = context.store.artifact(spec.output)
    work = _work_folder(artifact, context)
    keeper = _CheckpointKeeper(artifact, work, context.log)
    keeper.fetch()
    training = TrainingSpec(
        student=student,
        recipe=context.plan.recipe.tuning,
        phases=phases,
        work=work,
        output=work / "result" / "student",
        seed=context.plan.random_seed,
        run_id=new_run_id(),
    )
    context.report(Progress(message="Loading the student", unit="tokens"))
    reader = ProgressReader(context)

    def follow(records: list[Record]) -> None:
        reader.follow(records)
        if any(record["event"] == "saved" for record in records):
            keeper.keep()

    try:
        launch(training, follow=follow, cancelled=context.cancelled)
    except StageCancelled:
        keeper.keep()
        raise
    finally:
        _log_tail(work / "train.log", context.log)
    summary = summarise(training.metrics)
    result_folder = training.output.parent
    write_reports(training.metrics, result_folder)
    context.check()
    context.report(
        Progress(done=summary["tokens"], total=summary["tokens"], unit="tokens", message="Keeping the model")
    )
    artifact.put_folder(result_folder)
    artifact.remove(f"{PARTS}/")
    shutil.rmtree(work, ignore_errors=True)
    return summary


def read_phases(folder: Path, recipe: TuningRecipe) -> tuple[TrainingPhase, ...]:
    """The recipe's phases that have samples, from a folder that the mixture stage wrote.

    Raises:
        StageFailure: the folder is no mixture for this recipe.
    """
    try:
        found = {entry["name"]: entry for entry in json.loads((folder / PHASES_FILE).read_text("utf-8"))["phases"]}
    except (OSError, ValueError, KeyError, TypeError):
        found = {}
    phases = tuple(
        TrainingPhase(name=phase.name, file=folder / found[phase.name]["file"])
        for phase in recipe.phases
        # Only replayed samples are no phase: there is nothing new that they would keep from being forgotten for.
        if phase.name in found and found[phase.name]["own"] > 0
    )
    if not phases:
        raise StageFailure(
            StageProblem(
                code="mixture",
                message="The mixture has no phase of this round's recipe.",
                advice="Retry the mixture stage, or plan the round anew.",
            )
        )
    return phases


def _mixture_folder(spec: StageSpec, context: StageContext) -> Path:
    artifact_id = spec.inputs.get("mixture")
    if artifact_id is None:
        raise StageFailure(StageProblem(code="mixture", message="This stage was given no mixture.", advice="Retry it."))
    folder = context.store.artifact(artifact_id).local_folder()
    return folder / CONTROL if spec.reference.kind is StageKind.CONTROL else folder


def _work_folder(artifact: Artifact, context: StageContext) -> Path:
    """Where the program works: in the artifact itself when that is on this machine, so that nothing is copied."""
    local = artifact.store.local
    return local / artifact.id / PARTS / "work" if local is not None else context.settings.var / "tuning" / artifact.id


class _CheckpointKeeper:
    """Copies checkpoints to and from an artifact store that is elsewhere; on a local store there is nothing to do."""

    def __init__(self, artifact: Artifact, work: Path, log: logging.Logger) -> None:
        self._artifact = artifact
        self._work = work
        self._log = log
        self._remote = artifact.store.local is None
        self._kept: str | None = None

    def keep(self) -> None:
        newest = max((self._work / "checkpoints").glob("step-*"), default=None) if self._remote else None
        if newest is None or newest.name == self._kept:
            return
        try:
            names = [path.relative_to(newest).as_posix() for path in sorted(newest.rglob("*")) if path.is_file()]
            for name in names:
                self._artifact.put_file(f"{CHECKPOINT}/{newest.name}/{name}", newest / name)
            self._artifact.put_file(f"{CHECKPOINT}/metrics.jsonl", self._work / "metrics.jsonl")
        except FileNotFoundError:
            # The program has a newer one already and removed this one meanwhile; the next call takes that.
            return
        # Named last: whoever reads the name finds all files.
        self._artifact.write_json(f"{CHECKPOINT}/newest.json", {"name": newest.name, "files": names})
        if self._kept is not None:
            self._artifact.remove(f"{CHECKPOINT}/{self._kept}/")
        self._kept = newest.name

    def fetch(self) -> None:
        if not self._remote or not self._artifact.exists(f"{CHECKPOINT}/newest.json"):
            return
        newest = self._artifact.read_json(f"{CHECKPOINT}/newest.json")
        self._kept = newest["name"]
        target = self._work / "checkpoints" / newest["name"]
        if target.exists():
            return
        self._log.info("Fetching the checkpoint %s of an earlier attempt.", newest["name"])
        shutil.rmtree(self._work, ignore_errors=True)
        part = target.with_name(f".part-{newest['name']}")
        for name in newest["files"]:
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_bytes(self._artifact.read_bytes(f"{CHECKPOINT}/{newest['name']}/{name}"))
        (self._work / "metrics.jsonl").write_bytes(self._artifact.read_bytes(f"{CHECKPOINT}/metrics.jsonl"))
        part.rename(target)


class ProgressReader:
    """Turns metrics records into progress for the person who watches."""

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._total = 0
        self._recent: list[tuple[float, int]] = []
        self._steps = 0

    def follow(self, records: list[Record]) -> None:
        curve: list[tuple[float, float]] = []
        step: Record | None = None
        for record in records:
            if record["event"] == "plan":
                self._total, self._steps = record["tokens"], record["steps"]
                _tell_left_out(record, self._context.log)
            elif record["event"] == "step":
                step = record
                curve.append((record["step"], record["loss"]))
                self._recent = [*self._recent, (record["seconds"], record["tokens"])][-RECENT_STEPS:]
        if step is None:
            return
        seconds = sum(pair[0] for pair in self._recent)
        figures = {
            "loss": step["loss"],
            "learning_rate": step["learning_rate"],
            "tokens_per_second": sum(pair[1] for pair in self._recent) / seconds if seconds else 0.0,
            "step": step["step"],
            "steps": self._steps,
        }
        left = seconds_left(step["done_tokens"], self._total, self._recent)
        if left is not None:
            figures["seconds_left"] = left
        title = PHASE_TITLES.get(step["phase"], step["phase"])
        self._context.report(
            Progress(
                done=step["done_tokens"],
                total=self._total,
                unit="tokens",
                message=f"{title}: step {step['phase_step']} of {step['phase_steps']}",
                figures=figures,
                curve=tuple(curve),
            )
        )


def _tell_left_out(plan: Record, log: logging.Logger) -> None:
    for phase in plan["phases"]:
        for reason, samples in phase["left_out"].items():
            if samples:
                log.warning("%s: %d samples left out (%s).", phase["name"], len(samples), reason)


def _log_tail(file: Path, log: logging.Logger) -> None:
    """The end of the program's log goes into the attempt's, which is kept when it fails."""
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()[-60:]
    except OSError:
        return
    log.info("The training program's last lines:\n%s", "\n".join(lines))


def summarise(metrics: Path) -> dict[str, Any]:
    """The whole of a finished training in a few numbers; tokens a second over the steps alone."""
    steps = [record for record in read_records(metrics) if record["event"] == "step"]
    plan = next(record for record in read_records(metrics) if record["event"] == "plan")
    seconds = sum(record["seconds"] for record in steps)
    tokens = sum(record["tokens"] for record in steps)
    phases = []
    for phase in plan["phases"]:
        losses = [record["loss"] for record in steps if record["phase"] == phase["name"]]
        if losses:
            phases.append(
                {
                    "name": phase["name"],
                    "steps": len(losses),
                    "samples": phase["samples"],
                    "tokens": phase["tokens"],
                    "loss_first": losses[0],
                    "loss_last": losses[-1],
                }
            )
    left_out: dict[str, int] = {}
    for phase in plan["phases"]:
        for reason, samples in phase["left_out"].items():
            left_out[reason] = left_out.get(reason, 0) + len(samples)
    return {
        "steps": len(steps),
        "tokens": tokens,
        "loss_tokens": sum(record["loss_tokens"] for record in steps),
        "seconds": round(seconds, 2),
        "tokens_per_second": round(tokens / seconds, 1) if seconds else 0.0,
        "phases": phases,
        "left_out": left_out,
    }


def write_reports(metrics: Path, folder: Path) -> None:
    """``phases/<n>-<name>.json`` with a phase's plan and steps, ``curve.jsonl`` with the loss of every step."""
    records = list(read_records(metrics))
    steps = [record for record in records if record["event"] == "step"]
    plan = next(record for record in records if record["event"] == "plan")
    (folder / "phases").mkdir(parents=True, exist_ok=True)
    for number, phase in enumerate(plan["phases"], 1):
        own = [record for record in steps if record["phase"] == phase["name"]]
        text = json.dumps({**phase, "done": own}, indent=1)
        (folder / "phases" / f"{number}-{phase['name']}.json").write_text(text + "\n", encoding="utf-8")
    points = [{"step": record["step"], "loss": record["loss"], "phase": record["phase"]} for record in steps]
    (folder / "curve.jsonl").write_text("".join(json.dumps(point) + "\n" for point in points), encoding="utf-8")
