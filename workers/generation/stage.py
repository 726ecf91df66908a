"""The generation stage of a round: its plan's leaves, recipe and teacher, into the stage's artifact."""

from __future__ import annotations

from typing import Any

from workers.evaluation.benchmarks import BenchmarkProblem, benchmark_questions, benchmarks_folder
from workers.evaluation.general import general_chats
from workers.generation.run import Order, generate
from workers.pipelines import PipelineProblem, pipeline_of
from workers.specs import StageProblem, StageSpec
from workers.stages import StageContext, StageFailure

# The result goes into a message; a plan of thousands of leaves has its counts in summary.json only.
MOST_LEAVES_TOLD = 500


def scored_texts() -> tuple[str, ...]:
    """What models are asked here besides held-out seeds: no sample may hold a piece of it.

    Raises:
        StageFailure: the benchmarks' data cannot be read.
    """
    try:
        questions = tuple(benchmark_questions(benchmarks_folder()))
    except BenchmarkProblem as problem:
        advice = "Correct SEEDBED_BENCHMARKS or the files in that folder, then retry."
        raise StageFailure(StageProblem(code="benchmark", message=str(problem), advice=advice)) from problem
    return (*questions, *(chat.question for chat in general_chats()))


def run(spec: StageSpec, context: StageContext) -> dict[str, Any]:
    """Make the samples of the plan's leaves.

    Files: ``samples.jsonl``, ``dropped.jsonl``, ``funnel.json``, ``summary.json``, ``teacher.json``.

    Raises:
        StageCancelled: asked to stop; within a few seconds, with all that was finished kept.
        StageFailure: the teacher cannot be used, or a leaf has nothing to generate from.
    """
    plan = context.plan
    try:
        chosen = pipeline_of(plan)
    except PipelineProblem as problem:
        advice = "Let web and workers run the same version, or plan the round again."
        raise StageFailure(StageProblem(code="pipeline", message=str(problem), advice=advice)) from problem
    order = Order(
        leaves=context.leaves,
        recipe=plan.recipe.generation,
        teacher=plan.teacher,
        random_seed=plan.random_seed,
        # All that this installation scores on, not only what this round does: releases are compared later.
        benchmark_texts=scored_texts(),
        pipeline=chosen,
    )
    log_file = context.settings.var / "log" / "teacher" / f"{spec.reference.stage_id}-{spec.reference.attempt}.log"
    summary = generate(
        order,
        context.store.artifact(spec.output),
        settings=context.settings,
        store=context.store,
        log_file=log_file,
        report=context.report,
        cancelled=context.cancelled,
        log=context.log,
    )
    for path in summary["empty_leaves"]:
        context.log.warning("No sample of the leaf %s was kept; the funnel says where its rows were dropped.", path)
    if len(summary["leaves"]) > MOST_LEAVES_TOLD:
        return {**summary, "leaves": {}, "empty_leaves": summary["empty_leaves"][:20], "filters_set_aside": {}}
    return summary
