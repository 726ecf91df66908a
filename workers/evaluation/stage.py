"""The evaluation of a round: the student before, after, and after tuning without replay, on the same items.

Each model is scored in a process of its own. What is finished is put into the artifact measure by measure
(``samples/<subject>/<measure>.json``), so that a new attempt asks only what is missing. ``scores.json`` holds the
whole EvaluationResult.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workers.artifacts import Artifact
from workers.evaluation.benchmarks import BenchmarkProblem, benchmark, benchmarks_folder
from workers.evaluation.general import GENERAL_CHATS
from workers.evaluation.scoring import (
    BENCHMARK,
    GENERAL,
    HELD_OUT,
    PROBLEM_FILE,
    PROGRESS_FILE,
    MeasureResult,
    ScoringSpec,
    item_count,
    measures_of,
    scoring_environment,
    write_whole,
)
from workers.evaluation.statistics import ComparisonProblem, Subject, compare_all, verdict
from workers.models import resolve
from workers.processes import Child, start_child
from workers.specs import (
    EvaluationRecipe,
    EvaluationResult,
    ModelReference,
    Progress,
    StageProblem,
    StageSpec,
    canonical_json,
)
from workers.stages import StageCancelled, StageContext, StageFailure, stage_finish

SCORES_FILE = "scores.json"
POLL_SECONDS = 0.25
STOP_SECONDS = 3.0
HERE = Path(__file__).resolve().parent
_SUBJECT_WORDS: Mapping[str, str] = {
    "before": "the student before",
    "after": "the student after",
    "control": "the student tuned without replay",
}
_CHUNK = 1 << 20


def run(spec: StageSpec, context: StageContext) -> dict[str, Any]:
    """Score all subjects of the round and compare them.

    ``spec.inputs``: ``tuning`` (the student after), perhaps ``control`` (tuned without replay).

    Raises:
        StageFailure: a model or benchmark data are not there, or the scoring process failed.
        StageCancelled: asked to stop; finished measures stay in the artifact.
        ModelProblem: a subject is no model.
    """
    subjects: dict[Subject, ModelReference] = {"before": context.plan.student}
    if "tuning" in spec.inputs:
        subjects["after"] = ModelReference(name=f"artifact:{spec.inputs['tuning']}")
    if "control" in spec.inputs:
        subjects["control"] = ModelReference(name=f"artifact:{spec.inputs['control']}")
    artifact = context.store.artifact(spec.output)
    result = evaluate(subjects, context.plan.recipe.evaluation, context, artifact)
    answer = {**summary(result), "left_out": left_out(artifact, subjects)}
    stage_finish(spec, context, answer)
    return answer


def evaluate(
    subjects: Mapping[Subject, ModelReference], recipe: EvaluationRecipe, context: StageContext, artifact: Artifact
) -> EvaluationResult:
    """Score the subjects on the leaves' held-out seeds and on what the recipe names; writes ``scores.json``.

    The artifact is left unfinished. Raises as :func:`run` does.
    """
    started = time.monotonic()
    measures = measures_of(recipe, context.leaves)
    try:
        folder = benchmarks_folder()
        counts = {m: item_count(m, context.leaves, folder, recipe.limit) for m in measures}
    except BenchmarkProblem as problem:
        advice = "Correct the recipe's benchmarks or the worker's settings, then retry."
        raise StageFailure(StageProblem(code="benchmark", message=str(problem), advice=advice)) from problem
    # All models first: a missing one is said before an hour is spent on the others.
    folders = {
        s: resolve(reference, settings=context.settings, store=context.store) for s, reference in subjects.items()
    }
    work = _Evaluation(context, artifact, recipe, folder, counts, total=len(subjects) * sum(counts.values()))
    for subject, model in folders.items():
        work.subject(subject, model)
    scores = [
        score
        for subject in folders
        for measure in measures
        for score in MeasureResult.model_validate_json(artifact.read_text(part_name(subject, measure))).scores
    ]
    try:
        comparisons = compare_all(scores)
    except ComparisonProblem as problem:
        advice = "Score the models one by one: they do not read the same items (another tokenizer or context)."
        raise StageFailure(StageProblem(code="comparison", message=str(problem), advice=advice)) from problem
    seconds = round(time.monotonic() - started, 1)
    result = EvaluationResult(scores=tuple(scores), comparisons=comparisons, seconds=seconds)
    artifact.write_text(SCORES_FILE, result.model_dump_json() + "\n")
    return result


def part_name(subject: str, measure: str) -> str:
    return f"samples/{subject}/{measure}.json"


def left_out(artifact: Artifact, subjects: Iterable[str]) -> dict[str, list[str]]:
    """Held-out seeds that could not be scored: leaf → why, one entry a seed. They count in no score."""
    found: dict[tuple[str, str], str] = {}
    for subject in subjects:
        name = part_name(subject, HELD_OUT)
        if artifact.exists(name):
            for row in MeasureResult.model_validate_json(artifact.read_text(name)).rows:
                if "left_out" in row:
                    found[row["leaf"], row["item_id"]] = row["left_out"]
    by_leaf: dict[str, list[str]] = {}
    for (leaf, _), why in found.items():
        by_leaf.setdefault(leaf, []).append(why)
    return by_leaf


def summary(result: EvaluationResult) -> dict[str, Any]:
    """What the round's page shows of an evaluation: no items, and the leaves as counts."""
    leaves = [c for c in result.comparisons if (c.scope, c.first, c.second) == ("leaf", "before", "after")]
    verdicts = [verdict(c) for c in leaves]
    return {
        "leaves": {"scored": len(leaves), **{word: verdicts.count(word) for word in ("better", "worse", "undecided")}},
        "scores": [s.model_dump(mode="json", exclude={"items"}) for s in result.scores if s.scope != "leaf"],
        "comparisons": [c.model_dump(mode="json") for c in result.comparisons if c.scope != "leaf"],
        "seconds": result.seconds,
    }


