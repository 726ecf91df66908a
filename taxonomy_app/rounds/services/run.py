"""Leading a round's stages to an end: sending attempts, hearing reports, giving up silent ones, stopping, retrying.

Every transition takes the round's row first and then changes the stage by a conditional UPDATE, so that two processes
can never both succeed; what arrives twice, late or out of order changes nothing. Messages to workers leave after the
transaction has landed; one that was lost on the way is found by the reaper.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.translation import gettext as _
from pydantic import ValidationError as SpecError

from taxonomy_app.rounds import broker
from taxonomy_app.rounds.models import ACTIVE, UNDER_WAY, Attempt, Round, RoundState, Stage, StageState
from taxonomy_app.rounds.services.record import What, artifact_store, event_record, round_change, round_lock
from workers.artifacts import ArtifactProblem
from workers.specs import EvaluationResult, Progress, StageKind, StageProblem, StageReference, StageReport, StageSpec

log = logging.getLogger(__name__)

# Attempts that failed, or were lost, before a person has to look.
MOST_FAILURES = 3
MOST_LOSSES = 5
# Points kept of a loss curve: more than a chart on a screen can show.
MOST_CURVE_POINTS = 300
# A worker that still speaks but does not stop is waited for this many times as long as a silent one.
_PATIENCE = 10
# What a finished stage answered, in its artifact (workers.stages.RESULT_FILE).
_RESULT = "result.json"

LOST_TOO_OFTEN = StageProblem(
    code="lost",
    message=f"The workers of this stage fell silent {MOST_LOSSES} times.",
    advice="Look at the worker's log and memory (a killed process leaves no word), then try again: parts are kept.",
)
NOT_FINISHED = StageProblem(
    code="artifact",
    message="The worker says that it is done, but its files are not in the artifact store.",
    advice="Check that the web and all workers use the same SEEDBED_ARTIFACTS_URL, then try again.",
    retry=True,
)


def stage_reference(stage: Stage) -> StageReference:
    """The current attempt as workers know it."""
    return StageReference(
        round_id=str(stage.round_id), stage_id=str(stage.pk), kind=stage.stage_kind, attempt=stage.attempt
    )


# --- Sending --------------------------------------------------------------------------------------------


def stage_dispatch(*, stage: Stage, reason: str, now: datetime) -> bool:
    """Start the next attempt at a stage, or take over a finished artifact. False if another process was quicker.

    ``stage`` is the row as the caller saw it; if its state or attempt has changed since, nothing happens. While
    another round's attempt is making the same artifact the stage waits for it.
    """
    with transaction.atomic():
        current = round_lock(stage.round_id)
        if current.state != RoundState.RUNNING or not current.plan_artifact:
            return False
        seen = Stage.objects.filter(pk=stage.pk, attempt=stage.attempt, state=stage.state)
        artifact = artifact_store().artifact(stage.output_artifact)
        if artifact.complete:
            return _take_over(seen, stage, now)
        # Attempts are numbered over all stages that make this artifact: a worker knows from the number which is newer.
        last = Stage.objects.filter(output_artifact=stage.output_artifact).aggregate(last=Max("attempt"))["last"]
        number = (last or 0) + 1
        try:
            with transaction.atomic():
                changed = seen.update(
                    state=StageState.QUEUED,
                    attempt=number,
                    sequence=-1,
                    worker="",
                    problem=None,
                    last_heard_at=now,
                    ended_at=None,
                )
        except IntegrityError:  # rounds_one_writer_of_an_artifact
            return _wait_for_other(seen, stage, now)
        if not changed:
            return False
        stage = Stage.objects.get(pk=stage.pk)
        Attempt(stage=stage, number=number, reason=reason[:300], created_at=now).save()
        event_record(round_id=stage.round_id, stage=stage, attempt=number, what=What.SENT, reason=reason, now=now)
        round_change(stage.round_id)
        spec = StageSpec(
            reference=stage_reference(stage),
            plan=current.plan_artifact,
            inputs=stage.inputs,
            output=stage.output_artifact,
        )
        transaction.on_commit(lambda: broker.stage_send(spec))
    return True


def _take_over(seen: Any, stage: Stage, now: datetime) -> bool:
    """The artifact is finished: by another round, or by an attempt whose last word was lost."""
    reused = stage.attempt == 0
    if not seen.update(
        state=StageState.DONE,
        reused=reused,
        result=_kept_result(stage.output_artifact),
        problem=None,
        ended_at=now,
    ):
        return False
    stage = Stage.objects.get(pk=stage.pk)
    reason = (
        "An earlier round made the same from the same inputs."
        if reused
        else "The attempt had finished before it fell silent."
    )
    event_record(round_id=stage.round_id, stage=stage, what=What.REUSED, reason=reason, now=now)
    _after_stage(stage, now)
    return True


def _wait_for_other(seen: Any, stage: Stage, now: datetime) -> bool:
    if stage.state != StageState.PENDING or not stage.problem:
        seen.update(
            state=StageState.PENDING,
            problem=StageProblem(
                code="waiting", message="Another round is making the same data; this round will use it."
            ).model_dump(mode="json"),
        )
        event_record(
            round_id=stage.round_id,
            stage=stage,
            what=What.WAITING,
            reason="Another round is making the same data.",
            now=now,
        )
        round_change(stage.round_id)
    return False


def _kept_result(artifact_id: str) -> dict[str, Any]:
    try:
        result = artifact_store().artifact(artifact_id).read_json(_RESULT)
    except (ArtifactProblem, ValueError):
        return {}
    return result if isinstance(result, dict) else {}


def _after_stage(stage: Stage, now: datetime) -> None:
    """A stage is done: send the next one, or make the release. The round's row is held by the caller."""
    current = Round.objects.get(pk=stage.round_id)
    round_change(current.pk)
    if current.state == RoundState.CANCELLING:
        _round_cancelled(current, now, "The stage ended before it noticed that it was to stop.")
        return
    following = current.stages.filter(position__gt=stage.position).order_by("position").first()
    if current.holds and stage.kind == StageKind.GENERATION.value:
        round_change(current.pk, state=RoundState.HELD)
        event_record(
            round_id=current.pk,
            what=What.HELD,
            reason="The samples wait for an administrator to look at them.",
            now=now,
        )
        return
    if following is not None:
        stage_dispatch(stage=following, reason=f"{stage.get_kind_display()} is done.", now=now)
        return
    if current.preview_of_id is not None:
        round_change(current.pk, state=RoundState.DONE, ended_at=now, problem=None)
        event_record(round_id=current.pk, what=What.DONE, reason="The preview is made.", now=now)
        round_change(current.preview_of_id)
        return
    _release_make(current, stage, now)


