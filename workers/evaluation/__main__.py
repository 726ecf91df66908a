"""``python -m workers.evaluation``: the scores of a model, or of two compared, without the web.

What is asked: the held-out seeds of a taxonomy folder (``--taxonomy``, with the share that was kept from the teacher)
or of a plan (``--plan``, a plan artifact's folder), the general chats, and the benchmarks named. A call that was
interrupted goes on when it is repeated with the same ``--out``. Writes ``scores.json`` and ``samples/``; the last line
on standard output is one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from workers.artifacts import ArtifactProblem, ArtifactStore
from workers.environment import EnvironmentProblem, shared_settings
from workers.evaluation.benchmarks import BENCHMARKS
from workers.evaluation.stage import evaluate, left_out, summary
from workers.evaluation.statistics import Subject, improvement, verdict
from workers.generation.__main__ import InputProblem, one_sentence, planned_leaves
from workers.model_folder import ModelProblem
from workers.recipes import recipe
from workers.specs import (
    EvaluationRecipe,
    EvaluationResult,
    LeafPin,
    ModelReference,
    PlannedLeaf,
    Progress,
    RoundPlan,
    TeacherReference,
)
from workers.stages import StageCancelled, StageContext, StageFailure, read_plan


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="python -m workers.evaluation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    found.add_argument("--model", required=True, help="folder, hub id, bundled:… or artifact:… of the model to score")
    found.add_argument("--against", help="the model that it is compared with (the student before)")
    asked = found.add_mutually_exclusive_group(required=True)
    asked.add_argument("--taxonomy", type=Path, help="folder of the taxonomy whose held-out seeds are asked")
    asked.add_argument("--plan", type=Path, help="folder of a plan (plan.json, leaves.jsonl)")
    found.add_argument("--held-out", type=float, default=0.3, help="with --taxonomy: share of each leaf's seeds")
    found.add_argument(
        "--benchmark", action="append", default=[], metavar="NAME", help=f"again for more: {', '.join(BENCHMARKS)}"
    )
    found.add_argument("--no-general", action="store_true", help="leave the general chats out")
    found.add_argument("--limit", type=int, help="items of each benchmark, at most")
    found.add_argument("--out", type=Path, required=True, help="folder to write; made if it is not there")
    return found


def asked_leaves(given: argparse.Namespace) -> tuple[PlannedLeaf, ...]:
    """The leaves whose held-out seeds are asked.

    Raises:
        InputProblem, ArtifactProblem: the folder is not what it should be.
    """
    if given.plan is None:
        return tuple(planned_leaves(given.taxonomy, (), None, given.held_out))
    folder = given.plan.resolve()
    return read_plan(ArtifactStore(f"file://{folder.parent}"), folder.name)[1]


def table(result: EvaluationResult) -> str:
    """Scores and differences as text, one line a measure."""
    by_key = {(s.scope, s.name, s.metric, s.subject): s for s in result.scores}
    compared = {(c.scope, c.name, c.metric): c for c in result.comparisons}
    lines = []
    for scope, name, metric in dict.fromkeys((s.scope, s.name, s.metric) for s in result.scores):
        after = by_key[scope, name, metric, "after"]
        line = f"{name} ({metric}, {len(after.items)} items): {after.mean:.3f}"
        comparison = compared.get((scope, name, metric))
        if comparison is not None:
            before = by_key[scope, name, metric, "before"]
            _, low, _ = improvement(comparison)
            interval = f"{comparison.low:+.3f} to {comparison.high:+.3f}" if low is not None else "no interval"
            line += f", was {before.mean:.3f}, {comparison.difference:+.3f} ({interval}): {verdict(comparison)}"
        lines.append(line)
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda received, _frame: stopping.append(received))
    begun = time.monotonic()
    shown = [""]

    def report(progress: Progress) -> None:
        line = f"{progress.done}/{progress.total} {progress.unit}  {progress.message}"
        if line != shown[0]:
            shown[0] = line
            print(f"{time.monotonic() - begun:6.1f} s  {line}", file=sys.stderr, flush=True)

    try:
        settings = shared_settings()
        leaves = asked_leaves(given)
        asked = EvaluationRecipe(
            benchmarks=tuple(given.benchmark), general_loss=not given.no_general, limit=given.limit
        )
        out = given.out.resolve()
        artifact = ArtifactStore(f"file://{out.parent}").artifact(out.name)
        if artifact.complete:
            raise InputProblem(f"{given.out} is finished already: give another folder.")
        subjects: dict[Subject, ModelReference] = {"after": ModelReference(name=given.model)}
        if given.against:
            subjects = {"before": ModelReference(name=given.against), **subjects}
        context = StageContext(
            settings=settings,
            store=ArtifactStore(settings.artifacts_url),
            plan=_shell_plan(subjects["after"], asked, leaves),
            leaves=leaves,
            report=report,
            cancelled=lambda: bool(stopping),
        )
        result = evaluate(subjects, asked, context, artifact)
        artifact.finish(kind="evaluation")
    except StageCancelled:
        print("Stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    except StageFailure as failure:
        print(f"{failure.problem.message} {failure.problem.advice}".strip(), file=sys.stderr)
        return 1
    except (InputProblem, EnvironmentProblem, ArtifactProblem, ModelProblem, ValueError, OSError) as problem:
        print(one_sentence(problem), file=sys.stderr)
        return 2
    print(table(result), file=sys.stderr)
    leaf_scores = {s.name: round(s.mean, 4) for s in result.scores if s.scope == "leaf" and s.subject == "after"}
    told = {**summary(result), "left_out": left_out(artifact, subjects)}
    print(json.dumps({**told, "leaf_scores": leaf_scores, "out": str(out)}))
    return 0


def _shell_plan(model: ModelReference, asked: EvaluationRecipe, leaves: tuple[PlannedLeaf, ...]) -> RoundPlan:
    """A plan for a call from the shell, where no round pins anything."""
    return RoundPlan(
        taxonomy_commit="",
        leaves=tuple(LeafPin(leaf_id=leaf.leaf_id, path=leaf.path, blob=leaf.blob) for leaf in leaves),
        teacher=TeacherReference(),
        student=model,
        recipe=recipe("quick").model_copy(update={"evaluation": asked}),
        random_seed=0,
        code_version="",
    )


if __name__ == "__main__":
    sys.exit(main())
