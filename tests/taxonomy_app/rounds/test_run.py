"""Stages are sent, heard, given up, stopped and retried."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from taxonomy_app.people.models import User
from taxonomy_app.releases.models import Release
from taxonomy_app.rounds import broker, services
from taxonomy_app.rounds.models import Attempt, Round, RoundEvent, RoundState, Stage, StageState
from taxonomy_app.rounds.services.run import MOST_CURVE_POINTS, MOST_FAILURES, MOST_LOSSES, curve_join, stage_reference
from taxonomy_app.web.history import HistoryProblem
from tests.taxonomy_app.rounds.making import (
    NOW,
    FakeBroker,
    FakeWorker,
    current_stage,
    make_round,
    make_running,
    run_all,
    run_stage,
    tiny_recipe,
)
from workers.specs import ModelReference, Progress, StageKind, StageProblem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("commits")]
WORKER = FakeWorker()
LATER = NOW + timedelta(seconds=91)


@pytest.fixture
def actor(db: None) -> User:
    return User.objects.create_user("ada", "ada@example.org", "not-a-secret-1", role="administrator")


def failed(spec: Any, *, retry: bool, code: str = "teacher", sequence: int = 3) -> dict[str, Any]:
    return WORKER.report(
        spec, "failed", sequence, problem=StageProblem(code=code, message="The teacher does not answer.", retry=retry)
    )


def test_a_round_runs_through_all_its_stages_to_a_release(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    run_all(fake_broker, running)
    assert running.state == RoundState.DONE
    assert [spec.reference.kind for spec in fake_broker.specs] == list(StageKind)
    assert set(running.stages.values_list("state", flat=True)) == {StageState.DONE}
    assert Release.objects.get().round == running
    assert running.ended_at is not None


def test_a_stage_is_given_the_finished_artifacts_of_the_stages_before(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    run_all(fake_broker, running)
    specs = {spec.reference.kind: spec for spec in fake_broker.specs}
    assert specs[StageKind.GENERATION].inputs == {}
    assert specs[StageKind.MIXTURE].inputs == {"generation": specs[StageKind.GENERATION].output}
    assert specs[StageKind.TUNING].inputs == {"mixture": specs[StageKind.MIXTURE].output}
    assert specs[StageKind.CONTROL].inputs == {"mixture": specs[StageKind.MIXTURE].output}
    assert specs[StageKind.EVALUATION].inputs == {
        "tuning": specs[StageKind.TUNING].output,
        "control": specs[StageKind.CONTROL].output,
    }
    assert all(spec.plan == running.plan_artifact for spec in specs.values())


def test_a_round_without_control_has_four_stages(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor, recipe=tiny_recipe(control=False))
    run_all(fake_broker, running)
    assert running.state == RoundState.DONE
    assert StageKind.CONTROL not in [spec.reference.kind for spec in fake_broker.specs]


def test_progress_of_an_older_sequence_is_ignored(actor: User, fake_broker: FakeBroker) -> None:
    make_running(actor)
    spec = fake_broker.specs[0]
    assert services.report_apply(report=WORKER.report(spec, "progress", 5, progress=Progress(done=5)), now=NOW)
    assert not services.report_apply(report=WORKER.report(spec, "progress", 4, progress=Progress(done=4)), now=NOW)
    assert not services.report_apply(report=WORKER.report(spec, "progress", 5, progress=Progress(done=9)), now=NOW)
    stage = Stage.objects.get(pk=spec.reference.stage_id)
    assert (stage.progress["done"], stage.sequence, stage.state) == (5, 5, StageState.RUNNING)


def test_a_last_word_counts_even_if_a_heartbeat_overtook_it(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    spec = fake_broker.specs[0]
    services.report_apply(report=WORKER.report(spec, "heartbeat", 9), now=NOW)
    result = WORKER.finish(spec, [])
    assert services.report_apply(report=WORKER.report(spec, "done", 8, artifact=spec.output, result=result), now=NOW)
    assert running.stages.get(kind=StageKind.GENERATION).state == StageState.DONE


def test_a_repeated_done_starts_the_next_stage_once(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    spec = run_stage(fake_broker, running)
    assert not services.report_apply(report=WORKER.report(spec, "done", 3, artifact=spec.output), now=NOW)
    assert len(fake_broker.specs) == 2
    assert Attempt.objects.filter(stage__round=running).count() == 2


def test_done_without_a_finished_artifact_is_a_failure_that_is_tried_again(
    actor: User, fake_broker: FakeBroker
) -> None:
    running = make_running(actor)
    spec = fake_broker.specs[0]
    assert services.report_apply(report=WORKER.report(spec, "done", 2, artifact=spec.output), now=NOW)
    stage = current_stage(running)
    assert (stage.state, stage.attempt) == (StageState.QUEUED, 2)


def test_a_stale_attempt_is_ignored(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    first = fake_broker.specs[0]
    services.report_apply(report=WORKER.report(first, "started", 1), now=NOW)
    assert services.attempts_reap(now=LATER) == 1
    WORKER.finish(first, [])
    for event in ("progress", "done", "failed", "cancelled"):
        assert not services.report_apply(report=WORKER.report(first, event, 10), now=LATER)
    assert current_stage(running).attempt == 2


def test_a_silent_worker_is_given_up_and_told_to_stop(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    first = fake_broker.specs[0]
    services.report_apply(report=WORKER.report(first, "started", 1), now=NOW)
    assert services.attempts_reap(now=NOW + timedelta(seconds=89)) == 0
    assert services.attempts_reap(now=LATER) == 1
    assert fake_broker.stopped == [(first.reference.stage_id, 1)]
    again = fake_broker.specs[1]
    assert again.reference.attempt == 2
    assert again.output == first.output
    assert services.attempts_reap(now=LATER) == 0
    assert RoundEvent.objects.filter(round=running, what="attempt_lost").get().reason == "The worker fell silent."


def test_a_heartbeat_keeps_an_attempt_alive(actor: User, fake_broker: FakeBroker) -> None:
    make_running(actor)
    services.report_apply(report=WORKER.report(fake_broker.specs[0], "started", 1), now=NOW)
    services.report_apply(report=WORKER.report(fake_broker.specs[0], "heartbeat", 2), now=NOW + timedelta(seconds=60))
    assert services.attempts_reap(now=LATER) == 0


def test_an_attempt_that_waits_in_the_queue_is_never_lost(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    assert services.attempts_reap(now=NOW + timedelta(days=3)) == 0
    assert current_stage(running).attempt == 1


def test_an_attempt_taken_in_advance_by_a_busy_worker_is_not_lost(actor: User, fake_broker: FakeBroker) -> None:
    busy = make_running(actor)
    services.report_apply(report=WORKER.report(fake_broker.specs[0], "started", 1), now=LATER)
    other = make_running(actor, random_seed=8)
    name = broker.task_id(stage_reference(current_stage(other)))
    fake_broker.queue.clear()
    fake_broker.taken.add(name)
    assert services.attempts_reap(now=LATER) == 0
    # The busy worker falls silent too: both messages are gone with it.
    assert services.attempts_reap(now=LATER + timedelta(seconds=91)) == 2
    assert [current_stage(r).attempt for r in (busy, other)] == [2, 2]


def test_a_message_that_the_broker_lost_is_sent_again_as_a_new_attempt(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    fake_broker.queue.clear()
    assert services.attempts_reap(now=NOW + timedelta(seconds=60)) == 0
    assert services.attempts_reap(now=LATER) == 1
    assert current_stage(running).attempt == 2
    # Should the first message turn up after all, its attempt was told to stop.
    assert fake_broker.stopped == [(fake_broker.specs[0].reference.stage_id, 1)]


def test_nothing_queued_is_given_up_while_redis_does_not_answer(actor: User, fake_broker: FakeBroker) -> None:
    make_running(actor)
    fake_broker.queue.clear()
    fake_broker.answers = False
    assert services.attempts_reap(now=LATER) == 0


def test_losses_are_bounded(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    now = NOW
    for _ in range(MOST_LOSSES):
        services.report_apply(report=WORKER.report(fake_broker.specs[-1], "started", 1), now=now)
        now += timedelta(seconds=91)
        services.attempts_reap(now=now)
    running.refresh_from_db()
    assert running.state == RoundState.FAILED
    assert running.problem["code"] == "lost"
    assert len(fake_broker.specs) == MOST_LOSSES


def test_a_failure_worth_retrying_is_retried_a_few_times(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    for _ in range(MOST_FAILURES):
        services.report_apply(report=failed(fake_broker.specs[-1], retry=True), now=NOW)
    running.refresh_from_db()
    assert running.state == RoundState.FAILED
    assert [spec.reference.attempt for spec in fake_broker.specs] == [1, 2, 3]


def test_a_failure_not_worth_retrying_waits_for_a_person(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    services.report_apply(report=failed(fake_broker.specs[-1], retry=False), now=NOW)
    running.refresh_from_db()
    assert running.state == RoundState.FAILED
    assert running.problem["message"] == "The teacher does not answer."
    services.stage_retry(round=running, actor=actor, now=NOW)
    running.refresh_from_db()
    assert running.state == RoundState.RUNNING
    assert running.problem is None
    assert fake_broker.specs[-1].reference.attempt == 2
    run_all(fake_broker, running)
    assert running.state == RoundState.DONE


def test_a_worker_that_was_shut_down_counts_as_lost_not_as_failed(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    services.report_apply(report=failed(fake_broker.specs[-1], retry=True, code="interrupted"), now=NOW)
    stage = current_stage(running)
    assert (stage.state, stage.attempt, stage.losses, stage.failures) == (StageState.QUEUED, 2, 1, 0)


def test_only_a_failed_round_can_be_retried(actor: User, fake_broker: FakeBroker) -> None:
    with pytest.raises(ValidationError, match="has not failed"):
        services.stage_retry(round=make_running(actor), actor=actor, now=NOW)


def test_cancelling_a_running_stage_waits_for_its_worker(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    spec = fake_broker.specs[0]
    services.report_apply(report=WORKER.report(spec, "started", 1), now=NOW)
    assert services.round_cancel(round=running, actor=actor, now=NOW) == RoundState.CANCELLING
    assert fake_broker.stopped == [(spec.reference.stage_id, 1)]
    services.report_apply(report=WORKER.report(spec, "cancelled", 2), now=NOW)
    running.refresh_from_db()
    assert running.state == RoundState.CANCELLED
    assert set(running.stages.values_list("state", flat=True)) == {StageState.CANCELLED}


def test_a_cancelled_round_whose_worker_is_dead_ends_after_the_silence(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    services.report_apply(report=WORKER.report(fake_broker.specs[0], "started", 1), now=NOW)
    services.round_cancel(round=running, actor=actor, now=NOW)
    assert services.attempts_reap(now=LATER) == 1
    running.refresh_from_db()
    assert running.state == RoundState.CANCELLED
    assert len(fake_broker.specs) == 1


def test_a_worker_that_speaks_but_never_stops_is_not_waited_for_forever(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    spec = fake_broker.specs[0]
    services.report_apply(report=WORKER.report(spec, "started", 1), now=NOW)
    services.round_cancel(round=running, actor=actor, now=NOW)
    long_after = NOW + timedelta(seconds=901)
    services.report_apply(report=WORKER.report(spec, "heartbeat", 2), now=long_after)
    assert services.attempts_reap(now=long_after) == 1
    running.refresh_from_db()
    assert running.state == RoundState.CANCELLED


def test_a_stage_that_finishes_while_it_is_stopped_keeps_its_work(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    spec = fake_broker.specs[0]
    services.report_apply(report=WORKER.report(spec, "started", 1), now=NOW)
    services.round_cancel(round=running, actor=actor, now=NOW)
    WORKER.finish(spec, [])
    services.report_apply(report=WORKER.report(spec, "done", 2, artifact=spec.output), now=NOW)
    running.refresh_from_db()
    assert running.state == RoundState.CANCELLED
    assert running.stages.get(kind="generation").state == StageState.DONE
    assert len(fake_broker.specs) == 1


def test_a_queued_or_planned_round_is_cancelled_at_once(actor: User, fake_broker: FakeBroker) -> None:
    queued, planned = make_running(actor), make_round(actor, random_seed=9)
    for each in (queued, planned):
        assert services.round_cancel(round=each, actor=actor, now=NOW) == RoundState.CANCELLED
    assert not services.report_apply(report=WORKER.report(fake_broker.specs[0], "started", 1), now=NOW)
    with pytest.raises(ValidationError, match="over already"):
        services.round_cancel(round=queued, actor=actor, now=NOW)


def test_a_round_planned_again_reuses_the_samples(actor: User, fake_broker: FakeBroker) -> None:
    first = make_running(actor)
    run_stage(fake_broker, first)
    services.report_apply(report=failed(fake_broker.specs[-1], retry=False), now=NOW)
    again = make_running(actor, student=ModelReference(name="/models/other"), planned_from=first)
    generation = again.stages.get(kind="generation")
    assert (generation.state, generation.reused, generation.attempt) == (StageState.DONE, True, 0)
    assert generation.result["samples"] == 8
    assert current_stage(again).kind == "mixture"
    assert fake_broker.specs[-1].reference.round_id == str(again.pk)
    assert RoundEvent.objects.filter(round=again, what="reused").exists()


def test_two_rounds_never_make_the_same_artifact_at_once(actor: User, fake_broker: FakeBroker) -> None:
    first = make_running(actor)
    second = make_running(actor)
    waiting = current_stage(second)
    assert (waiting.state, waiting.attempt) == (StageState.PENDING, 0)
    assert waiting.problem["code"] == "waiting"
    run_stage(fake_broker, first)
    assert second.stages.get(kind="generation").reused


def test_a_round_that_waited_takes_over_when_the_other_is_cancelled(actor: User, fake_broker: FakeBroker) -> None:
    first = make_running(actor)
    second = make_running(actor)
    services.round_cancel(round=first, actor=actor, now=NOW)
    stage = current_stage(second)
    # Numbered after the other round's attempt, so that a worker knows which of the two is newer.
    assert (stage.state, stage.attempt) == (StageState.QUEUED, 2)


def test_an_attempt_whose_last_word_was_lost_is_not_repeated(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    spec = fake_broker.specs[0]
    services.report_apply(report=WORKER.report(spec, "started", 1), now=NOW)
    WORKER.finish(spec, [])
    services.attempts_reap(now=LATER)
    generation = running.stages.get(kind="generation")
    assert (generation.state, generation.reused) == (StageState.DONE, False)
    assert generation.result["requests"] == 0
    assert current_stage(running).kind == "mixture"


def test_a_release_that_cannot_be_made_loses_nothing(
    actor: User, fake_broker: FakeBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: Any) -> None:
        raise ValueError("The scores belong to another round.")

    running = make_running(actor)
    with monkeypatch.context() as patched:
        patched.setattr("taxonomy_app.releases.services.release_create", refuse)
        run_all(fake_broker, running)
    assert running.state == RoundState.FAILED
    assert "The scores belong to another round." in running.problem["message"]
    sent = len(fake_broker.specs)
    services.stage_retry(round=running, actor=actor, now=NOW)
    running.refresh_from_db()
    assert running.state == RoundState.DONE
    assert len(fake_broker.specs) == sent
    assert Release.objects.filter(round=running).exists()


def test_reports_that_make_no_sense_change_nothing(actor: User, fake_broker: FakeBroker) -> None:
    make_running(actor)
    good = WORKER.report(fake_broker.specs[0], "started", 1)
    assert not services.report_apply(report={"event": "done"}, now=NOW)
    assert not services.report_apply(
        report={**good, "reference": {**good["reference"], "stage_id": "no uuid"}}, now=NOW
    )
    assert not services.report_apply(
        report={**good, "reference": {**good["reference"], "round_id": good["reference"]["stage_id"]}}, now=NOW
    )
    assert services.report_apply(report=good, now=NOW)


def test_a_plan_that_nobody_wrote_is_asked_for_again(actor: User, fake_broker: FakeBroker) -> None:
    planned = make_round(actor)
    services.round_start(round=planned, actor=actor, now=NOW)
    services.attempts_reap(now=NOW)
    assert len(fake_broker.tasks) == 1
    services.attempts_reap(now=LATER)
    assert fake_broker.tasks == [("seedbed.rounds.prepare", {"round_id": str(planned.pk)})] * 2


def test_the_history_cannot_be_changed(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    with pytest.raises(HistoryProblem):
        RoundEvent.objects.filter(round=running).update(reason="Nothing happened.")
    with pytest.raises(HistoryProblem):
        Attempt.objects.all().delete()


def test_a_curve_stays_bounded_and_keeps_its_ends() -> None:
    curve: list[list[float]] = []
    for step in range(0, 2000, 10):
        curve = curve_join(curve, Progress(curve=tuple((float(step + i), 3.0 - (step + i) / 1000) for i in range(10))))
    assert len(curve) == MOST_CURVE_POINTS
    assert curve[0] == [0.0, 3.0]
    assert curve[-1] == [1999.0, pytest.approx(1.001)]
    steps = [step for step, _ in curve]
    assert steps == sorted(set(steps))


def test_a_resumed_attempt_says_its_steps_again() -> None:
    curve = curve_join([[1.0, 2.0], [2.0, 1.9]], Progress(curve=((2.0, 1.8), (3.0, 1.7))))
    assert curve == [[1.0, 2.0], [2.0, 1.8], [3.0, 1.7]]


def test_pages_are_told_of_every_change(actor: User, fake_broker: FakeBroker) -> None:
    running = make_running(actor)
    spec = fake_broker.specs[0]
    seen = [running.revision]
    for sequence, event in enumerate(("started", "progress", "heartbeat"), start=1):
        more = {"progress": Progress(done=1)} if event == "progress" else {}
        services.report_apply(report=WORKER.report(spec, event, sequence, **more), now=NOW)
        seen.append(Round.objects.get(pk=running.pk).revision)
    assert seen[0] < seen[1] < seen[2] == seen[3]


def test_nothing_is_sent_for_a_round_that_does_not_run(actor: User, fake_broker: FakeBroker) -> None:
    planned = make_round(actor)
    assert not services.stage_dispatch(stage=current_stage(planned), reason="Too early.", now=NOW)
    running = make_running(actor)
    seen = current_stage(running)
    services.round_cancel(round=running, actor=actor, now=NOW)
    assert not services.stage_dispatch(stage=seen, reason="Seen before it was cancelled.", now=NOW)
    assert len(fake_broker.specs) == 1