def _release_make(current: Round, stage: Stage, now: datetime) -> None:
    from taxonomy_app.releases.services import release_create

    try:
        evaluation = EvaluationResult.model_validate(
            artifact_store().artifact(stage.output_artifact).read_json("scores.json")
        )
        with transaction.atomic():
            round_change(current.pk, state=RoundState.DONE, ended_at=now, problem=None)
            current.refresh_from_db()
            release_create(round=current, evaluation=evaluation, now=now)
    except Exception as error:
        log.exception("The release of %s could not be made.", current)
        reason = str(error) if isinstance(error, ArtifactProblem | ValueError) else type(error).__name__
        problem = StageProblem(
            code="release",
            message=f"The scores are there, but no release could be made of them: {reason}"[:500],
            advice="Put right what the sentence names, then try again; nothing is computed anew.",
        )
        # The evaluation is asked for its scores again by a retry, which finds its artifact finished.
        Stage.objects.filter(pk=stage.pk).update(state=StageState.FAILED, problem=problem.model_dump(mode="json"))
        round_fail(round_id=current.pk, problem=problem, now=now)
        return
    event_record(round_id=current.pk, what=What.DONE, reason="The release is made.", now=now)


# --- Hearing --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ending:
    """The last word of an attempt after it was checked."""

    event: str
    result: dict[str, Any]
    problem: StageProblem | None


def report_apply(*, report: StageReport | dict[str, Any], now: datetime) -> bool:
    """Take in a word from a worker. False if it changed nothing: a stale attempt, an old word, or a round that is over.

    A last word (done, failed, cancelled) counts whenever it arrives, because nothing of its attempt can follow it;
    other words count in their order.
    """
    if not isinstance(report, StageReport):
        try:
            report = StageReport.model_validate(report)
        except SpecError:
            log.warning("A report was not understood and is left out: %.300s", report)
            return False
    reference = report.reference
    try:
        stage_id, round_id = UUID(reference.stage_id), UUID(reference.round_id)
    except ValueError:
        return False
    ending = _checked_ending(report, stage_id)
    with transaction.atomic():
        if not Round.objects.select_for_update().filter(pk=round_id, state__in=UNDER_WAY).exists():
            return False
        stage = Stage.objects.filter(
            pk=stage_id, round_id=round_id, kind=reference.kind.value, attempt=reference.attempt, state__in=ACTIVE
        ).first()
        if stage is None:
            return False
        if ending is not None:
            return _ending_apply(stage, report, ending, now)
        return _word_apply(stage, report, now)


