"""Leases on a real Redis: the newest attempt writes, an older one stops."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.workers.planning_data import some_spec
from workers.artifacts import ArtifactStore
from workers.leases import AttemptWatch, Lease, Superseded, lease_key, redis_client, take_lease


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis_client(redis_url) as found:
        yield found


def test_a_newer_attempt_takes_over_and_the_older_one_is_refused(client: redis.Redis) -> None:
    older, newer = Lease(client, some_spec(attempt=1)), Lease(client, some_spec(attempt=2))
    older.take()
    older.take()
    newer.take()
    with pytest.raises(Superseded):
        older.take()
    newer.take()


def test_one_attempt_runs_in_one_process_only(client: redis.Redis) -> None:
    Lease(client, some_spec(), token="first").take()
    with pytest.raises(Superseded):
        Lease(client, some_spec(), token="second").take()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("ab")), max_size=12))
def test_the_holder_never_gets_older(client: redis.Redis, tries: list[tuple[int, str]]) -> None:
    client.flushdb()
    holder: tuple[int, str] | None = None
    for attempt, token in tries:
        lease = Lease(client, some_spec(attempt=attempt), token=token)
        allowed = holder is None or holder == (attempt, token) or attempt > holder[0]
        if allowed:
            lease.take()
            holder = (attempt, token)
        else:
            with pytest.raises(Superseded):
                lease.take()


def test_a_lease_that_the_server_forgot_is_taken_again(client: redis.Redis) -> None:
    lease = Lease(client, some_spec())
    lease.take()
    client.delete(lease.key)
    lease.take()
    assert client.get(lease_key("out-0001")) == f"1:{lease.token}"


def test_a_superseded_attempt_cannot_write_into_the_artifact(client: redis.Redis, tmp_path: Path) -> None:
    older, newer = Lease(client, some_spec(attempt=1)), Lease(client, some_spec(attempt=2))
    older.take()
    store = ArtifactStore(f"file://{tmp_path}", fence=older.fence)
    store.artifact("a1").write_text("one", "from the older")
    newer.take()
    with pytest.raises(Superseded):
        store.artifact("a1").write_text("one", "too late")
    assert store.artifact("a1").read_text("one") == "from the older"


def test_without_redis_the_attempt_goes_on() -> None:
    gone = redis_client("redis+socket:///nowhere/redis.sock")
    lease = Lease(gone, some_spec())
    lease.fence()
    watch = AttemptWatch(lease, "cancel")
    watch.look()
    assert not watch.stop()
    waits: list[float] = []
    with pytest.raises(redis.RedisError):
        take_lease(lease, patience_seconds=3, sleep=waits.append)
    assert sum(waits) >= 3
    # A look at a server that is away takes no time of the stage.
    began = time.monotonic()
    lease.fence()
    assert time.monotonic() - began < 1


def test_the_watch_notices_a_cancellation(client: redis.Redis) -> None:
    spec = some_spec()
    lease = Lease(client, spec)
    lease.take()
    with AttemptWatch(lease, spec.cancel_key, poll_seconds=0.05) as watch:
        assert not watch.stop()
        client.set(spec.cancel_key, "1", ex=60)
        until = time.monotonic() + 5
        while not watch.stop() and time.monotonic() < until:
            time.sleep(0.02)
    assert watch.reason == "cancelled"


def test_the_watch_notices_a_newer_attempt_and_forgets_the_cancellation(client: redis.Redis) -> None:
    spec = some_spec(attempt=1)
    lease = Lease(client, spec)
    lease.take()
    client.set(spec.cancel_key, "1")
    Lease(client, some_spec(attempt=2)).take()
    watch = AttemptWatch(lease, spec.cancel_key)
    watch.look()
    assert watch.reason == "superseded"


def test_the_watch_notices_that_the_worker_shuts_down(client: redis.Redis) -> None:
    stopping = Event()
    watch = AttemptWatch(Lease(client, some_spec()), "cancel", stopping=stopping.is_set)
    assert not watch.stop()
    stopping.set()
    assert watch.stop()
    assert watch.reason == "interrupted"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis+socket:///run/seedbed/redis.sock", {"path": "/run/seedbed/redis.sock", "db": 0}),
        ("redis+socket:///run/redis.sock?virtual_host=3", {"path": "/run/redis.sock", "db": 3}),
        ("redis://example.org:7000/2", {"host": "example.org", "port": 7000, "db": 2}),
    ],
)
def test_the_client_understands_the_urls_of_the_settings(url: str, expected: dict[str, object]) -> None:
    made = redis_client(url).connection_pool.connection_kwargs
    assert expected.items() <= made.items()
