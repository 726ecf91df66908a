"""Which attempt may work on an artifact, and whether it was asked to stop.

Two attempts at one stage can be alive at once: the reaper gives an attempt up after a silence, and the silent worker
may come back. Both would write parts of the same artifact. A lease in Redis names the attempt that holds it; a newer
attempt takes it over, an older one notices within a second, and every write of a part asks first (``Lease.fence``).
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable
from typing import Literal, Protocol, Self, cast
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workers.stages import StageCancelled

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
# Long enough that a message which the broker hands out again days later still finds that its attempt had its turn.
LEASE_SECONDS = 14 * 24 * 3600

# Take the lease unless a newer attempt, or another process with the same attempt, has it. Answers the holder's
# value where it is refused. One script, so that nobody comes between the look and the write.
_TAKE = """
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[1] .. ':' .. ARGV[2] then
    local attempt = tonumber(string.match(held, '^(%d+):'))
    if attempt and attempt >= tonumber(ARGV[1]) then return held end
end
redis.call('SET', KEYS[1], ARGV[1] .. ':' .. ARGV[2], 'EX', ARGV[3])
return false
"""

StopReason = Literal["cancelled", "superseded", "interrupted"]


class Attempted(Protocol):
    """Which attempt it is."""

    @property
    def attempt(self) -> int: ...


class AttemptSpec(Protocol):
    """What an attempt is known by, at a stage of a round or at an asking."""

    @property
    def reference(self) -> Attempted: ...

    @property
    def output(self) -> str: ...

    @property
    def cancel_key(self) -> str: ...


class Superseded(StageCancelled):
    """A newer attempt has taken the artifact over, or another process runs this very attempt."""


def redis_client(url: str) -> redis.Redis:
    """A client for the URLs that the settings allow; ``redis+socket:///path`` is Celery's word for a unix socket.

    Time-outs are short, because callers ask about once a second and can do without an answer for a while.
    """
    # A connection that a restarted server has closed is made anew; redis-py's own pauses would hold up the stage.
    once = Retry(NoBackoff(), 1)
    parts = urlsplit(url)
    if parts.scheme == "redis+socket":
        return redis.Redis(
            unix_socket_path=unquote(parts.path),
            db=int(parse_qs(parts.query).get("virtual_host", ["0"])[0]),
            password=parts.password,
            socket_timeout=5,
            decode_responses=True,
            health_check_interval=30,
            retry=once,
        )
    return redis.Redis.from_url(
        url,
        socket_timeout=5,
        socket_connect_timeout=5,
        decode_responses=True,
        health_check_interval=30,
        retry=once,
    )


def lease_key(artifact_id: str) -> str:
    return f"seedbed:lease:{artifact_id}"


class Lease:
    """The right of one attempt, in one process, to write into the artifact ``spec.output``."""

    def __init__(self, client: redis.Redis, spec: AttemptSpec, token: str | None = None) -> None:
        self.client = client
        self.key = lease_key(spec.output)
        self.attempt = spec.reference.attempt
        self.token = token or uuid.uuid4().hex

    def take(self) -> None:
        """Take the lease or keep it; a lease that the server has forgotten is taken again.

        Raises:
            Superseded: a newer attempt has it, or this attempt has run before in another process.
            redis.RedisError: the server does not answer.
        """
        holder = cast(
            "str | None", self.client.eval(_TAKE, 1, self.key, str(self.attempt), self.token, str(LEASE_SECONDS))
        )
        if holder:
            raise Superseded(f"Attempt {self.attempt} has lost {self.key} to attempt {holder.partition(':')[0]}.")

    def fence(self) -> None:
        """Ask before a write. Where Redis does not answer the write goes on: without Redis no newer attempt starts."""
        try:
            self.take()
        except redis.RedisError as error:
            log.warning("The lease could not be checked before a write: %s", error)


class AttemptWatch:
    """Looks about once a second whether the attempt has to stop, and remembers the first reason.

    Used as a context manager around the stage. ``stopping`` tells whether this worker is shutting down.
    """

    def __init__(
        self,
        lease: Lease,
        cancel_key: str,
        *,
        stopping: Callable[[], bool] = lambda: False,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self.lease = lease
        self.cancel_key = cancel_key
        self.stopping = stopping
        self.poll_seconds = poll_seconds
        self.reason: StopReason | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attempt-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=15)

    def stop(self) -> bool:
        """Whether the stage has to stop."""
        if self.reason is None and self.stopping():
            self.reason = "interrupted"
        return self.reason is not None

    def look(self) -> None:
        """Ask Redis once. An outage is no reason to stop."""
        try:
            if self.lease.client.exists(self.cancel_key):
                self.reason = self.reason or "cancelled"
            self.lease.take()
        except Superseded:
            # A newer attempt speaks for the stage now, whatever else was asked.
            self.reason = "superseded"
        except redis.RedisError as error:
            log.warning("Redis does not answer (%s); the stage goes on.", error)

    def _run(self) -> None:
        while not self._over.wait(self.poll_seconds):
            if not self.stop():
                self.look()


def take_lease(lease: Lease, *, patience_seconds: float = 60.0, sleep: Callable[[float], None] = time.sleep) -> None:
    """Take the lease at the start of an attempt, waiting out a short outage.

    Raises:
        Superseded: another attempt has it.
        redis.RedisError: the server has not answered for ``patience_seconds``.
    """
    pause, waited = 0.2, 0.0
    while True:
        try:
            lease.take()
        except redis.RedisError:
            if waited >= patience_seconds:
                raise
            sleep(pause)
            waited += pause
            pause = min(pause * 2, 5.0)
        else:
            return
