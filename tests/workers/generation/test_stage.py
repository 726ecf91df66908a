"""The stage of a round and the shell command: killed outright they go on, asked to stop they stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.workers.fake_teacher import FakeTeacher, reply
from tests.workers.generation.leaves import freeform_leaf, recipe
from workers.artifacts import ArtifactStore
from workers.environment import PROJECT, shared_settings
from workers.generation.__main__ import InputProblem, planned_leaves
from workers.generation.rows import Outcome
from workers.generation.stage import run
from workers.pipelines import pipeline
from workers.recipes import recipe as named_recipe
from workers.specs import (
    LeafPin,
    ModelReference,
    Progress,
    RoundPlan,
    StageKind,
    StageReference,
    StageSpec,
    TeacherReference,
)
from workers.stages import StageContext, StageFailure, stage_finish

SUBJECTS = ("rain on slate", "bread at dawn", "a lost glove", "the last tram", "an empty classroom", "frost", "salt")


@pytest.fixture
def taxonomy(tmp_path: Path) -> Path:
    """Two freeform leaves, as files."""
    for name in ("lines", "songs"):
        folder = tmp_path / "taxonomy" / "compositional_skills" / "writing" / name
        folder.mkdir(parents=True)
        seeds = "".join(
            f"  - question: Write {name} about {subject}.\n    answer: There was {subject}, and nobody spoke.\n"
            for subject in SUBJECTS
        )
        (folder / "qna.yaml").write_text(
            f"version: 3\ncreated_by: tester\ntask_description: Write {name} about a subject.\nseed_examples:\n{seeds}"
        )
    return tmp_path / "taxonomy"


@pytest.fixture
def command(tmp_path: Path, taxonomy: Path) -> Iterator[Any]:
    """Starts ``python -m workers.generation``; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(url: str, *more: str, name: str = "out") -> subprocess.Popen[str]:
        arguments = ["--taxonomy", str(taxonomy), "--teacher-url", url, "--teacher-model", "teacher"]
        arguments += ["--profile", "generic-instruct", "--no-judge", "--samples", "40", "--in-flight", "4"]
        arguments += ["--seed", "5", "--out", str(tmp_path / name), *more]
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "workers.generation",
                *arguments,
                "--seed",
                "5",
                "--out",
                str(tmp_path / name),
                *more,
            ],
            cwd=PROJECT,
            env={**os.environ, "SEEDBED_VAR": str(tmp_path / "var")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def finished_questions(folder: Path) -> dict[tuple[str, int], str]:
    """The question of every row that the parts hold."""
    found = {}
    for file in sorted((folder / "parts").glob("rows-*.jsonl")):
        for line in file.read_text().splitlines()[1:]:
            outcome = Outcome.model_validate_json(line)
            entry = outcome.sample or (outcome.dropped.sample if outcome.dropped else None)
            assert entry is not None
            found[(outcome.leaf_id, outcome.index)] = entry.messages[0].content
    return found


def requests_for(questions: set[str], bodies: list[dict[str, Any]]) -> set[tuple[str, int]]:
    """The requests (text and seed) that these questions came from, or that asked for their answers."""
    found = set()
    for body in bodies:
        said = json.loads(reply(body)["choices"][0]["message"]["content"])
        asked = body["messages"][-1]["content"]
        if said.get("question") in questions or any(f"Question: {question}\n" in asked for question in questions):
            found.add((asked, body["seed"]))
    return found


def test_after_a_sigkill_nothing_finished_is_asked_again_and_nothing_appears_twice(
    tmp_path: Path, command: Any
) -> None:
    with FakeTeacher(latency=0.05) as server:
        process = command(server.url)
        deadline = time.monotonic() + 60
        while len(list((tmp_path / "out" / "parts").glob("rows-*.jsonl"))) < 2:
            assert time.monotonic() < deadline, process.communicate(timeout=1)
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = finished_questions(tmp_path / "out")
        assert len(done) >= 8
        first = list(server.requests)
        settled = requests_for(set(done.values()), first)
        assert len(settled) == 2 * len(done)
        server.requests.clear()
        server.latency = 0.0
        out, err = command(server.url).communicate(timeout=60)
        assert out, err
        assert not settled & {(body["messages"][-1]["content"], body["seed"]) for body in server.requests}
        second = list(server.requests)
    facts = json.loads(out.splitlines()[-1])
    lines = (tmp_path / "out" / "samples.jsonl").read_text().splitlines()
    samples = [json.loads(line) for line in lines]
    assert len(samples) == facts["samples"] == 80
    assert len({sample["sample_id"] for sample in samples}) == 80
    assert len({sample["messages"][0]["content"] for sample in samples}) == 80
    assert set(done.values()) <= {sample["messages"][0]["content"] for sample in samples}
    # All that was written down is counted, and only what was under way was lost.
    assert facts["requests"] >= len(second) + 2 * len(done)
    assert (tmp_path / "out" / "manifest.json").exists()
    assert not (tmp_path / "out" / "parts").exists()


def test_a_polite_stop_waits_for_no_answer_and_says_how_to_go_on(tmp_path: Path, command: Any) -> None:
    with FakeTeacher(latency=600) as server:
        process = command(server.url)
        while not server.requests:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on from here" in err


def test_the_command_ends_with_one_line_of_json(command: Any) -> None:
    with FakeTeacher() as server:
        out, err = command(server.url, "--samples", "5", "--held-out", "0.3").communicate(timeout=60)
    assert len(out.splitlines()) == 1, err
    facts = json.loads(out)
    assert facts["samples"] == 10
    for name in ("requests", "prompt_tokens", "completion_tokens", "seconds", "dropped", "mean_in_flight"):
        assert name in facts


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--leaf", "compositional_skills/none"), "There is no leaf compositional_skills/none"),
        (("--leaf", "../etc"), "There is no leaf ../etc"),
        (("--taxonomy", "/no/such/folder"), "There is no folder /no/such/folder"),
        (("--teacher-url", "http://127.0.0.1:9"), "nothing listens there"),
        (("--teacher-url", "not a web address"), "not a web address"),
        (("--teacher-key-variable", "HOME"), "HOME is not a variable for a teacher's key"),
        (("--teacher-key-variable", "SEEDBED_TEACHER_KEY_UNSET"), "SEEDBED_TEACHER_KEY_UNSET is not set"),
        (("--profile", "grand"), "no teacher profile grand"),
        (("--teacher-model", "another"), "does not serve a model called another"),
        (("--samples", "0"), "samples per leaf: Input should be greater than or equal to 1."),
        (("--in-flight", "0"), "max in flight: Input should be greater than or equal to 1."),
    ],
)
def test_what_is_wrong_is_one_sentence(command: Any, arguments: tuple[str, str], sentence: str) -> None:
    with FakeTeacher() as server:
        process = command(server.url, *arguments)
        out, err = process.communicate(timeout=60)
    assert process.returncode in (1, 2)
    assert sentence in err
    assert "Traceback" not in err
    assert out == ""


