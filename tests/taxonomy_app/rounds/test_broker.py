"""What is sent arrives, and what waits in the broker is seen there: the real Redis, real Celery workers, a fake GPU."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from django.db import close_old_connections, connections
from django.utils import timezone

from taxonomy_app.celery import app as web_celery
from taxonomy_app.people.models import User
from taxonomy_app.releases.models import Release
from taxonomy_app.rounds import broker, services
from taxonomy_app.rounds.models import Attempt, Round, RoundEvent, RoundState
from taxonomy_app.rounds.services.run import stage_reference
from tests.taxonomy_app.rounds.making import NOW, FakeWorker, current_stage, make_round, make_running
from workers.specs import RUN_STAGE_TASK, STAGE_QUEUE, StageKind, StageReference, StageSpec, cancel_key

REFERENCE = StageReference(round_id="r", stage_id="s", kind=StageKind.GENERATION, attempt=1)
SPEC = StageSpec(reference=REFERENCE, plan="plan-1", output="generation-1")


@pytest.fixture
def own_redis(redis_url: str, settings: Any) -> str:
    settings.SHARED = replace(settings.SHARED, redis_url=redis_url)
    return redis_url


@contextmanager
def worker(app: Celery, queues: list[str], **arguments: Any) -> Iterator[None]:
    """A Celery worker in a thread; ends with the block."""
    from celery.contrib.testing.worker import start_worker

    with start_worker(
        app, pool="solo", queues=queues, perform_ping_check=False, shutdown_timeout=20, loglevel="WARNING", **arguments
    ):
        yield


def wait_until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "nothing happened in time"
        time.sleep(0.05)


def test_a_message_is_seen_in_its_queue_until_it_is_gone(own_redis: str) -> None:
    name = broker.task_id(REFERENCE)
    assert broker.waiting_attempts().in_queue == frozenset()
    assert broker.stage_send(SPEC)
    waiting = broker.waiting_attempts()
    assert (waiting.in_queue, waiting.taken) == (frozenset({name}), frozenset())
    with broker.redis_connection() as connection:
        connection.delete(STAGE_QUEUE[StageKind.GENERATION])
    assert broker.waiting_attempts().in_queue == frozenset()


def test_a_message_taken_by_a_worker_that_has_not_begun_is_seen_as_taken(own_redis: str) -> None:
    """What a consumer holds unacknowledged, as a busy worker does that takes one message in advance."""
    broker.stage_send(SPEC)
    with web_celery.connection_for_read() as connection:
        message = connection.default_channel.basic_get(STAGE_QUEUE[StageKind.GENERATION])
        waiting = broker.waiting_attempts()
        assert (waiting.in_queue, waiting.taken) == (frozenset(), frozenset({broker.task_id(REFERENCE)}))
        message.ack()
        assert broker.waiting_attempts().taken == frozenset()


def test_asking_to_stop_sets_the_key_that_workers_look_for(own_redis: str) -> None:
    assert broker.stop_ask([REFERENCE])
    with broker.redis_connection() as connection:
        assert connection.get(cancel_key(REFERENCE)) == b"1"
        assert 0 < connection.ttl(cancel_key(REFERENCE)) <= broker.CANCEL_SECONDS


def test_without_redis_nothing_breaks_and_nothing_is_believed(settings: Any, tmp_path: Any) -> None:
    settings.SHARED = replace(settings.SHARED, redis_url=f"redis+socket://{tmp_path}/nowhere.sock")
    assert broker.waiting_attempts() is None
    assert not broker.stop_ask([REFERENCE])


@pytest.mark.django_db(transaction=True)
def test_a_round_runs_through_real_queues_and_survives_a_worker_that_falls_silent(
    own_redis: str, administrator: User, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Web and workers talk through the real Redis; the one that tunes dies once."""
    monkeypatch.setattr("taxonomy_app.rounds.services.plan.plan_write", lambda *_: None)
    died, ran = threading.Event(), []

    # One worker for all queues: Celery's flags for stopping a worker are the process's, so that of two workers in one
    # process the second may never hear that it is to stop.
    @web_celery.task(name=RUN_STAGE_TASK)
    def run_stage(spec: dict[str, Any]) -> None:
        read = StageSpec.model_validate(spec)
        double = FakeWorker("gpu-double")
        ran.append((read.reference.kind, read.reference.attempt))

        def say(event: str, sequence: int, **more: Any) -> None:
            web_celery.send_task(
                "seedbed.rounds.report", kwargs={"report": double.report(read, event, sequence, **more)}
            )

        say("started", 1)
        if read.reference.kind == StageKind.TUNING and not died.is_set():
            died.set()
            return
        leaves = [(str(leaf.leaf_id), leaf.path) for leaf in Round.objects.get().leaves.all()]
        result = double.finish(read, leaves)
        say("done", 3, artifact=read.output, result=result)
        # Said twice and out of order, as a broker may.
        say("heartbeat", 2)
        say("done", 3, artifact=read.output, result=result)
        close_old_connections()

    planned = make_round(administrator)
    monkeypatch.setitem(web_celery.tasks, RUN_STAGE_TASK, web_celery.tasks.pop(RUN_STAGE_TASK))
    with worker(web_celery, ["default", *sorted(set(STAGE_QUEUE.values()))]):
        services.round_start(round=planned, actor=administrator, now=timezone.now())
        wait_until(died.is_set)
        wait_until(lambda: current_stage(planned).state == "running")
        assert services.attempts_reap(now=timezone.now() + timedelta(seconds=1)) == 0
        assert services.attempts_reap(now=timezone.now() + timedelta(seconds=91)) == 1
        wait_until(lambda: Round.objects.get().state in (RoundState.DONE, RoundState.FAILED))
    planned.refresh_from_db()
    assert planned.state == RoundState.DONE, planned.problem
    assert ran == [
        (StageKind.GENERATION, 1),
        (StageKind.MIXTURE, 1),
        (StageKind.TUNING, 1),
        (StageKind.TUNING, 2),
        (StageKind.CONTROL, 1),
        (StageKind.EVALUATION, 1),
    ]
    assert Attempt.objects.count() == 6
    assert RoundEvent.objects.filter(what="attempt_lost").count() == 1
    assert Release.objects.get().round == planned
    connections.close_all()


@pytest.mark.django_db(transaction=True)
def test_a_message_lost_by_a_redis_that_forgot_everything_is_sent_again(own_redis: str, administrator: User) -> None:
    running = make_running(administrator)
    first = broker.task_id(stage_reference(current_stage(running)))
    late = NOW + timedelta(seconds=91)
    assert broker.waiting_attempts().in_queue == {first}
    assert services.attempts_reap(now=late) == 0
    with broker.redis_connection() as connection:
        connection.flushdb()
    assert services.attempts_reap(now=late) == 1
    assert broker.waiting_attempts().in_queue == {broker.task_id(stage_reference(current_stage(running)))} != {first}
