"""How an attempt speaks to the web: one thread sends its reports in order, and a heartbeat in a silence.

The stage never waits for the network: it leaves its progress here and goes on. Progress is sent about once a second,
the newest only; what begins or ends an attempt is always sent, and sent again with growing pauses until the broker
takes it or patience ends (the reaper then starts an attempt that finds the finished artifact).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Literal

from pydantic import BaseModel

from workers.specs import Progress, Report, StageProblem, StageReport

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
Event = Literal["started", "heartbeat", "progress", "done", "failed", "cancelled"]
ENDS: tuple[Event, ...] = ("done", "failed", "cancelled")


def joined(earlier: Progress | None, later: Progress) -> Progress:
    """``later`` with the curve points of an ``earlier`` progress that was never sent before its own."""
    if earlier is None or not earlier.curve:
        return later
    steps = {step for step, _ in later.curve}
    curve = tuple(point for point in earlier.curve if point[0] not in steps) + later.curve
    return later.model_copy(update={"curve": curve})


class Reporter:
    """Sends the reports of one attempt.

    Args:
        reference: which attempt speaks; goes into every report.
        send: hands one report (JSON data) to the broker; raises one of ``outages`` while it cannot.
        kind: what the reports are, a stage's unless said otherwise.
        heartbeat_seconds: the longest silence of a running attempt.
        patience_seconds: how long the end of the attempt waits for its last report to be taken.
    """

    def __init__(
        self,
        reference: BaseModel,
        send: Callable[[dict[str, Any]], None],
        *,
        worker: str,
        heartbeat_seconds: float,
        outages: tuple[type[Exception], ...] = (OSError,),
        progress_seconds: float = PROGRESS_SECONDS,
        patience_seconds: float = 600.0,
        kind: type[Report] = StageReport,
    ) -> None:
        self.reference = reference
        self.worker = worker
        self.heartbeat_seconds = heartbeat_seconds
        self.progress_seconds = progress_seconds
        self.patience_seconds = patience_seconds
        self._kind = kind
        self._send = send
        self._outages = outages
        self._wake = threading.Condition()
        self._waiting: deque[Report] = deque()
        self._progress: Progress | None = None
        self._ended = False
        self._given_up = threading.Event()
        self._sequence = 0
        self._spoke_at = time.monotonic()
        self._progress_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    # -- for the attempt

    def started(self) -> None:
        """Begin to speak; the heartbeat starts here."""
        with self._wake:
            self._put("started")
        self._thread.start()

    def progress(self, progress: Progress) -> None:
        """Leave what to show next. Never blocks, never fails."""
        with self._wake:
            self._progress = joined(self._progress, progress)
            self._wake.notify()

    def done(self, artifact: str, result: dict[str, Any]) -> bool:
        return self._end("done", artifact=artifact, result=result)

    def failed(self, problem: StageProblem) -> bool:
        return self._end("failed", problem=problem)

    def cancelled(self) -> bool:
        return self._end("cancelled")

    def abandoned(self) -> None:
        """Fall silent without a last word: another attempt speaks for the stage."""
        with self._wake:
            self._ended, self._progress = True, None
            self._waiting.clear()
            self._given_up.set()
            self._wake.notify()

    # -- inside

    def _put(self, event: Event, **more: Any) -> None:
        self._sequence += 1
        self._waiting.append(
            self._kind.model_validate(
                {"reference": self.reference, "sequence": self._sequence, "event": event, "worker": self.worker, **more}
            )
        )
        self._wake.notify()

    def _end(self, event: Event, **more: Any) -> bool:
        """Say the last word and wait until it is taken. Answers whether it was."""
        with self._wake:
            if self._progress is not None:
                self._put("progress", progress=self._progress)
                self._progress = None
            self._put(event, **more)
            self._ended = True
        self._thread.join(timeout=self.patience_seconds)
        if self._thread.is_alive():
            self._given_up.set()
            log.error("The report %r of %s was not taken by the broker.", event, self.reference)
            return False
        return True

    def _next(self) -> Report | None:
        """The next report to send, waiting for it; None at the end.

        A report stays first until it is taken. New progress is put behind it only then, so that an outage joins
        progress instead of queueing it.
        """
        with self._wake:
            while True:
                if self._waiting:
                    return self._waiting[0]
                if self._ended:
                    return None
                now = time.monotonic()
                beat = self._spoke_at + self.heartbeat_seconds
                show = self._progress_at + self.progress_seconds if self._progress is not None else float("inf")
                if show <= now:
                    self._put("progress", progress=self._progress)
                    self._progress, self._progress_at = None, now
                elif beat <= now:
                    self._put("heartbeat")
                else:
                    self._wake.wait(min(beat, show) - now)

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._given_up.is_set():
            report = self._next()
            if report is None:
                return
            try:
                self._send(report.model_dump(mode="json"))
            except self._outages as error:
                log.warning("The broker did not take a report (%s); trying again in %.1f s.", error, pause)
                self._given_up.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            pause = FIRST_PAUSE
            with self._wake:
                self._spoke_at = time.monotonic()
                if self._waiting and self._waiting[0] is report:
                    self._waiting.popleft()
