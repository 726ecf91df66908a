"""The shell command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workers.planning_data import PLAN, settings_in, store_with_plan
from workers.environment import PROJECT
from workers.specs import EvaluationResult

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]


def call(var: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("SEEDBED_")} | {"SEEDBED_VAR": str(var)}
    command = [sys.executable, "-m", "workers.evaluation", *map(str, arguments)]
    return subprocess.run(command, cwd=PROJECT, env=environ, capture_output=True, text=True, check=False)


def test_help_says_what_it_does(tmp_path: Path) -> None:
    done = call(tmp_path, "--help")
    assert done.returncode == 0
    for word in ("--model", "--against", "--taxonomy", "--plan", "--benchmark", "--limit", "--out"):
        assert word in done.stdout


def test_two_models_are_compared_on_a_plan(tmp_path: Path, model_folder: Path, other_model_folder: Path) -> None:
    store_with_plan(settings_in(tmp_path))
    plan, out = tmp_path / "artifacts" / PLAN, tmp_path / "out"
    arguments = ("--model", other_model_folder, "--against", model_folder, "--plan", plan, "--no-general", "--out", out)
    done = call(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout.splitlines()[-1])
    assert len(done.stdout.splitlines()) == 1
    assert answer["leaves"]["scored"] == 2
    result = EvaluationResult.model_validate_json((out / "scores.json").read_text())
    assert {(c.first, c.second) for c in result.comparisons} == {("before", "after")}
    assert "knowledge/island/ferry (answer_logprob, 3 items)" in done.stderr
    again = call(tmp_path, *arguments)
    assert again.returncode == 2
    assert "finished already" in again.stderr


def test_one_model_is_scored_on_a_taxonomy_folder(tmp_path: Path, model_folder: Path) -> None:
    leaf = tmp_path / "taxonomy" / "compositional_skills" / "writing" / "rain"
    leaf.mkdir(parents=True)
    seeds = [{"question": f"Line {n}?", "answer": f"Rain falls on roof {n}."} for n in range(6)]
    data = {"version": 3, "created_by": "rosa", "task_description": "Lines about rain.", "seed_examples": seeds}
    (leaf / "qna.yaml").write_text(json.dumps(data), encoding="utf-8")
    done = call(
        tmp_path,
        "--model",
        model_folder,
        "--taxonomy",
        tmp_path / "taxonomy",
        "--no-general",
        "--out",
        tmp_path / "out",
    )
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)["leaf_scores"]) == ["compositional_skills/writing/rain"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--model", "/nowhere", "--plan", "PLAN"), 2, "no folder /nowhere"),
        (("--model", "MODEL", "--plan", "/nowhere/plan"), 2, "not in this worker's artifact store"),
        (("--model", "MODEL", "--taxonomy", "/nowhere"), 2, "There is no folder /nowhere"),
        (("--model", "MODEL", "--plan", "PLAN", "--benchmark", "mt_bench"), 1, "There is no benchmark 'mt_bench'"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, model_folder: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    store_with_plan(settings_in(tmp_path))
    given = {"MODEL": str(model_folder), "PLAN": str(tmp_path / "artifacts" / PLAN)}
    done = call(tmp_path, *(given.get(a, a) for a in arguments), "--out", tmp_path / "out")
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
