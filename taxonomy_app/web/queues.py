"""The web's own queues: which there are, that a worker serves each, and how much waits in it.

A worker writes its name into Redis every few seconds from a thread of its own, so that a busy one is told from a dead
one.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

import redis

from taxonomy_app.web.redis_client import redis_client

_LOG = logging.getLogger(__name__)
# Short jobs: commits of what was approved, e-mail, the index, reports of rounds.
DEFAULT: Final = "default"
# What may take minutes: import, export, synchronisation, documents; vectors and the repositories' tidying.
TRANSFERS: Final = "transfers"
QUEUES: Final = (DEFAULT, TRANSFERS)

BEAT_SECONDS = 10.0
# Longer than three beats: a machine that swaps is slow, not dead.
GONE_SECONDS = 40.0


@dataclass(frozen=True)
class Queue:
    """``workers``: how many serve it now; ``waiting``: messages that none has taken yet."""

    name: str
    workers: int
    waiting: int


def _key(queue: str) -> str:
    return f"seedbed:workers:{queue}"


def presence_write(client: redis.Redis, queues: list[str], worker: str, now: float) -> None:
    """Say that ``worker`` serves ``queues`` at ``now`` (seconds of the epoch)."""
    for queue in queues:
        client.zadd(_key(queue), {worker: now})
        client.zremrangebyscore(_key(queue), 0, now - GONE_SECONDS)


def presence_remove(client: redis.Redis, queues: list[str], worker: str) -> None:
    for queue in queues:
        client.zrem(_key(queue), worker)


def queues_now(now: float) -> list[Queue]:
    """How the queues stand. Raises redis.RedisError where Redis does not answer."""
    client = redis_client()
    try:
        return [
            Queue(name, int(client.zcount(_key(name), now - GONE_SECONDS, "+inf")), int(client.llen(name)))
            for name in QUEUES
        ]
    finally:
        client.close()


class Presence:
    """The thread of a worker that says it is there, until :meth:`end`."""

    def __init__(self, queues: list[str], worker: str) -> None:
        self._queues, self._worker = queues, worker
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(BEAT_SECONDS)

    def _run(self) -> None:
        while True:
            self._try(lambda client: presence_write(client, self._queues, self._worker, time.time()))
            if self._ended.wait(BEAT_SECONDS):
                break
        self._try(lambda client: presence_remove(client, self._queues, self._worker))

    def _try(self, write: Any) -> None:
        client = redis_client()
        try:
            write(client)
        except redis.RedisError:
            _LOG.warning("Redis does not answer; it is not told that this worker is there.")
        finally:
            client.close()
