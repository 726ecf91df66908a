"""When a client may ask: all its requests wait while a server asks for patience, and one alone tries a broken one.

Two rules over all requests of one endpoint. A rate limit (429, or ``Retry-After``) pauses everybody, not only the
request that met it, and everybody comes back a little apart. A server that has failed several times in a row is tried
by one request at a time with growing pauses (a circuit breaker); it counts as gone after as many tries as one request
would have had, however many requests were waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator

# Failures in a row, of whatever requests, after which a server is tried by one request at a time.
FAILURES_TO_OPEN = 5
LONGEST_WAIT_SECONDS = 60.0
# A server that has answered nothing but "too many requests" for so long does not serve this round.
LIMITED_PATIENCE_SECONDS = 1800.0


class Pace:
    """The pace of one endpoint. ``attempts``: tries of a server that has broken before it counts as gone."""

    def __init__(self, *, attempts: int, backoff: float, limited_patience: float = LIMITED_PATIENCE_SECONDS) -> None:
        self.attempts = attempts
        self.backoff = backoff
        self.limited_patience = limited_patience
        self.pauses = 0
        self._failures = 0
        self._limited_since: float | None = None
        self._not_before = 0.0
        self._probe = asyncio.Lock()
        # Jitter only spreads requests in time; it decides nothing about what is asked.
        self._jitter = random.Random()  # noqa: S311

    @property
    def broken(self) -> bool:
        """Whether only one request at a time may try."""
        return self._failures >= FAILURES_TO_OPEN

    def gone(self) -> bool:
        """Whether, at this moment, there is no sense in trying any more."""
        if self._failures >= FAILURES_TO_OPEN + self.attempts:
            return True
        return self._limited_since is not None and time.monotonic() - self._limited_since > self.limited_patience

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        """One try: begins when it may. True where it is alone, because the server is broken."""
        while True:
            await self._pause_over()
            if not self.broken:
                yield False
                return
            async with self._probe:
                await self._pause_over()
                if self.broken:
                    yield True
                    return

    def answered(self) -> None:
        """The server has given a whole answer, or refused a single request for its content."""
        self._failures = 0
        self._limited_since = None

    def limited(self, seconds: float | None, attempt: int) -> None:
        """The server asks for patience: ``seconds`` where it says how long."""
        self._limited_since = self._limited_since or time.monotonic()
        self._pause(seconds if seconds is not None else self.backoff * 2**attempt)

    def failed(self, *, alone: bool) -> None:
        """A try went wrong: a broken connection, a time-out, an answer that is none.

        Tries that were under way together when the server broke say the same thing once; only one that was ``alone``
        says that it is still broken.
        """
        self._failures = self._failures + 1 if alone else min(self._failures + 1, max(self._failures, FAILURES_TO_OPEN))
        if alone:
            self._pause(self.backoff * 2 ** (self._failures - FAILURES_TO_OPEN))

    async def apart(self, attempt: int) -> None:
        """Wait before the next try of one request whose server may be well."""
        spread = min(LONGEST_WAIT_SECONDS, self.backoff * 2**attempt)
        await asyncio.sleep(self._jitter.uniform(spread / 2, spread))

    def _pause(self, seconds: float) -> None:
        self.pauses += 1
        self._not_before = max(self._not_before, time.monotonic() + seconds)

    async def _pause_over(self) -> None:
        while (left := self._not_before - time.monotonic()) > 0:  # noqa: ASYNC110  # a moment on the clock, perhaps moved
            # Everybody waited for the same moment; who comes back apart does not meet the limit again at once.
            await asyncio.sleep(left + self._jitter.uniform(0.0, min(left, 5.0) / 4))
