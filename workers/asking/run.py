"""One asking from its spec to its result: the student's answers, or samples of the teacher."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from workers.artifacts import Artifact, ArtifactStore
from workers.asking.answerer import answerer_for, answerer_release
from workers.asking.specs import (
    MOST_DROPPED_SHOWN,
    AnswersOrder,
    AskingProgress,
    AskingReport,
    AskingSpec,
    GivenAnswer,
    SamplesOrder,
    TriedSamples,
)
from workers.attempts import Watched, attempt_watched
from workers.environment import SharedSettings
from workers.generation.run import generate
from workers.generation.stage import order_of
from workers.models import resolve
from workers.specs import DroppedSample, FunnelStep, Progress, Sample


def asking_run(
    spec: AskingSpec,
    *,
    settings: SharedSettings,
    client: redis.Redis,
    send: Callable[[dict[str, Any]], None],
    worker: str,
    stopping: Callable[[], bool] = lambda: False,
    outages: tuple[type[Exception], ...] = (OSError, redis.RedisError),
) -> str:
    """Answer an asking and report on it; how it ended, in the words of ``workers.attempts.attempt_run``."""

    def work(watched: Watched) -> dict[str, Any]:
        if spec.answers is not None:
            return _answers(spec.answers, settings, watched)
        assert spec.samples is not None  # the spec has one of the two  # noqa: S101
        return _samples(spec.samples, settings, watched, log_name=f"{spec.output}-{spec.reference.attempt}.log")

    return attempt_watched(
        spec,
        work,
        settings=settings,
        client=client,
        send=send,
        worker=worker,
        stopping=stopping,
        outages=outages,
        kind=AskingReport,
    )


def _answers(order: AnswersOrder, settings: SharedSettings, watched: Watched) -> dict[str, Any]:
    total = len(order.questions)
    watched.report(AskingProgress(total=total, unit="answers", message="The model is being loaded"))
    store = ArtifactStore(settings.artifacts_url, settings.var / "artifact-cache")
    answerer = answerer_for(resolve(order.model, settings=settings, store=store), settings)

    def told(found: list[GivenAnswer]) -> None:
        progress = AskingProgress(done=len(found), total=total, unit="answers", answers=tuple(found))
        watched.report(progress)

    found = answerer.ask(order, told=told, cancelled=watched.cancelled)
    return {"answers": [given.model_dump(mode="json") for given in found]}


def _samples(order: SamplesOrder, settings: SharedSettings, watched: Watched, *, log_name: str) -> dict[str, Any]:
    answerer_release()

    def report(progress: Progress) -> None:
        watched.report(AskingProgress.model_validate(progress.model_dump()))

    with tempfile.TemporaryDirectory(prefix="seedbed-samples-") as folder:
        artifact = ArtifactStore(f"file://{folder}").artifact("samples")
        summary = generate(
            order_of(
                (order.leaf,),
                recipe=order.recipe,
                teacher=order.teacher,
                random_seed=order.random_seed,
                pin=order.pipeline,
            ),
            artifact,
            settings=settings,
            store=ArtifactStore(settings.artifacts_url, settings.var / "artifact-cache"),
            log_file=settings.var / "log" / "teacher" / Path(log_name).name,
            report=report,
            cancelled=watched.cancelled,
        )
        dropped = [DroppedSample.model_validate_json(line) for line in _lines(artifact, "dropped.jsonl")]
        tried = TriedSamples(
            samples=tuple(Sample.model_validate_json(line) for line in _lines(artifact, "samples.jsonl")),
            dropped=tuple(dropped[:MOST_DROPPED_SHOWN]),
            funnel=tuple(FunnelStep.model_validate(step) for step in artifact.read_json("funnel.json")),
            wanted=order.recipe.samples_per_leaf,
            requests=summary["requests"],
            seconds=summary["seconds"],
            profile=summary["profile"],
        )
    return tried.model_dump(mode="json")


def _lines(artifact: Artifact, name: str) -> list[str]:
    return [line for line in artifact.lines(name) if line] if artifact.exists(name) else []