def _checked_ending(report: StageReport, stage_id: UUID) -> _Ending | None:
    """The last word, if it is one. Looks at the artifact store, and so before any row is held."""
    if report.event not in ("done", "failed", "cancelled"):
        return None
    if report.event != "done":
        problem = report.problem
        if report.event == "failed" and problem is None:
            problem = StageProblem(code="unexpected", message="The stage failed without saying why.", retry=True)
        return _Ending(report.event, {}, problem)
    output = Stage.objects.filter(pk=stage_id).values_list("output_artifact", flat=True).first()
    if output is None or report.artifact not in (None, output) or not artifact_store().artifact(output).complete:
        return _Ending("failed", {}, NOT_FINISHED)
    return _Ending("done", report.result, None)


def _word_apply(stage: Stage, report: StageReport, now: datetime) -> bool:
    """Started, heartbeat or progress."""
    if report.sequence <= stage.sequence:
        return False
    changes: dict[str, Any] = {"last_heard_at": now, "sequence": report.sequence}
    shown = report.progress is not None or stage.state == StageState.QUEUED
    if report.worker:
        changes["worker"] = report.worker[:200]
    if stage.state == StageState.QUEUED:
        changes["state"] = StageState.RUNNING
        if stage.started_at is None:
            changes["started_at"] = now
    if report.progress is not None:
        changes["progress"] = report.progress.model_dump(mode="json", exclude={"curve"})
        if report.progress.curve:
            changes["curve"] = curve_join(stage.curve, report.progress)
    found = Stage.objects.filter(
        pk=stage.pk, attempt=stage.attempt, state__in=ACTIVE, sequence__lt=report.sequence
    ).update(**changes)
    if not found:
        return False
    if stage.state == StageState.QUEUED:
        event_record(
            round_id=stage.round_id,
            stage=stage,
            attempt=stage.attempt,
            what=What.TAKEN,
            reason=f"Taken by the worker {report.worker or 'without a name'}.",
            now=now,
        )
    if shown:
        round_change(stage.round_id)
    return True


def curve_join(curve: Sequence[Sequence[float]], progress: Progress) -> list[list[float]]:
    """The kept points with the new ones, by step; thinned evenly to at most MOST_CURVE_POINTS, the ends kept.

    A resumed attempt says its steps again: from its first step on, the older points are replaced.
    """
    points = {float(step): float(loss) for step, loss in curve}
    points.update({float(step): float(loss) for step, loss in progress.curve})
    ordered = [[step, points[step]] for step in sorted(points)]
    if len(ordered) <= MOST_CURVE_POINTS:
        return ordered
    last = len(ordered) - 1
    return [ordered[round(i * last / (MOST_CURVE_POINTS - 1))] for i in range(MOST_CURVE_POINTS)]


def _ending_apply(stage: Stage, report: StageReport, ending: _Ending, now: datetime) -> bool:
    current = Round.objects.get(pk=stage.round_id)
    stopping = current.state == RoundState.CANCELLING
    if ending.event == "done":
        if not _stage_end(
            stage,
            StageState.DONE,
            now,
            sequence=max(stage.sequence, report.sequence),
            result=ending.result,
            started_at=stage.started_at or now,
            problem=None,
        ):
            return False
        _event(stage, What.STAGE_DONE, f"{stage.get_kind_display()} is done.", now)
        _after_stage(stage, now)
        return True
    if ending.event == "cancelled" or stopping:
        reason = ending.problem.message if ending.problem else "The worker stopped as asked."
        if not stopping:
            # Nobody asked for this attempt to stop any more: a key of an earlier wish was still there.
            return _attempt_lost(stage, "The worker stopped although the round goes on.", now)
        if not _stage_end(stage, StageState.CANCELLED, now):
            return False
        _event(stage, What.ATTEMPT_CANCELLED, reason, now)
        _round_cancelled(current, now, "Stopped as asked.")
        return True
    assert ending.problem is not None  # noqa: S101 - _checked_ending gives every failure one
    if ending.problem.code == "interrupted":
        return _attempt_lost(stage, ending.problem.message, now)
    return _attempt_failed(stage, ending.problem, now)


def _stage_end(stage: Stage, state: StageState, now: datetime, **fields: Any) -> bool:
    """End the attempt that the caller saw; False if it is not the current one any more."""
    changed = Stage.objects.filter(pk=stage.pk, attempt=stage.attempt, state__in=ACTIVE).update(
        state=state, ended_at=now, **fields
    )
    stage.refresh_from_db()
    if changed:
        output = stage.output_artifact
        transaction.on_commit(lambda: _waiting_wake(output, now))
    return bool(changed)


