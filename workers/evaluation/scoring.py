"""The scoring process: one model, asked everything that is still to be asked of it, in a process of its own.

``python -m workers.evaluation.scoring SPEC`` is started by ``workers.evaluation.stage``; its memory is given back when
it ends. For each measure it leaves one file (the scores and one row an item) as soon as that measure is finished, so
that a killed attempt loses one measure at most; ``progress.json`` says how far it is; a failure is left as
``problem.json``.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workers.environment import SharedSettings
from workers.evaluation.benchmarks import BenchmarkProblem, benchmark
from workers.evaluation.general import general_chats, score_general
from workers.evaluation.held_out import score_held_out
from workers.evaluation.statistics import Subject
from workers.problems import problem_of
from workers.specs import EvaluationRecipe, PlannedLeaf, Score, StageProblem, Strict

HELD_OUT = "held_out"
GENERAL = "general"
BENCHMARK = "benchmark-"
PROGRESS_FILE = "progress.json"
PROBLEM_FILE = "problem.json"
PROGRESS_SECONDS = 0.5


class ScoringSpec(Strict):
    """What a scoring process is told. Paths are absolute; ``leaves`` is a file with one PlannedLeaf a line."""

    model: Path
    subject: Subject
    measures: tuple[str, ...]
    leaves: Path
    limit: int | None = None
    benchmarks: Path | None = None
    out: Path


class MeasureResult(Strict):
    """One measure of one model: its scores, and a row an item with what was asked and answered."""

    scores: tuple[Score, ...]
    rows: tuple[dict[str, Any], ...] = ()


def measures_of(recipe: EvaluationRecipe, leaves: tuple[PlannedLeaf, ...]) -> tuple[str, ...]:
    """The names of what each model is asked, in order; they also name files."""
    found = [HELD_OUT] if any(leaf.held_out for leaf in leaves) else []
    found += [GENERAL] if recipe.general_loss else []
    return (*found, *(BENCHMARK + name for name in dict.fromkeys(recipe.benchmarks)))


def item_count(measure: str, leaves: tuple[PlannedLeaf, ...], folder: Path | None, limit: int | None) -> int:
    """How many items a measure asks.

    Raises:
        BenchmarkProblem: it is a benchmark that is unknown or whose data are not there.
    """
    if measure == HELD_OUT:
        return sum(len(leaf.held_out) for leaf in leaves)
    if measure == GENERAL:
        return len(general_chats())
    return benchmark(measure.removeprefix(BENCHMARK)).count(folder, limit)


def scoring_environment(settings: SharedSettings, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of a scoring process: nothing may try the network, caches stay in the installation's folder."""
    cache = settings.var / "cache"
    return {
        **environ,
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_DATASETS_CACHE": str(cache / "datasets"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # Large buffers are kept between batches instead of being returned to the system and faulted in again.
        "MALLOC_MMAP_THRESHOLD_": "1073741824",
        "MALLOC_TRIM_THRESHOLD_": "2147483648",
    }


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or none."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


class Counter:
    """Counts items over all measures and leaves the count in ``progress.json`` twice a second at most."""

    def __init__(self, out: Path) -> None:
        self.path = out / PROGRESS_FILE
        self.measure = ""
        self.before = 0
        self.done = 0
        self._written = float("-inf")

    def begin(self, measure: str) -> None:
        self.measure, self.before = measure, self.done
        self._write(at_once=True)

    def add(self, count: int) -> None:
        self.done += count
        self._write()

    def share_of(self, items: int) -> Callable[[float], None]:
        """A callback that is told which share (0…1) of ``items`` is finished."""

        def told(share: float) -> None:
            self.done = max(self.done, self.before + int(share * items))
            self._write()

        return told

    def end(self, items: int) -> None:
        self.done = self.before + items
        self._write(at_once=True)

    def _write(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if at_once or now - self._written >= PROGRESS_SECONDS:
            self._written = now
            write_whole(self.path, json.dumps({"done": self.done, "measure": self.measure}))


def read_leaves(path: Path) -> Iterator[PlannedLeaf]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield PlannedLeaf.model_validate_json(line)


def score_model(spec: ScoringSpec) -> None:
    """Ask everything that ``spec`` names, leaving one file for each measure."""
    from workers.evaluation.likelihood import load_model

    leaves = tuple(read_leaves(spec.leaves))
    counter = Counter(spec.out)
    counter.begin("loading")
    loaded = load_model(spec.model)
    for measure in spec.measures:
        items = item_count(measure, leaves, spec.benchmarks, spec.limit)
        counter.begin(measure)
        if measure == HELD_OUT:
            scores, rows = score_held_out(loaded, leaves, spec.subject, progress=counter.add)
        elif measure == GENERAL:
            scores, rows = score_general(loaded, spec.subject, progress=counter.add)
        else:
            from workers.evaluation.harness import score_benchmark

            scores, rows = score_benchmark(
                loaded,
                benchmark(measure.removeprefix(BENCHMARK)),
                spec.subject,
                folder=spec.benchmarks,
                limit=spec.limit,
                progress=counter.share_of(items),
            )
        counter.end(items)
        result = MeasureResult(scores=tuple(scores), rows=tuple(rows))
        write_whole(spec.out / f"{measure}.json", result.model_dump_json())


def main(arguments: list[str]) -> int:
    spec = ScoringSpec.model_validate_json(Path(arguments[0]).read_text(encoding="utf-8"))
    try:
        score_model(spec)
    except Exception as error:  # noqa: BLE001  # whatever it is, the stage that waits has to be told
        traceback.print_exc()
        problem = (
            StageProblem(code="benchmark", message=str(error), advice="Correct the recipe's benchmarks, then retry.")
            if isinstance(error, BenchmarkProblem)
            else problem_of(error)
        )
        write_whole(spec.out / PROBLEM_FILE, problem.model_dump_json())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
