"""``python -m workers.tuning``: tune a student on a mixture from the shell, without web or Redis."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from workers.artifacts import ArtifactProblem, ArtifactStore
from workers.environment import EnvironmentProblem, shared_settings
from workers.model_folder import ModelProblem
from workers.models import resolve
from workers.recipes import RecipeProblem, recipe, recipe_names
from workers.specs import ModelReference, Sample, TuningRecipe
from workers.stages import StageCancelled, StageFailure
from workers.tuning.launcher import launch, new_run_id
from workers.tuning.metrics import Record
from workers.tuning.mixture import CONTROL, PHASES_FILE, phase_of
from workers.tuning.program import DONE, PROBLEM, STOPPED, TrainingPhase, TrainingSpec
from workers.tuning.stage import read_phases, summarise, write_reports


class UsageProblem(ValueError):
    """What was asked for on the command line cannot be done; one sentence says why."""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m workers.tuning",
        description="Tune a student in phases. The last line printed is one JSON object of what was done. "
        "Interrupted (Ctrl-C), it saves; the same command goes on at the same step.",
    )
    made.add_argument(
        "--student",
        required=True,
        metavar="NAME",
        help="a folder, a hub id, bundled:smollm2-135m-instruct or artifact:ID",
    )
    made.add_argument(
        "--mixture",
        required=True,
        nargs="+",
        type=Path,
        metavar="PATH",
        help="the folder of a mixture, or JSON lines of samples; a file named after a phase is that phase, the samples "
        "of any other go to the phase of their leaf",
    )
    made.add_argument("--recipe", required=True, metavar="NAME", help=f"one of: {', '.join(recipe_names())}")
    made.add_argument("--out", required=True, type=Path, metavar="DIR", help="where the student and its metrics go")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="random seed (default: 0)")
    made.add_argument("--control", action="store_true", help="the mixture folder's arm without replay")
    return made


def collect_phases(paths: Sequence[Path], tuning: TuningRecipe, work: Path, *, control: bool) -> list[TrainingPhase]:
    """The phases to run, from a mixture's folder or from files.

    Raises:
        UsageProblem: a path is missing, holds no samples, or a phase is given twice.
    """
    if len(paths) == 1 and paths[0].is_dir():
        folder = paths[0] / CONTROL if control else paths[0]
        if not (folder / PHASES_FILE).is_file():
            raise UsageProblem(f"{folder} is no mixture: it has no {PHASES_FILE}.")
        return list(read_phases(folder, tuning))
    names = [phase.name for phase in tuning.phases]
    files: dict[str, Path] = {}
    mixed: dict[str, list[str]] = {}
    for path in paths:
        if not path.is_file():
            raise UsageProblem(f"{path} is not there.")
        if path.stem in names:
            if path.stem in files:
                raise UsageProblem(f"The phase {path.stem} is given twice.")
            files[path.stem] = path
            continue
        try:
            lines_of_file = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            raise UsageProblem(f"{path} is not a file of JSON lines: it is no text in UTF-8.") from None
        for number, line in enumerate(lines_of_file, 1):
            try:
                sample = Sample.model_validate_json(line)
            except ValidationError:
                raise UsageProblem(f"{path}, line {number}, is not a sample.") from None
            mixed.setdefault(phase_of(sample, names), []).append(line)
    for name, lines in mixed.items():
        if name in files:
            lines[:0] = files[name].read_text(encoding="utf-8").splitlines()
        files[name] = work / f"{name}.jsonl"
        files[name].write_text("".join(f"{line}\n" for line in lines if line.strip()), encoding="utf-8")
    return [TrainingPhase(name=name, file=files[name]) for name in names if name in files]


def show(records: list[Record]) -> None:
    """A line for each step on standard error, so that standard output holds the JSON line alone."""
    for record in records:
        if record["event"] == "step":
            print(
                f"{record['phase']} {record['phase_step']}/{record['phase_steps']}  loss {record['loss']:.3f}  "
                f"{record['tokens_per_second']:.0f} tokens/s",
                file=sys.stderr,
            )


def tune(options: argparse.Namespace, stop: threading.Event) -> dict[str, Any]:
    """What the command does; the summary that it prints."""
    settings = shared_settings()
    tuning = recipe(options.recipe).tuning
    store = ArtifactStore(settings.artifacts_url, settings.var / "artifact-cache")
    student = resolve(ModelReference(name=options.student), settings=settings, store=store)
    work = options.out / "work"
    work.mkdir(parents=True, exist_ok=True)
    spec = TrainingSpec(
        student=student,
        recipe=tuning,
        phases=tuple(collect_phases(options.mixture, tuning, work, control=options.control)),
        work=work,
        output=options.out / "student",
        seed=options.seed,
        run_id=new_run_id(),
    )
    launch(spec, follow=show, cancelled=stop.is_set)
    write_reports(spec.metrics, options.out)
    return summarise(spec.metrics)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    options.out = options.out.resolve()
    options.mixture = [path.resolve() for path in options.mixture]
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        summary = tune(options, stop)
    except (UsageProblem, RecipeProblem, ModelProblem, EnvironmentProblem, ArtifactProblem, OSError) as error:
        print(error, file=sys.stderr)
        print(json.dumps({"problem": str(error)}))
        return 2
    except StageFailure as failure:
        print(f"{failure.problem.message} {failure.problem.advice}", file=sys.stderr)
        print(json.dumps({"problem": failure.problem.message, "code": failure.problem.code}))
        return PROBLEM
    except StageCancelled:
        print(json.dumps({"stopped": True}))
        return STOPPED
    print(json.dumps(summary))
    return DONE


if __name__ == "__main__":
    sys.exit(main())
