"""Metrics: lines that grow while they are read, and a resumed start that takes back what will be done again."""

from __future__ import annotations

from pathlib import Path

from workers.tuning.metrics import MetricsFollower, MetricsWriter, read_records


def steps(path: Path) -> list[int]:
    return [record["step"] for record in read_records(path) if record["event"] == "step"]


def test_a_resumed_start_keeps_the_steps_before_its_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first = MetricsWriter(path, run_id="a", step=0, plan={"steps": 9})
    for step in range(1, 6):
        first.write("step", step=step)
    first.close()
    second = MetricsWriter(path, run_id="b", step=3, plan={"steps": 9})
    second.write("step", step=4)
    second.close()
    assert steps(path) == [1, 2, 3, 4]
    assert sum(record["event"] == "plan" for record in read_records(path)) == 1


def test_a_start_from_the_beginning_forgets_what_was(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    first = MetricsWriter(path, run_id="a", step=0, plan={})
    first.write("step", step=1)
    first.close()
    MetricsWriter(path, run_id="b", step=0, plan={}).close()
    assert steps(path) == []
    assert [record.get("run_id") for record in read_records(path) if record["event"] == "run"] == ["b"]


def test_a_follower_is_given_each_record_once_and_none_of_an_older_run(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    follower = MetricsFollower(path, "b")
    assert follower.new_records() == []
    old = MetricsWriter(path, run_id="a", step=0, plan={})
    for step in (1, 2, 3):
        old.write("step", step=step)
    assert follower.new_records() == []
    new = MetricsWriter(path, run_id="b", step=2, plan={})
    given = follower.new_records()
    assert [record["step"] for record in given if record["event"] == "step"] == [1, 2]
    new.write("step", step=3)
    assert [record["step"] for record in follower.new_records()] == [3]
    assert follower.new_records() == []


def test_a_line_that_is_still_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    MetricsWriter(path, run_id="b", step=0, plan={}).close()
    follower = MetricsFollower(path, "b")
    follower.new_records()
    with path.open("a") as file:
        file.write('{"event": "step", "st')
    assert follower.new_records() == []
    assert steps(path) == []
    with path.open("a") as file:
        file.write('ep": 1}\n')
    assert follower.new_records() == [{"event": "step", "step": 1}]
