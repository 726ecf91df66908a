"""One generation from a teacher by name to finished files: what the stage and the shell command share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workers.artifacts import Artifact, ArtifactStore
from workers.environment import SharedSettings
from workers.generation.asking import style_of
from workers.generation.documents import Chunk, chunks_of, count_tokens_of, facts_of
from workers.generation.engine import Engine
from workers.generation.filters.contamination import runs_of_items
from workers.generation.judges import judge_of
from workers.generation.material import material_of
from workers.generation.parts import Parts
from workers.generation.rows import MadeBy, Row
from workers.pipelines import KINDS, Pipeline, pipeline
from workers.processes import log_tail
from workers.specs import (
    GenerationRecipe,
    LeafKind,
    PlannedLeaf,
    Progress,
    StageProblem,
    TeacherReference,
    content_hash,
)
from workers.stages import StageCancelled, StageFailure
from workers.teacher.client import TeacherProblem
from workers.teacher.connection import Teacher, open_teacher
from workers.teacher.probe import CHARACTERS_A_TOKEN, Probe, check_room, fitted, probe
from workers.teacher.profiles import TeacherProfile

SUMMARY = "summary.json"
TEACHER = "teacher.json"
CANCEL_LOOK_SECONDS = 0.25
# Of so many leaves the first prompt is measured before anything is asked.
LEAVES_MEASURED = 50


@dataclass(frozen=True)
class Order:
    """What is to be generated. ``pipeline`` is how; the shipped one where it is left out."""

    leaves: tuple[PlannedLeaf, ...]
    recipe: GenerationRecipe
    teacher: TeacherReference
    random_seed: int
    # Texts of benchmarks that no sample may hold a piece of.
    benchmark_texts: tuple[str, ...] = ()
    pipeline: Pipeline = field(default_factory=pipeline)


def generate(
    order: Order,
    artifact: Artifact,
    *,
    settings: SharedSettings,
    store: ArtifactStore | None,
    log_file: Path,
    report: Callable[[Progress], None] = lambda _progress: None,
    cancelled: Callable[[], bool] = lambda: False,
    log: logging.Logger | None = None,
) -> dict[str, Any]:
    """Make the samples of an order and write them into ``artifact``, going on from its parts; the summary.

    Args:
        log_file: where a teacher started for this writes.
        cancelled: asked four times a second.

    Raises:
        StageCancelled: ``cancelled()`` became true; what was finished is kept.
        StageFailure: the teacher cannot be used, or there is nothing to generate from.
    """
    if artifact.exists(SUMMARY):
        # Everything was written before the last attempt ended; only the finishing touch is missing.
        Parts(artifact).remove()
        summary: dict[str, Any] = artifact.read_json(SUMMARY)
        return summary
    return asyncio.run(
        _until_cancelled(
            _generate(order, artifact, settings=settings, store=store, log_file=log_file, report=report, log=log),
            cancelled,
        )
    )


async def _until_cancelled(work: Any, cancelled: Callable[[], bool]) -> dict[str, Any]:
    task: asyncio.Task[dict[str, Any]] = asyncio.ensure_future(work)
    while not task.done():
        if cancelled():
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled() and task.exception() is None:
                break  # it had just come to its end
            raise StageCancelled
        await asyncio.wait({task}, timeout=CANCEL_LOOK_SECONDS)
    try:
        return task.result()
    except TeacherProblem as problem:
        raise StageFailure(problem.problem) from problem


async def _generate(
    order: Order,
    artifact: Artifact,
    *,
    settings: SharedSettings,
    store: ArtifactStore | None,
    log_file: Path,
    report: Callable[[Progress], None],
    log: logging.Logger | None,
) -> dict[str, Any]:
    asked = [leaf for leaf in order.leaves if leaf.kind in KINDS and (leaf.teaches or not leaf.held_out)]
    parts = Parts(artifact)
    if not asked:
        return _finished(order, artifact, parts, None, None)
    _check_seeds(asked)
    total = len(asked) * order.recipe.samples_per_leaf

    def waiting(text: str) -> None:
        report(Progress(done=0, total=total, unit="samples", message=text))

    try:
        async with open_teacher(
            order.teacher, settings=settings, store=store, log=log_file, seed=order.random_seed, report=waiting
        ) as teacher:
            waiting("Looking at what the teacher can do")
            found = await _probed(order, artifact, teacher)
            teacher = fitted(teacher, found)  # noqa: PLW2901  # the same one, as it can be used
            engine = _engine(order, parts, teacher, report)
            _check_room(order, engine, teacher, found)
            # Only now: a teacher that does not do is looked at anew once it has been put right.
            artifact.write_json(TEACHER, found)
            engine.resume()
            await engine.run()
    except TeacherProblem:
        if log is not None and (tail := log_tail(log_file)):
            log.exception("The end of the teacher's log:\n%s", tail)
        raise
    return _finished(order, artifact, parts, engine, teacher.profile)


async def _probed(order: Order, artifact: Artifact, teacher: Teacher) -> Probe:
    """What the teacher can do: found out once for this generation, as long as it is the same teacher."""
    if artifact.exists(TEACHER):
        kept = Probe.model_validate(artifact.read_json(TEACHER))
        if (kept.model, kept.profile, kept.url) == (
            order.teacher.model.name,
            teacher.profile.name,
            order.teacher.url or "",
        ):
            return kept
    return await probe(teacher, order.teacher)


def _check_room(order: Order, engine: Engine, teacher: Teacher, found: Probe) -> None:
    """Whether the first prompt of every leaf fits the teacher.

    Raises:
        TeacherProblem: one does not.
    """
    count = count_tokens_of(teacher.folder)
    exact = teacher.folder is not None
    # The roomiest prompts are those of the leaves with the longest seeds.
    longest = sorted(engine.states, key=lambda state: -_seed_characters(state.material.leaf))[:LEAVES_MEASURED]
    for state in longest:
        leaf = state.material.leaf
        plan = next(engine.plans(state.material), None)
        if plan is None:
            continue
        row = Row(leaf, plan, source=plan.target.text if plan.target is not None else "")
        text, reply = engine.style.first_text(row, order.pipeline.content.blocks(leaf.kind))
        check_room(found, (count(text) if exact else len(text) // CHARACTERS_A_TOKEN) + reply, leaf.path)


def _seed_characters(leaf: PlannedLeaf) -> int:
    return max((len(seed.context or "") + len(seed.question) + len(seed.answer) for seed in leaf.seeds), default=0)


def _engine(order: Order, parts: Parts, teacher: Teacher, report: Callable[[Progress], None]) -> Engine:
    recipe, profile = order.recipe, teacher.profile
    count = count_tokens_of(teacher.folder)
    by_sentence = profile.target == "sentence"

    def pieces(leaf: PlannedLeaf) -> list[Chunk]:
        if by_sentence:
            return facts_of(leaf.documents)
        return chunks_of(leaf.documents, chunk_tokens=recipe.chunk_tokens, count=count)

    def passages(leaf: PlannedLeaf) -> list[Chunk]:
        if not profile.auxiliary or not order.pipeline.content.auxiliary:
            return []
        return chunks_of(leaf.documents, chunk_tokens=recipe.chunk_tokens, count=count)

    return Engine(
        [
            material_of(leaf, position, pieces(leaf), by_sentence=by_sentence, passages=passages(leaf))
            for position, leaf in enumerate(order.leaves)
        ],
        recipe=recipe,
        random_seed=order.random_seed,
        style=style_of(teacher, recipe, order.pipeline.content),
        client=teacher.client,
        judge=judge_of(teacher, recipe, order.pipeline.content) if recipe.judge else None,
        parts=parts,
        pipeline=order.pipeline,
        made_by=made_by(order.pipeline, recipe, profile),
        max_in_flight=order.teacher.in_flight,
        contexts_shown=profile.contexts_in_prompt,
        examples_shown=profile.examples_in_prompt,
        judged_seeds=profile.judged_seeds,
        benchmarks=runs_of_items(order.benchmark_texts),
        report=report,
    )


def made_by(chosen: Pipeline, recipe: GenerationRecipe, profile: TeacherProfile) -> MadeBy:
    """What decides how a sample is made: pipeline, recipe and the teacher's profile."""
    making = content_hash([chosen.hash, recipe.model_dump(mode="json"), profile.name])[:16]
    return MadeBy(chosen.name, chosen.content.version, chosen.hash, making)