def _waiting_wake(output: str, now: datetime) -> None:
    """Nobody is making this artifact any more: let rounds that waited for it go on."""
    for waiting in Stage.objects.filter(
        output_artifact=output, state=StageState.PENDING, problem__isnull=False, round__state=RoundState.RUNNING
    ):
        stage_dispatch(stage=waiting, reason="The other round is no longer making the same data.", now=now)


def _event(stage: Stage, what: What, reason: str, now: datetime) -> None:
    event_record(round_id=stage.round_id, stage=stage, attempt=stage.attempt, what=what, reason=reason, now=now)


def _attempt_failed(stage: Stage, problem: StageProblem, now: datetime) -> bool:
    if not _stage_end(
        stage, StageState.FAILED, now, problem=problem.model_dump(mode="json"), failures=stage.failures + 1
    ):
        return False
    _event(stage, What.ATTEMPT_FAILED, problem.message, now)
    round_change(stage.round_id)
    if problem.retry and stage.failures < MOST_FAILURES:
        stage_dispatch(stage=stage, reason=f"The last attempt failed: {problem.message}", now=now)
    else:
        round_fail(round_id=stage.round_id, problem=problem, now=now)
    return True


def _attempt_lost(stage: Stage, reason: str, now: datetime) -> bool:
    """Give up the current attempt and send the next one. Should its worker come back, it is told to stop."""
    if not _stage_end(stage, StageState.FAILED, now, losses=stage.losses + 1):
        return False
    lost = stage_reference(stage)
    transaction.on_commit(lambda: broker.stop_ask([lost]))
    _event(stage, What.ATTEMPT_LOST, reason, now)
    round_change(stage.round_id)
    if stage.losses >= MOST_LOSSES:
        Stage.objects.filter(pk=stage.pk).update(problem=LOST_TOO_OFTEN.model_dump(mode="json"))
        round_fail(round_id=stage.round_id, problem=LOST_TOO_OFTEN, now=now)
    else:
        stage_dispatch(stage=stage, reason=f"{reason} This attempt goes on from the finished parts.", now=now)
    return True


# --- Giving up silent attempts --------------------------------------------------------------------------


def attempts_reap(*, now: datetime) -> int:
    """Look after rounds under way whose workers, or messages, say nothing. Answers how many attempts were given up.

    A running attempt is lost after ``lost_after_seconds`` of silence. One that waits in its queue is not: it is lost
    only if its message is nowhere in the broker any more, or if a worker has taken the message and no worker has
    been heard since. Stages that waited for another round are tried again, and a plan that nobody wrote is asked for
    again.
    """
    limit = now - timedelta(seconds=settings.SHARED.lost_after_seconds)
    given_up = 0
    silent = list(Stage.objects.silent_since(limit).select_related("round"))
    waiting = broker.waiting_attempts() if any(stage.state == StageState.QUEUED for stage in silent) else None
    heard = Stage.objects.filter(state=StageState.RUNNING, last_heard_at__gte=limit).exists()
    for stage in silent:
        reason = _why_lost(stage, waiting, heard)
        if reason:
            given_up += _silence_apply(stage, limit, reason, now)
    patience = now - _PATIENCE * timedelta(seconds=settings.SHARED.lost_after_seconds)
    for stubborn in Stage.objects.active().filter(
        round__state=RoundState.CANCELLING, round__cancel_asked_at__lt=patience
    ):
        given_up += _silence_apply(stubborn, now, "The worker did not stop when it was asked to.", now)
    for current in Round.objects.filter(state=RoundState.RUNNING, plan_artifact="", prepare_asked_at__lt=limit):
        if Round.objects.filter(pk=current.pk, plan_artifact="", prepare_asked_at=current.prepare_asked_at).update(
            prepare_asked_at=now
        ):
            broker.task_send("seedbed.rounds.prepare", round_id=str(current.pk))
    waiting_stages = Stage.objects.filter(
        state=StageState.PENDING, problem__isnull=False, round__state=RoundState.RUNNING
    )
    for stage in waiting_stages:
        stage_dispatch(stage=stage, reason="The other round is no longer making the same data.", now=now)
    return given_up


def _why_lost(stage: Stage, waiting: broker.Waiting | None, heard: bool) -> str:
    """Why a silent attempt is given up; empty if it is not."""
    if stage.state == StageState.RUNNING:
        return "The worker fell silent."
    if waiting is None:
        return ""
    name = broker.task_id(stage_reference(stage))
    if name in waiting.in_queue or (name in waiting.taken and heard):
        return ""
    if name in waiting.taken:
        return "The worker that had taken it is gone."
    return "Its message was lost on the way to a worker."


