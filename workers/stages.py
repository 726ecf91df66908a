"""What a stage of a round is given, how it says that it cannot go on, and which function runs which stage.

A stage is a plain function ``run(spec, context) -> result``. It knows no Celery and no Redis: the worker's task
(``workers.tasks``), a shell command and a test each hand it a :class:`StageContext` of their own making. Nothing
here imports torch; a stage's module is imported only when the stage runs.
"""

from __future__ import annotations

import importlib
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pydantic import ValidationError

from workers.artifacts import ArtifactProblem, ArtifactStore
from workers.environment import SharedSettings
from workers.specs import PlannedLeaf, Progress, RoundPlan, StageKind, StageProblem, StageSpec

PLAN_FILE = "plan.json"
LEAVES_FILE = "leaves.jsonl"
# What a finished stage answered, kept in its artifact: an attempt that finds the artifact complete answers the same.
RESULT_FILE = "result.json"


class StageFailure(Exception):
    """The stage cannot go on; ``problem`` is what the administrator reads."""

    def __init__(self, problem: StageProblem) -> None:
        super().__init__(problem.message)
        self.problem = problem

    def __reduce__(self) -> tuple[type[StageFailure], tuple[StageProblem]]:
        return (type(self), (self.problem,))


class StageCancelled(Exception):
    """The stage noticed ``context.cancelled()`` and stopped in good order; its parts stay for the next attempt."""


def _silent(_progress: Progress) -> None:
    """Nobody listens."""


def _never() -> bool:
    return False


@dataclass(frozen=True)
class StageContext:
    """All that a stage may use besides its spec.

    ``report`` may be called as often as is convenient (it is throttled and never blocks on the network).
    Points of ``Progress.curve`` are those since the last call; the reporter loses none of them.
    ``cancelled`` is cheap; ask it at least about once a second and raise :class:`StageCancelled` when it is true
    (or call :meth:`check`, which does both). It is true when the round was cancelled, when the worker is shutting
    down, and when a newer attempt has taken over the artifact; the stage need not tell these apart.
    """

    settings: SharedSettings
    store: ArtifactStore
    plan: RoundPlan
    leaves: tuple[PlannedLeaf, ...]
    report: Callable[[Progress], None] = _silent
    cancelled: Callable[[], bool] = _never
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("workers.stage"))

    def check(self) -> None:
        """Stop here if the stage is asked to.

        Raises:
            StageCancelled: it is.
        """
        if self.cancelled():
            raise StageCancelled


StageFunction = Callable[[StageSpec, StageContext], dict[str, Any]]

# Dotted paths, so that a process that runs one stage does not load the libraries of the others.
stage_registry: Mapping[StageKind, str] = {
    StageKind.GENERATION: "workers.generation.stage.run",
    StageKind.MIXTURE: "workers.tuning.mixture.run",
    StageKind.TUNING: "workers.tuning.stage.run",
    StageKind.CONTROL: "workers.tuning.stage.run",
    StageKind.EVALUATION: "workers.evaluation.stage.run",
}


def stage_function(kind: StageKind, registry: Mapping[StageKind, str] = stage_registry) -> StageFunction:
    """The function that runs stages of this kind, imported now."""
    module, _, name = registry[kind].rpartition(".")
    return cast(StageFunction, getattr(importlib.import_module(module), name))


def read_plan(store: ArtifactStore, artifact_id: str) -> tuple[RoundPlan, tuple[PlannedLeaf, ...]]:
    """The plan and its leaves, in the plan's order.

    Raises:
        ArtifactProblem: the plan artifact is missing, unfinished, or not a plan of this version.
    """
    artifact = store.artifact(artifact_id)
    if not artifact.complete:
        raise ArtifactProblem(f"The round's plan ({artifact_id}) is not in this worker's artifact store.")
    try:
        plan = RoundPlan.model_validate_json(artifact.read_text(PLAN_FILE))
        leaves = tuple(PlannedLeaf.model_validate_json(line) for line in artifact.lines(LEAVES_FILE) if line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ArtifactProblem(
            f"The round's plan ({artifact_id}) is not one that this worker understands ({where}: {first['msg']}); "
            "web and worker must run the same version."
        ) from error
    return plan, leaves


def write_plan(
    store: ArtifactStore, artifact_id: str, plan: RoundPlan, leaves: tuple[PlannedLeaf, ...], *, kind: str = "plan"
) -> None:
    """Write and finish a plan artifact, as the web does when a round is planned. Nothing happens if it is finished."""
    artifact = store.artifact(artifact_id)
    if artifact.complete:
        return
    artifact.write_json(PLAN_FILE, plan)
    lines = "".join(json.dumps(leaf.model_dump(mode="json"), ensure_ascii=False) + "\n" for leaf in leaves)
    artifact.write_text(LEAVES_FILE, lines)
    artifact.finish(kind=kind, spec={"plan_hash": plan.hash}, code_version=plan.code_version)


def _pipeline_facts(spec: StageSpec, plan: RoundPlan) -> dict[str, Any]:
    """What the manifest of generated samples says of their pipeline; its text is in the plan."""
    if spec.reference.kind is not StageKind.GENERATION or plan.pipeline is None:
        return {}
    return {"pipeline": plan.pipeline.model_dump(mode="json", exclude={"text"})}


def stage_finish(spec: StageSpec, context: StageContext, result: dict[str, Any]) -> None:
    """Keep the result beside the parts and finish the stage's artifact; nothing happens if it is finished.

    A stage may call this as its last step; the worker does it for one that does not.
    """
    artifact = context.store.artifact(spec.output)
    if artifact.complete:
        return
    artifact.write_json(RESULT_FILE, result)
    artifact.finish(
        kind=spec.reference.kind,
        inputs={"plan": spec.plan, **spec.inputs},
        spec={"kind": spec.reference.kind, "plan_hash": context.plan.hash, **_pipeline_facts(spec, context.plan)},
        code_version=context.plan.code_version,
    )
