"""Which queues somebody works on: each worker says so in Redis every few seconds, busy or not.

Pages tell a person before the question is asked that nobody would answer it. The word of a worker that died runs out.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import redis

from workers.asking.specs import listening_key
from workers.leases import redis_client

log = logging.getLogger(__name__)

SAY_SECONDS = 5.0
# Three words may be missed before nobody is thought to listen.
LASTS_SECONDS = 20


class Presence:
    """Says for one worker that it takes jobs from ``queues``, until the process ends."""

    def __init__(self, redis_url: str, queues: Sequence[str]) -> None:
        self.redis_url = redis_url
        self.queues = tuple(queues)
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)
        self._over = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        with redis_client(self.redis_url) as client:
            while True:
                try:
                    for queue in self.queues:
                        client.set(listening_key(queue), "1", ex=LASTS_SECONDS)
                except redis.RedisError as error:
                    log.warning("Redis does not answer (%s); pages may think that no worker listens.", error)
                if self._over.wait(SAY_SECONDS):
                    return
