"""One attempt, from the spec to the last report, on a real Redis and a real store."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.workers.acting_stages import REGISTRY_PATH
from tests.workers.planning_data import settings_in, some_spec, store_with_plan
from workers.attempts import attempt_run
from workers.environment import SharedSettings
from workers.leases import Lease, redis_client
from workers.specs import StageKind, StageReport

REGISTRY = {StageKind.GENERATION: REGISTRY_PATH}


class Room:
    """A worker's surroundings: settings, Redis, and what was reported."""

    def __init__(self, settings: SharedSettings, client: redis.Redis) -> None:
        self.settings = settings
        self.client = client
        self.store = store_with_plan(settings)
        self.reports: list[StageReport] = []

    def act(self, what: str) -> None:
        (self.settings.var / "act.json").write_text(json.dumps({"do": what}), encoding="utf-8")

    def run(self, attempt: int = 1, stopping: Callable[[], bool] = lambda: False) -> str:
        return attempt_run(
            some_spec(attempt=attempt),
            settings=self.settings,
            client=self.client,
            send=lambda report: self.reports.append(StageReport.model_validate(report)),
            worker="w",
            stopping=stopping,
            registry=REGISTRY,
            poll_seconds=0.05,
        )

    def events(self, attempt: int = 1) -> list[str]:
        return [r.event for r in self.reports if r.reference.attempt == attempt and r.event != "heartbeat"]

    def in_background(self, attempt: int = 1, **more: Any) -> tuple[threading.Thread, list[str]]:
        ended: list[str] = []
        thread = threading.Thread(target=lambda: ended.append(self.run(attempt, **more)))
        thread.start()
        until = time.monotonic() + 10
        while not (self.settings.var / f"running-{attempt}").exists():
            assert time.monotonic() < until
            time.sleep(0.01)
        return thread, ended


@pytest.fixture
def room(tmp_path: Path, redis_url: str) -> Iterator[Room]:
    with redis_client(redis_url) as client:
        yield Room(settings_in(tmp_path, redis_url=redis_url), client)


def test_a_stage_that_ends_well_is_done_and_finished(room: Room) -> None:
    room.act("finish")
    assert room.run() == "done"
    assert room.events() == ["started", "progress", "done"]
    assert room.reports[-1].result == {"parts": 1, "found": []}
    assert room.store.artifact("out-0001").complete


def test_a_finished_artifact_is_reported_without_doing_it_again(room: Room) -> None:
    room.act("finish")
    room.run()
    room.act("surprise")
    assert room.run(attempt=2) == "done"
    assert room.events(2) == ["started", "done"]
    assert room.reports[-1].result == {"parts": 1, "found": []}


def test_a_new_attempt_finds_the_parts_of_the_one_before(room: Room) -> None:
    room.act("fail")
    room.run()
    room.act("finish")
    room.run(attempt=2)
    assert room.reports[-1].result["found"] == ["parts/1"]


def test_a_failure_that_the_stage_explains_is_reported_as_it_says(room: Room) -> None:
    room.act("fail")
    assert room.run() == "failed"
    problem = room.reports[-1].problem
    assert problem is not None
    assert (problem.code, problem.retry) == ("teacher", True)


def test_a_surprise_is_reported_and_its_log_kept(room: Room) -> None:
    room.act("surprise")
    assert room.run() == "failed"
    problem = room.reports[-1].problem
    assert problem is not None
    assert problem.code == "unexpected"
    assert "logs/attempt-1.log" in problem.advice
    kept = room.store.artifact("out-0001").read_text("logs/attempt-1.log")
    assert "just before" in kept
    assert "all is well so far" in kept
    assert "nobody foresaw this" in kept


def test_a_plan_that_is_not_there_is_a_failure(room: Room) -> None:
    room.store.fs.rm(f"{room.store.root}/plan-0001", recursive=True)
    assert room.run() == "failed"
    problem = room.reports[-1].problem
    assert problem is not None
    assert problem.code == "artifact"


def test_a_cancelled_attempt_stops_and_says_so(room: Room) -> None:
    room.act("wait")
    thread, ended = room.in_background()
    room.client.set(some_spec().cancel_key, "1")
    thread.join(timeout=10)
    assert ended == ["cancelled"]
    assert room.events()[-1] == "cancelled"


def test_an_attempt_cancelled_while_it_waited_in_the_queue_never_begins(room: Room) -> None:
    room.act("finish")
    room.client.set(some_spec().cancel_key, "1")
    assert room.run() == "cancelled"
    assert not room.store.artifact("out-0001").names()


def test_a_worker_that_shuts_down_reports_an_interruption_to_be_retried(room: Room) -> None:
    room.act("wait")
    stopping = threading.Event()
    thread, ended = room.in_background(stopping=stopping.is_set)
    stopping.set()
    thread.join(timeout=10)
    assert ended == ["interrupted"]
    problem = room.reports[-1].problem
    assert problem is not None
    assert (problem.code, problem.retry) == ("interrupted", True)


def test_an_older_attempt_that_is_still_alive_stops_for_the_newer_one_in_silence(room: Room) -> None:
    room.act("wait")
    thread, ended = room.in_background()
    room.act("finish")
    assert room.run(attempt=2) == "done"
    thread.join(timeout=10)
    assert ended == ["superseded"]
    assert set(room.events(1)) <= {"started", "progress"}
    assert room.store.artifact("out-0001").complete


def test_an_older_attempt_that_never_looks_is_stopped_at_its_next_write(room: Room) -> None:
    room.act("write forever")
    ended: list[str] = []
    thread = threading.Thread(target=lambda: ended.append(room.run()))
    thread.start()
    until = time.monotonic() + 10
    while not room.store.artifact("out-0001").exists("parts/again"):
        assert time.monotonic() < until
        time.sleep(0.01)
    Lease(room.client, some_spec(attempt=2)).take()
    thread.join(timeout=10)
    assert ended == ["superseded"]
    assert "failed" not in room.events()


def test_a_message_that_is_handed_out_twice_runs_once(room: Room) -> None:
    room.act("finish")
    room.run()
    said = len(room.reports)
    assert room.run() == "superseded"
    assert len(room.reports) == said
