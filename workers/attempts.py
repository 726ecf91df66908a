"""One attempt at one stage, from the spec to the last report.

Takes the lease, reads the plan, runs the stage's function, and turns whatever happens into exactly one last report:
done, failed or cancelled (or none, when a newer attempt speaks for the stage). Knows no Celery: how a report is sent
is passed in.
"""

from __future__ import annotations

import logging
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import redis
from pydantic import BaseModel

from workers.artifacts import Artifact, ArtifactProblem, ArtifactStore
from workers.environment import SharedSettings
from workers.leases import POLL_SECONDS, AttemptSpec, AttemptWatch, Lease, Superseded, take_lease
from workers.problems import INTERRUPTED, problem_of
from workers.reporting import Reporter
from workers.specs import Progress, Report, StageKind, StageReport, StageSpec, canonical_json
from workers.stages import (
    RESULT_FILE,
    StageCancelled,
    StageContext,
    read_plan,
    stage_finish,
    stage_function,
    stage_registry,
)

log = logging.getLogger(__name__)

# A result travels in a report and lies in a database row; long lists belong into the artifact.
MOST_RESULT_BYTES = 1_000_000
MOST_LOG_BYTES = 2_000_000


def log_name(spec: StageSpec) -> str:
    """Where in the artifact's folder the log of a failed attempt is kept."""
    return f"logs/attempt-{spec.reference.attempt}.log"


def attempt_run(
    spec: StageSpec,
    *,
    settings: SharedSettings,
    client: redis.Redis,
    send: Callable[[dict[str, Any]], None],
    worker: str,
    stopping: Callable[[], bool] = lambda: False,
    outages: tuple[type[Exception], ...] = (OSError, redis.RedisError),
    registry: Mapping[StageKind, str] = stage_registry,
    poll_seconds: float = POLL_SECONDS,
) -> str:
    """Run the attempt and report on it. Answers how it ended: done, failed, cancelled, interrupted or superseded.

    Never raises for what goes wrong in the stage; that is reported.
    """
    store: list[ArtifactStore] = []

    def work(watched: Watched) -> dict[str, Any]:
        store.append(ArtifactStore(settings.artifacts_url, settings.var / "artifact-cache", fence=watched.lease.fence))
        return _result(spec, settings, store[0], registry, report=watched.report, cancelled=watched.cancelled)

    def keep_log(file: Path) -> str:
        name = log_name(spec)
        return name if store and _keep_log(store[0].artifact(spec.output), name, file) else ""

    return attempt_watched(
        spec,
        work,
        settings=settings,
        client=client,
        send=send,
        worker=worker,
        stopping=stopping,
        outages=outages,
        poll_seconds=poll_seconds,
        keep_log=keep_log,
    )


@dataclass(frozen=True)
class Watched:
    """What the work of a watched attempt may use: where to leave progress, whether to stop, its lease."""

    report: Callable[[Progress], None]
    cancelled: Callable[[], bool]
    lease: Lease


def attempt_watched(
    spec: AttemptSpec,
    work: Callable[[Watched], dict[str, Any]],
    *,
    settings: SharedSettings,
    client: redis.Redis,
    send: Callable[[dict[str, Any]], None],
    worker: str,
    stopping: Callable[[], bool] = lambda: False,
    outages: tuple[type[Exception], ...] = (OSError, redis.RedisError),
    poll_seconds: float = POLL_SECONDS,
    keep_log: Callable[[Path], str] = lambda _file: "",
    kind: type[Report] = StageReport,
) -> str:
    """Do ``work`` under the lease of an attempt and report on it; answers how it ended, as :func:`attempt_run` does.

    Args:
        keep_log: takes the log of a failed attempt and answers the name under which it was kept, or nothing.
        kind: what its reports are.
    """
    reference = cast("BaseModel", spec.reference)
    lease = Lease(client, spec)
    try:
        take_lease(lease)
    except Superseded as refusal:
        log.warning("Not run: %s", refusal)
        return "superseded"
    reporter = Reporter(
        reference, send, worker=worker, heartbeat_seconds=settings.heartbeat_seconds, outages=outages, kind=kind
    )
    watch = AttemptWatch(lease, spec.cancel_key, stopping=stopping, poll_seconds=poll_seconds)
    watch.look()
    if watch.reason == "superseded":
        return "superseded"
    reporter.started()
    with tempfile.TemporaryDirectory(prefix="seedbed-attempt-") as folder, watch:
        log_file = Path(folder) / "attempt.log"
        handler = logging.FileHandler(log_file, encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        root = logging.getLogger()
        root.addHandler(handler)
        # What the stages say of themselves is kept at any level that the worker was started with.
        logging.getLogger("workers").setLevel(logging.INFO)
        try:
            result = work(Watched(reporter.progress, watch.stop, lease))
        except StageCancelled as stop:
            return _stopped(stop, watch, reporter)
        except (KeyboardInterrupt, SystemExit):
            reporter.failed(INTERRUPTED)
            raise
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is reported and never lost
            log.error("%s failed.\n%s", reference, traceback.format_exc())  # noqa: TRY400
            handler.flush()
            reporter.failed(problem_of(error, log_name=keep_log(log_file)))
            return "failed"
        finally:
            root.removeHandler(handler)
            handler.close()
    reporter.done(spec.output, result)
    return "done"


def _result(
    spec: StageSpec,
    settings: SharedSettings,
    store: ArtifactStore,
    registry: Mapping[StageKind, str],
    *,
    report: Callable[[Progress], None],
    cancelled: Callable[[], bool],
) -> dict[str, Any]:
    """What the stage answers: read back when its artifact is finished already, else by running it."""
    artifact = store.artifact(spec.output)
    if artifact.complete:
        log.info("The artifact %s is finished already; nothing is done again.", spec.output)
        return kept_result(artifact)
    if cancelled():
        raise StageCancelled
    plan, leaves = read_plan(store, spec.plan)
    context = StageContext(
        settings=settings,
        store=store,
        plan=plan,
        leaves=leaves,
        report=report,
        cancelled=cancelled,
        log=logging.getLogger(f"workers.{spec.reference.kind}"),
    )
    result = stage_function(spec.reference.kind, registry)(spec, context)
    size = len(canonical_json(result).encode())
    if size > MOST_RESULT_BYTES:
        raise ValueError(f"The stage's result has {size} bytes; long lists belong into the artifact.")
    stage_finish(spec, context, result)
    return result


def kept_result(artifact: Artifact) -> dict[str, Any]:
    """The result that a finished artifact holds; empty for one that was finished without."""
    try:
        result = artifact.read_json(RESULT_FILE)
    except ArtifactProblem:
        return {}
    return result if isinstance(result, dict) else {}


def _stopped(stop: StageCancelled, watch: AttemptWatch, reporter: Reporter) -> str:
    """Report why the stage stopped in good order."""
    if isinstance(stop, Superseded) or watch.reason == "superseded":
        reporter.abandoned()
        return "superseded"
    if watch.reason == "interrupted":
        reporter.failed(INTERRUPTED)
        return "interrupted"
    reporter.cancelled()
    return "cancelled"


def _keep_log(artifact: Artifact, name: str, file: Path) -> bool:
    """Put the end of the log into the artifact's folder; a full disk or a finished artifact is no second failure."""
    try:
        artifact.write_bytes(name, file.read_bytes()[-MOST_LOG_BYTES:])
    except (OSError, ArtifactProblem, StageCancelled) as error:
        log.warning("The log could not be kept: %s", error)
        return False
    return True
