"""What a round will cost, before it starts: samples, requests, tokens and minutes. Pure functions over measured speeds.

A stage's *work* is a number known when the round is planned; its speed is seconds a unit of work, measured on earlier
rounds of this installation where there are any.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from workers.specs import LeafKind, RoundPlan, StageKind

# What one unit of work took where nothing was measured yet: the bundled model as teacher and student on two CPU cores.
DEFAULT_SECONDS: dict[StageKind, float] = {
    StageKind.GENERATION: 1.5,
    StageKind.MIXTURE: 0.01,
    StageKind.TUNING: 0.12,
    StageKind.CONTROL: 0.12,
    StageKind.EVALUATION: 0.35,
}
# What every stage takes besides: loading models above all.
DEFAULT_START_SECONDS: dict[StageKind, float] = {
    StageKind.GENERATION: 75.0,
    StageKind.MIXTURE: 3.0,
    StageKind.TUNING: 15.0,
    StageKind.CONTROL: 15.0,
    StageKind.EVALUATION: 20.0,
}
DEFAULT_REQUESTS_PER_SAMPLE = 3.0
DEFAULT_PROMPT_TOKENS = 450.0
DEFAULT_COMPLETION_TOKENS = 40.0
# Benchmarks that the recipe does not limit are taken for this long.
_UNLIMITED_ITEMS = 200


@dataclass(frozen=True)
class LeafSize:
    kind: LeafKind
    taught: int
    held_out: int


@dataclass(frozen=True)
class Measured:
    """One finished stage of an earlier round. ``requests`` and tokens are of generation only."""

    kind: StageKind
    model: str
    work: float
    seconds: float
    requests: float = 0.0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0


@dataclass(frozen=True)
class StageEstimate:
    kind: str
    work: float
    seconds: float
    measured: bool


@dataclass(frozen=True)
class Estimate:
    """``basis`` says in a sentence where the speeds come from; ``stages`` leave out what is reused (0 seconds)."""

    samples: int
    requests: int
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    stages: tuple[StageEstimate, ...]
    basis: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def stage_work(plan: RoundPlan, leaves: Sequence[LeafSize]) -> dict[StageKind, float]:
    """Units of work by stage: samples wanted; samples times epochs; scored items times models."""
    recipe = plan.recipe
    wanted = recipe.generation.samples_per_leaf
    items = sum(leaf.held_out for leaf in leaves)
    items += len(recipe.evaluation.benchmarks) * (recipe.evaluation.limit or _UNLIMITED_ITEMS)
    leaves = [leaf for leaf in leaves if leaf.taught]  # the others are only scored
    knowledge = sum(wanted + leaf.taught for leaf in leaves if leaf.kind == LeafKind.KNOWLEDGE)
    foundational = sum(leaf.taught for leaf in leaves if leaf.kind == LeafKind.FOUNDATIONAL)
    skills = sum(wanted + leaf.taught for leaf in leaves if leaf.kind in (LeafKind.FREEFORM, LeafKind.GROUNDED))
    by_phase = {
        "knowledge_short": knowledge,
        "knowledge_long": knowledge + foundational,
        "skills": skills,
        "stacked": knowledge + foundational + skills,
    }
    with_replay = without = 0.0
    for phase in recipe.tuning.phases:
        passes = by_phase[phase.name] * phase.epochs
        without += passes
        with_replay += passes / max(1.0 - phase.replay - phase.general_replay, 0.05)
    control = recipe.tuning.control != "none"
    work = {
        StageKind.GENERATION: float(wanted * sum(leaf.kind != LeafKind.FOUNDATIONAL for leaf in leaves)),
        StageKind.MIXTURE: float(knowledge + foundational + skills),
        StageKind.TUNING: with_replay,
        StageKind.EVALUATION: float(items * (3 if control else 2)),
    }
    if control:
        work[StageKind.CONTROL] = without
    return {kind: work[kind] for kind in StageKind if kind in work}


def stage_model(plan: RoundPlan, kind: StageKind) -> str:
    """The model whose speed decides how long a stage takes."""
    return plan.teacher.model.name if kind == StageKind.GENERATION else plan.student.name


def estimate(
    plan: RoundPlan,
    leaves: Sequence[LeafSize],
    *,
    measured: Sequence[Measured] = (),
    reused: Mapping[StageKind, bool] | None = None,
) -> Estimate:
    """The round's cost. Speeds are medians over ``measured`` stages of the same model, else of any, else defaults."""
    reused = reused or {}
    stages = []
    for kind, work in stage_work(plan, leaves).items():
        seen = _closest(measured, kind, stage_model(plan, kind))
        if reused.get(kind):
            seconds = 0.0
        elif seen:
            seconds = work * statistics.median(m.seconds / m.work for m in seen)
        else:
            seconds = DEFAULT_START_SECONDS[kind] + work * DEFAULT_SECONDS[kind]
        stages.append(StageEstimate(kind.value, round(work, 1), round(seconds, 1), bool(seen)))
    samples = stages[0].work
    seen = _closest(measured, StageKind.GENERATION, stage_model(plan, StageKind.GENERATION))
    if any(m.requests for m in seen):
        seen = [m for m in seen if m.requests]
        per_sample = statistics.median(m.requests / m.work for m in seen)
        prompt = statistics.median(m.prompt_tokens / m.requests for m in seen)
        completion = statistics.median(m.completion_tokens / m.requests for m in seen)
    else:
        per_sample = DEFAULT_REQUESTS_PER_SAMPLE
        prompt, completion = DEFAULT_PROMPT_TOKENS, DEFAULT_COMPLETION_TOKENS
    requests = 0.0 if reused.get(StageKind.GENERATION) else samples * per_sample
    known = sum(stage.measured for stage in stages)
    if known == len(stages):
        basis = "From the speed of earlier rounds on this installation."
    elif known:
        basis = "From the speed of earlier rounds here where there are any, else of the small model on two CPU cores."
    else:
        basis = "No round has run here yet: figures are those of the small model on two CPU cores, and may be far off."
    return Estimate(
        samples=int(samples),
        requests=round(requests),
        prompt_tokens=round(requests * prompt),
        completion_tokens=round(requests * completion),
        seconds=round(sum(stage.seconds for stage in stages), 1),
        stages=tuple(stages),
        basis=basis,
    )


def _closest(measured: Sequence[Measured], kind: StageKind, model: str) -> list[Measured]:
    usable = [m for m in measured if m.kind == kind and m.work > 0 and m.seconds > 0]
    same = [m for m in usable if m.model == model]
    return same or usable