@dataclass
class _Evaluation:
    """One evaluation on its way; ``done`` counts items over all subjects."""

    context: StageContext
    artifact: Artifact
    recipe: EvaluationRecipe
    benchmarks: Path | None
    counts: Mapping[str, int]
    total: int
    done: int = 0

    def subject(self, subject: Subject, model: Path) -> None:
        """Have one model answer everything that its parts do not hold yet."""
        missing = [m for m in self.counts if not self.artifact.exists(part_name(subject, m))]
        self.done += sum(count for measure, count in self.counts.items() if measure not in missing)
        # The student before is the same in round after round: what it answered to the same items is kept.
        kept = _KeptScores(self.context.settings.var / "cache" / "scores", model) if subject == "before" else None
        if kept is not None:
            for measure in list(missing):
                found = kept.read(self._key(measure))
                if found is not None:
                    self.artifact.write_text(part_name(subject, measure), found)
                    self.done += self.counts[measure]
                    missing.remove(measure)
        self._say(subject, 0)
        if missing:
            self._score(subject, model, missing, kept)

    def _score(self, subject: Subject, model: Path, missing: Sequence[str], kept: _KeptScores | None) -> None:
        with tempfile.TemporaryDirectory(prefix="seedbed-scoring-") as folder:
            out = Path(folder)
            leaves = out / "leaves.jsonl"
            leaves.write_text("".join(leaf.model_dump_json() + "\n" for leaf in self.context.leaves), encoding="utf-8")
            spec = ScoringSpec(
                model=model,
                subject=subject,
                measures=tuple(missing),
                leaves=leaves,
                limit=self.recipe.limit,
                benchmarks=self.benchmarks,
                out=out,
            )
            spec_file = out / "spec.json"
            spec_file.write_text(spec.model_dump_json(), encoding="utf-8")
            waiting = list(missing)
            command = [sys.executable, "-m", "workers.evaluation.scoring", str(spec_file)]
            with start_child(
                command,
                log=out / "scoring.log",
                environ=scoring_environment(self.context.settings),
                cwd=HERE.parent.parent,
                grace=STOP_SECONDS,
            ) as child:
                while child.wait(POLL_SECONDS) is None:
                    if self.context.cancelled():
                        child.stop()
                        self._collect(subject, out, waiting, kept)
                        raise StageCancelled
                    self._collect(subject, out, waiting, kept)
                    self._say(subject, self._progress(out))
                self._collect(subject, out, waiting, kept)
                if child.returncode or waiting:
                    raise self._failure(child, out)
            self.done += sum(self.counts[m] for m in missing)

    def _collect(self, subject: Subject, out: Path, waiting: list[str], kept: _KeptScores | None) -> None:
        """Put measures that are finished into the artifact."""
        for measure in list(waiting):
            path = out / f"{measure}.json"
            if path.exists():
                text = path.read_text(encoding="utf-8")
                self.artifact.write_text(part_name(subject, measure), text)
                if kept is not None:
                    kept.write(self._key(measure), text)
                waiting.remove(measure)

    def _progress(self, out: Path) -> int:
        try:
            return int(json.loads((out / PROGRESS_FILE).read_text(encoding="utf-8"))["done"])
        except FileNotFoundError:
            return 0

    def _say(self, subject: str, within: int) -> None:
        message = f"Asking {_SUBJECT_WORDS[subject]}"
        self.context.report(Progress(done=self.done + within, total=self.total, unit="items", message=message))

    def _failure(self, child: Child, out: Path) -> StageFailure:
        self.context.log.error("The scoring process ended with %s:\n%s", child.returncode, child.tail(60))
        try:
            return StageFailure(StageProblem.model_validate_json((out / PROBLEM_FILE).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValidationError):
            killed = child.returncode is not None and child.returncode > 128
            return StageFailure(
                StageProblem(
                    code="scoring",
                    message="The process that scores a model was ended from outside."
                    if killed
                    else "The process that scores a model ended without a word.",
                    advice="Too little memory is the usual reason; finished parts are kept, retry with more of it.",
                    retry=killed,
                )
            )

    def _key(self, measure: str) -> str:
        """What decides a measure's numbers besides the model: the items, the limit, the programs."""
        digest = hashlib.sha256()
        if measure == HELD_OUT:
            asked = [leaf for leaf in self.context.leaves if leaf.held_out]
            digest.update(
                canonical_json([[a.path, a.kind, [s.model_dump() for s in a.held_out]] for a in asked]).encode()
            )
        elif measure == GENERAL:
            digest.update(GENERAL_CHATS.read_bytes())
        else:
            entry = benchmark(measure.removeprefix(BENCHMARK))
            for file in entry.data(self.benchmarks).values():
                digest.update(_digest(file))
            digest.update(repr((entry, self.recipe.limit)).encode())
        for source in sorted([*HERE.glob("*.py"), *HERE.glob("tasks/*")]):
            digest.update(source.read_bytes())
        for package in ("torch", "transformers", "lm-eval"):
            digest.update(importlib.metadata.version(package).encode())
        return f"{measure}-{digest.hexdigest()[:32]}"


class _KeptScores:
    """Scores of one model from earlier rounds, by what decides them. Losing the folder loses time only."""

    def __init__(self, folder: Path, model: Path) -> None:
        self.folder = folder
        self.model = model
        self._identity = ""

    def read(self, key: str) -> str | None:
        try:
            text = self._path(key).read_text(encoding="utf-8")
            MeasureResult.model_validate_json(text)
        except (FileNotFoundError, ValidationError):
            return None
        return text

    def write(self, key: str, text: str) -> None:
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)

    def _path(self, key: str) -> Path:
        if not self._identity:
            digest = hashlib.sha256()
            for file in sorted(p for p in self.model.iterdir() if p.suffix in (".json", ".safetensors", ".jinja")):
                digest.update(file.name.encode() + _digest(file))
            self._identity = digest.hexdigest()[:32]
        return self.folder / self._identity / f"{key}.json"


def _digest(file: Path) -> bytes:
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()
