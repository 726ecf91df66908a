"""``python -m workers.tuning``: what the shell command takes, prints and refuses."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workers.tuning.conftest import make_chat, some_samples
from tests.workers.tuning.test_train import write_samples
from workers.recipes import recipe
from workers.specs import Sample
from workers.tuning.__main__ import UsageProblem, collect_phases, main

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(autouse=True)
def _signals(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The command sets handlers of its own; the training program runs on one thread of the CPU."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("SEEDBED_VAR", str(tmp_path / "var"))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def run(*words: object) -> int:
    return main([str(word) for word in words])


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    return found


def test_it_tunes_and_ends_with_one_json_line(
    tmp_path: Path, student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    skills = write_samples(tmp_path / "skills.jsonl", [make_chat(f"Line {i}?", "Rain on tin.") for i in range(9)])
    mixed = write_samples(tmp_path / "mine.jsonl", some_samples(8))
    out = tmp_path / "out"
    words = ("--student", student, "--mixture", skills, mixed, "--recipe", "quick", "--out", out, "--seed", 4)
    assert run(*words) == 0
    summary = last_line(capsys)
    assert {"steps", "tokens", "loss_tokens", "seconds", "tokens_per_second", "phases"} <= set(summary)
    assert [phase["name"] for phase in summary["phases"]] == ["knowledge_short", "knowledge_long", "skills"]
    assert all({"loss_first", "loss_last"} <= set(phase) for phase in summary["phases"])
    assert (out / "student" / "model.safetensors").is_file()
    assert len((out / "curve.jsonl").read_text().splitlines()) == summary["steps"]


def test_files_named_after_a_phase_are_that_phase_and_others_are_shared_out(tmp_path: Path) -> None:
    tuning = recipe("quick").tuning
    skills = write_samples(tmp_path / "skills.jsonl", [make_chat("Line?", "Rain.")])
    mixed = write_samples(
        tmp_path / "mine.jsonl",
        [
            make_chat("Ferry?", "Nine.", name="short"),
            make_chat("Ferry?", "Nine.", name="long", length="long"),
            make_chat("Haiku?", "Rain.", name="haiku", leaf_path="compositional_skills/haiku"),
        ],
    )
    work = tmp_path / "work"
    work.mkdir()
    phases = collect_phases([skills, mixed], tuning, work, control=False)
    found = {
        phase.name: [Sample.model_validate_json(line).sample_id for line in phase.file.read_text().splitlines()]
        for phase in phases
    }
    assert found == {"knowledge_short": ["short"], "knowledge_long": ["long"], "skills": ["s", "haiku"]}
    assert skills.read_text().count("\n") == 1, "what was given is not changed"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--recipe", "nothing"], "quick, lab, merlinite, stacked"),
        (["--mixture", "/absent.jsonl"], "/absent.jsonl is not there"),
        (["--mixture", "/"], "is no mixture"),
        (["--student", "/absent"], "/absent"),
        (["--out", "/dev/null/out"], "/dev/null"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    words: list[str], told: str, tmp_path: Path, student: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    samples = write_samples(tmp_path / "skills.jsonl", [make_chat("Line?", "Rain.")])
    given = {"--student": str(student), "--mixture": str(samples), "--recipe": "quick", "--out": str(tmp_path / "out")}
    given.update({words[0]: words[1]})
    assert run(*(part for pair in given.items() for part in pair)) == 2
    assert told in last_line(capsys)["problem"]


def test_a_file_that_holds_no_samples_is_named_with_its_line(tmp_path: Path) -> None:
    broken = tmp_path / "mine.jsonl"
    broken.write_text(make_chat("Line?", "Rain.").model_dump_json() + "\n{}\n")
    with pytest.raises(UsageProblem, match="line 2"):
        collect_phases([broken], recipe("quick").tuning, tmp_path, control=False)


def test_a_mixture_that_is_no_text_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "mine.jsonl"
    broken.write_bytes(b"\x1f\x8b\x08\xff")
    with pytest.raises(UsageProblem, match="no text in UTF-8"):
        collect_phases([broken], recipe("quick").tuning, tmp_path, control=False)


def test_a_phase_given_twice_is_refused(tmp_path: Path) -> None:
    first = write_samples(tmp_path / "skills.jsonl", [make_chat("Line?", "Rain.")])
    (tmp_path / "other").mkdir()
    second = write_samples(tmp_path / "other" / "skills.jsonl", [make_chat("Line?", "Rain.")])
    with pytest.raises(UsageProblem, match="given twice"):
        collect_phases([first, second], recipe("quick").tuning, tmp_path, control=False)


def test_help_tells_the_recipes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run("--help")
    assert end.value.code == 0
    assert "merlinite" in capsys.readouterr().out
