"""The tasks of the GPU workers. Each reads its message and hands over; what is done is in ``workers.attempts``."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

import redis
from celery.exceptions import Reject
from kombu.exceptions import OperationalError
from pydantic import ValidationError

from workers.asking.answerer import answerer_release
from workers.asking.specs import ASKING_REPORT_TASK, RUN_ASKING_TASK, AskingReference, AskingReport, AskingSpec
from workers.attempts import attempt_run
from workers.celery import app, settings, shutdown_requested, stage_begins, stage_ended
from workers.leases import redis_client
from workers.specs import (
    DEFAULT_QUEUE,
    REPORT_TASK,
    RUN_STAGE_TASK,
    StageProblem,
    StageReference,
    StageReport,
    StageSpec,
)

log = logging.getLogger(__name__)

# What sending raises while the broker is away.
OUTAGES: tuple[type[Exception], ...] = (OperationalError, redis.RedisError, OSError)

NOT_UNDERSTOOD = StageProblem(
    code="spec",
    message="The worker does not understand what the web sent.",
    advice="Run the same version of Seedbed in the web and in all workers, then retry.",
)


def worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def send_report(report: dict[str, Any]) -> None:
    """Hand one report to the web's queue. Raises one of OUTAGES while the broker is away."""
    app.send_task(REPORT_TASK, kwargs={"report": report}, queue=DEFAULT_QUEUE, retry=False, ignore_result=True)


@app.task(name=RUN_STAGE_TASK, ignore_result=True)  # type: ignore[untyped-decorator]
def run_stage(spec: dict[str, Any]) -> str:
    """Run one attempt at a stage (a StageSpec as JSON data). Answers how it ended, for the worker's log."""
    try:
        read = StageSpec.model_validate(spec)
    except ValidationError as error:
        return _refuse(spec, error)
    stage_begins()
    # A stage has the machine to itself: no model of an asking stays loaded beside it.
    answerer_release()
    try:
        with redis_client(settings.redis_url) as client:
            return attempt_run(
                read,
                settings=settings,
                client=client,
                send=send_report,
                worker=worker_name(),
                stopping=shutdown_requested,
                outages=OUTAGES,
            )
    finally:
        stage_ended()


def send_asking_report(report: dict[str, Any]) -> None:
    """As :func:`send_report`, of an asking."""
    app.send_task(ASKING_REPORT_TASK, kwargs={"report": report}, queue=DEFAULT_QUEUE, retry=False, ignore_result=True)


@app.task(name=RUN_ASKING_TASK, ignore_result=True)  # type: ignore[untyped-decorator]
def run_asking(spec: dict[str, Any]) -> str:
    """Run one attempt at an asking (an AskingSpec as JSON data). Answers how it ended, for the worker's log."""
    try:
        read = AskingSpec.model_validate(spec)
    except ValidationError as error:
        log.error("An asking's spec was not understood: %s", error)  # noqa: TRY400 - the sentence says it all
        try:
            reference = AskingReference.model_validate(spec.get("reference"))
        except ValidationError:
            raise Reject("not an asking's spec", requeue=False) from error
        report = AskingReport(
            reference=reference, sequence=1, event="failed", worker=worker_name(), problem=NOT_UNDERSTOOD
        )
        send_asking_report(report.model_dump(mode="json"))
        return "failed"
    # Generation's libraries are of no use to a process that runs a stage of tuning.
    from workers.asking.run import asking_run

    stage_begins()
    try:
        with redis_client(settings.redis_url) as client:
            return asking_run(
                read,
                settings=settings,
                client=client,
                send=send_asking_report,
                worker=worker_name(),
                stopping=shutdown_requested,
                outages=OUTAGES,
            )
    finally:
        stage_ended()


def _refuse(spec: dict[str, Any], error: ValidationError) -> str:
    """Answer a message that this version does not understand, if it at least says who is to be answered."""
    log.error("A stage's spec was not understood: %s", error)
    try:
        reference = StageReference.model_validate(spec.get("reference"))
    except ValidationError:
        raise Reject("not a stage's spec", requeue=False) from error
    report = StageReport(reference=reference, sequence=1, event="failed", worker=worker_name(), problem=NOT_UNDERSTOOD)
    send_report(report.model_dump(mode="json"))
    return "failed"