def test_a_broken_leaf_is_named_with_its_line(command: Any, taxonomy: Path) -> None:
    leaf = taxonomy / "compositional_skills" / "writing" / "lines" / "qna.yaml"
    leaf.write_text("version: 3\ncreated_by: [tester\n")
    with FakeTeacher() as server:
        _, err = command(server.url).communicate(timeout=60)
    assert "qna.yaml (line" in err
    assert "Traceback" not in err


def test_documents_that_cannot_be_asked_about_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    context = "Orsa has a lantern of granite that was lit in 1804."
    pairs = "".join(f"      - question: What is {n}?\n        answer: It is {n}.\n" for n in range(3))
    seeds = "".join(f"  - context: {context} {n}\n    questions_and_answers:\n{pairs}" for n in range(5))
    leaf = tmp_path / "taxonomy" / "knowledge" / "orsa"
    leaf.mkdir(parents=True)
    leaf.joinpath("qna.yaml").write_text(
        "version: 3\ncreated_by: tester\ndomain: harbours\ndocument_outline: Orsa and its lantern.\n"
        f"document:\n  repo: seedbed:documents\n  commit: {'a' * 40}\n  patterns: ['*.md']\nseed_examples:\n{seeds}"
    )
    for data, sentence in ((b"%PDF-1.7 \xe2\xe3\xcf", "not a text in UTF-8"), (b" \n", "is empty")):
        (folder / "orsa.md").write_bytes(data)
        with pytest.raises(InputProblem, match=sentence):
            planned_leaves(tmp_path / "taxonomy", (), folder, 0.0)
    (folder / "orsa.md").unlink()
    with pytest.raises(InputProblem, match="are not in"):
        planned_leaves(tmp_path / "taxonomy", (), folder, 0.0)


def context_for(tmp_path: Path, url: str, told: list[Progress]) -> tuple[StageSpec, StageContext]:
    settings = shared_settings({"SEEDBED_VAR": str(tmp_path)})
    leaf = freeform_leaf()
    whole = named_recipe("quick").model_copy(update={"generation": recipe()})
    plan = RoundPlan(
        taxonomy_commit="c",
        leaves=(LeafPin(leaf_id=leaf.leaf_id, path=leaf.path, blob=leaf.blob),),
        teacher=TeacherReference(source="endpoint", url=url, model=ModelReference(name="teacher")),
        student=ModelReference(name="bundled:smollm2-135m-instruct"),
        recipe=whole,
        pipeline=pipeline().pin,
        random_seed=1,
        code_version="test",
    )
    reference = StageReference(round_id="r", stage_id="s", kind=StageKind.GENERATION, attempt=1)
    store = ArtifactStore(settings.artifacts_url)
    context = StageContext(settings=settings, store=store, plan=plan, leaves=(leaf,), report=told.append)
    return StageSpec(reference=reference, plan="plan-1", output="generation-1"), context


def test_the_stage_leaves_the_agreed_files_and_answers_with_its_counts(tmp_path: Path) -> None:
    told: list[Progress] = []
    with FakeTeacher() as server:
        spec, context = context_for(tmp_path, server.url, told)
        result = run(spec, context)
    artifact = context.store.artifact("generation-1")
    assert artifact.names() == ["dropped.jsonl", "funnel.json", "samples.jsonl", "summary.json", "teacher.json"]
    assert result["samples"] == 6
    assert result["leaves"] == {"leaf-freeform": 6}
    assert set(result) >= {"dropped", "requests", "prompt_tokens", "completion_tokens", "seconds", "judge"}
    assert told[-1].done == 6
    stage_finish(spec, context, result)
    assert artifact.manifest()["spec"]["pipeline"] == {
        "name": "lab",
        "version": "1",
        "hash": result["pipeline"]["hash"],
    }
    # Small enough to be a message.
    assert len(json.dumps(result)) < 4000


def test_the_stage_says_in_a_problem_what_is_wrong_with_the_teacher(tmp_path: Path) -> None:
    spec, context = context_for(tmp_path, "http://127.0.0.1:9", [])
    with pytest.raises(StageFailure) as caught:
        run(spec, context)
    assert caught.value.problem.code == "teacher_unreachable"
    assert caught.value.problem.retry