def _check_seeds(leaves: Sequence[PlannedLeaf]) -> None:
    bare = [leaf.path for leaf in leaves if not leaf.seeds]
    if bare:
        raise StageFailure(
            StageProblem(
                code="no_seeds",
                message=f"The leaf {bare[0]} has no seed to generate from.",
                advice="Plan the round without it, or with fewer held-out seeds.",
            )
        )


def _finished(
    order: Order, artifact: Artifact, parts: Parts, engine: Engine | None, profile: TeacherProfile | None
) -> dict[str, Any]:
    """Turn parts into the artifact's files; the summary is written last."""
    states = engine.states if engine is not None else []
    parts.assemble([state.material.leaf for state in states])
    content = order.pipeline.content
    funnel = [step for state in states for step in state.steps(content.steps(state.material.leaf.kind))]
    artifact.write_json("funnel.json", [step.model_dump(mode="json") for step in funnel])
    dropped: dict[str, int] = {}
    for step in funnel:
        for name, count in step.dropped.items():
            dropped[name] = dropped.get(name, 0) + count
    spent = engine.spent if engine is not None else None
    found = engine.discriminations if engine is not None else {}
    summary: dict[str, Any] = {
        "samples": sum(state.kept for state in states),
        "wanted": sum(state.wanted for state in states),
        "dropped": dict(sorted(dropped.items())),
        "requests": spent.requests if spent else 0,
        "prompt_tokens": spent.prompt_tokens if spent else 0,
        "completion_tokens": spent.completion_tokens if spent else 0,
        "seconds": round(spent.seconds, 1) if spent else 0.0,
        "mean_in_flight": round(spent.in_flight_seconds / spent.seconds, 2) if spent and spent.seconds else 0.0,
        "profile": profile.name if profile else None,
        "teacher": artifact.read_json(TEACHER) if artifact.exists(TEACHER) else None,
        "pipeline": order.pipeline.facts,
        "judge": {kind.value: _judge_facts(found[kind]) for kind in LeafKind if kind in found},
        "leaves": {state.material.leaf.leaf_id: state.kept for state in states},
        "empty_leaves": [state.material.leaf.path for state in states if state.kept == 0],
        "filters_set_aside": {state.material.leaf.path: list(state.set_aside) for state in states if state.set_aside},
    }
    # First the summary: an attempt that finds it knows that all else is written, parts or no parts.
    artifact.write_json(SUMMARY, summary)
    parts.remove()
    return summary


def _judge_facts(found: Any) -> dict[str, Any]:
    facts: dict[str, Any] = found.model_dump(mode="json")
    return facts