def _silence_apply(stage: Stage, limit: datetime, reason: str, now: datetime) -> int:
    with transaction.atomic():
        current = round_lock(stage.round_id)
        seen = Stage.objects.filter(
            pk=stage.pk, attempt=stage.attempt, state=stage.state, last_heard_at__lte=limit
        ).first()
        if seen is None or not current.is_under_way:
            return 0
        if current.state == RoundState.CANCELLING:
            if not _stage_end(seen, StageState.CANCELLED, now):
                return 0
            _event(seen, What.ATTEMPT_LOST, reason, now)
            _round_cancelled(current, now, "Its worker says nothing any more.")
            return 1
        return int(_attempt_lost(seen, reason, now))


# --- Ending ---------------------------------------------------------------------------------------------


def round_fail(*, round_id: UUID, problem: StageProblem, now: datetime) -> bool:
    """A person has to look. What is finished stays finished."""
    with transaction.atomic():
        current = round_lock(round_id)
        if current.state == RoundState.CANCELLING:
            _round_cancelled(current, now, problem.message)
            return True
        if current.state != RoundState.RUNNING:
            return False
        round_change(round_id, state=RoundState.FAILED, problem=problem.model_dump(mode="json"), ended_at=now)
        event_record(round_id=round_id, what=What.FAILED, reason=problem.message, now=now)
    return True


def round_cancel(*, round: Round, actor: Any, now: datetime) -> RoundState:  # noqa: A002 - the project's word for it
    """Stop a round, or discard a planned one. Answers the state: a running attempt is waited for until it stops.

    Raises:
        ValidationError: the round is over already.
    """
    with transaction.atomic():
        current = round_lock(round.pk)
        if current.state == RoundState.CANCELLING:
            return RoundState.CANCELLING
        if current.is_over:
            raise ValidationError(_("%(round)s is over already.") % {"round": current})
        event_record(round_id=current.pk, what=What.CANCEL_ASKED, reason="Asked to stop.", now=now, actor=actor)
        active = current.stages.active().first()
        if active is not None:
            asked = stage_reference(active)
            transaction.on_commit(lambda: broker.stop_ask([asked]))
        if active is not None and active.state == StageState.RUNNING:
            round_change(current.pk, state=RoundState.CANCELLING, cancel_asked_at=now)
            return RoundState.CANCELLING
        if active is not None:
            # Nobody has begun: should a worker take the message yet, it finds the wish to stop and nobody listens.
            _stage_end(active, StageState.CANCELLED, now)
        nothing_ran = active is None and current.started_at is None
        _round_cancelled(current, now, "Cancelled before anything ran." if nothing_ran else "Stopped as asked.")
        return RoundState.CANCELLED


def _round_cancelled(current: Round, now: datetime, reason: str) -> None:
    current.stages.filter(state=StageState.PENDING).update(state=StageState.CANCELLED, problem=None)
    round_change(current.pk, state=RoundState.CANCELLED, ended_at=now)
    event_record(round_id=current.pk, what=What.CANCELLED, reason=reason, now=now)


def stage_retry(*, round: Round, actor: Any, now: datetime) -> None:  # noqa: A002 - the project's word for it
    """Try again where a failed round stopped; finished stages and finished parts are kept.

    Raises:
        ValidationError: the round has not failed.
    """
    from taxonomy_app.rounds.services.plan import prepare_ask

    with transaction.atomic():
        current = round_lock(round.pk)
        if current.state != RoundState.FAILED:
            raise ValidationError(_("%(round)s has not failed: there is nothing to try again.") % {"round": current})
        round_change(current.pk, state=RoundState.RUNNING, problem=None, ended_at=None, prepare_asked_at=now)
        event_record(round_id=current.pk, what=What.RETRIED, reason="Tried again.", now=now, actor=actor)
        if not current.plan_artifact:
            prepare_ask(current.pk)
            return
        stage = current.stages.filter(state=StageState.FAILED).order_by("position").first()
        if stage is None:
            stage = current.stages.filter(state=StageState.PENDING).order_by("position").first()
        assert stage is not None  # a failed round has a stage that is not done  # noqa: S101
        Stage.objects.filter(pk=stage.pk).update(failures=0, losses=0)
        stage.refresh_from_db()
        stage_dispatch(stage=stage, reason="Tried again by an administrator.", now=now)
