"""Reports: in order, throttled, none of importance lost."""

from __future__ import annotations

import threading
import time
from typing import Any

from tests.workers.planning_data import some_spec
from workers.reporting import Reporter, joined
from workers.specs import Progress, StageProblem, StageReport


class Broker:
    """Takes reports, unless it is away."""

    def __init__(self) -> None:
        self.taken: list[StageReport] = []
        self.away = threading.Event()
        self.refused = 0

    def __call__(self, report: dict[str, Any]) -> None:
        if self.away.is_set():
            self.refused += 1
            raise ConnectionRefusedError
        self.taken.append(StageReport.model_validate(report))

    def events(self) -> list[str]:
        return [report.event for report in self.taken]


def reporter(broker: Broker, **changes: Any) -> Reporter:
    made: dict[str, Any] = {"worker": "w", "heartbeat_seconds": 10.0, "progress_seconds": 0.1, "patience_seconds": 10.0}
    return Reporter(some_spec().reference, broker, **{**made, **changes})


def wait_for(condition: Any, seconds: float = 5.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def test_an_attempt_is_told_from_beginning_to_end() -> None:
    broker = Broker()
    speaker = reporter(broker)
    speaker.started()
    speaker.progress(Progress(done=1, total=2))
    assert speaker.done("out-0001", {"samples": 3})
    assert broker.events() == ["started", "progress", "done"]
    assert [report.sequence for report in broker.taken] == sorted({report.sequence for report in broker.taken})
    assert broker.taken[-1].artifact == "out-0001"
    assert broker.taken[-1].result == {"samples": 3}


def test_much_progress_becomes_few_reports_and_the_last_is_the_newest() -> None:
    broker = Broker()
    speaker = reporter(broker, progress_seconds=0.2)
    speaker.started()
    began = time.monotonic()
    for step in range(1000):
        speaker.progress(Progress(done=step, total=1000, curve=((float(step), 1.0),)))
        time.sleep(0.0005)
    speaker.done("a", {})
    shown = [report.progress for report in broker.taken if report.progress is not None]
    assert len(shown) <= (time.monotonic() - began) / 0.2 + 2
    assert shown[-1].done == 999
    assert [point[0] for progress in shown for point in progress.curve] == [float(step) for step in range(1000)]


def test_a_silent_attempt_has_a_heartbeat() -> None:
    broker = Broker()
    speaker = reporter(broker, heartbeat_seconds=0.05)
    speaker.started()
    wait_for(lambda: broker.events().count("heartbeat") >= 3)
    speaker.failed(StageProblem(code="x", message="A sentence."))
    ended = len(broker.taken)
    time.sleep(0.2)
    assert len(broker.taken) == ended
    assert broker.events()[-1] == "failed"


def test_reports_survive_an_outage_of_the_broker() -> None:
    broker = Broker()
    speaker = reporter(broker, heartbeat_seconds=0.05)
    broker.away.set()
    speaker.started()
    for step in range(20):
        speaker.progress(Progress(done=step, curve=((float(step), 0.5),)))
        time.sleep(0.01)
    wait_for(lambda: broker.refused >= 2)
    assert broker.taken == []
    broker.away.clear()
    wait_for(lambda: broker.events()[-1:] == ["heartbeat"])
    broker.away.set()
    ender = threading.Timer(0.5, broker.away.clear)
    ender.start()
    assert speaker.done("a", {"x": 1})
    assert broker.events()[0] == "started"
    assert broker.events()[-1] == "done"
    points = [point[0] for report in broker.taken if report.progress for point in report.progress.curve]
    assert points == [float(step) for step in range(20)]
    sequences = [report.sequence for report in broker.taken]
    assert sequences == sorted(set(sequences))


def test_patience_with_the_broker_ends() -> None:
    broker = Broker()
    broker.away.set()
    speaker = reporter(broker, patience_seconds=0.3)
    speaker.started()
    assert speaker.cancelled() is False


def test_an_abandoned_attempt_says_nothing_more() -> None:
    broker = Broker()
    speaker = reporter(broker, heartbeat_seconds=0.02)
    speaker.started()
    wait_for(lambda: "started" in broker.events())
    speaker.abandoned()
    time.sleep(0.1)
    said = len(broker.taken)
    speaker.progress(Progress(done=1))
    time.sleep(0.2)
    assert len(broker.taken) == said


def test_joined_progress_keeps_the_newer_value_of_a_step() -> None:
    earlier = Progress(done=1, curve=((1.0, 3.0), (2.0, 2.0)))
    later = Progress(done=2, curve=((2.0, 1.5), (3.0, 1.0)))
    assert joined(earlier, later) == Progress(done=2, curve=((1.0, 3.0), (2.0, 1.5), (3.0, 1.0)))
