"""A worker says which queues it works on, and its word runs out."""

from __future__ import annotations

import time

from workers.asking.specs import listening_key
from workers.leases import redis_client
from workers.listening import LASTS_SECONDS, SAY_SECONDS, Presence


def test_a_worker_says_that_it_listens_and_the_word_does_not_last(redis_url: str) -> None:
    presence = Presence(redis_url, ["asking", "teacher"])
    presence.start()
    try:
        with redis_client(redis_url) as client:
            until = time.monotonic() + 20
            while not client.exists(listening_key("teacher")):
                assert time.monotonic() < until, "nothing was said"
                time.sleep(0.02)
            assert client.exists(listening_key("asking"))
            assert not client.exists(listening_key("tuning"))
            assert 0 < int(client.ttl(listening_key("asking"))) <= LASTS_SECONDS
    finally:
        presence.stop()
    assert SAY_SECONDS * 3 < LASTS_SECONDS


def test_a_broker_that_is_away_ends_nothing() -> None:
    presence = Presence("redis://localhost:1", ["asking"])
    presence.start()
    presence.stop()
