"""The scoring process: a file for each measure, progress, problems told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workers.planning_data import settings_in, some_leaves
from workers.environment import PROJECT
from workers.evaluation.benchmarks import BenchmarkProblem
from workers.evaluation.scoring import (
    PROBLEM_FILE,
    PROGRESS_FILE,
    Counter,
    MeasureResult,
    ScoringSpec,
    item_count,
    main,
    measures_of,
    scoring_environment,
)
from workers.specs import EvaluationRecipe, StageProblem


def spec_in(folder: Path, model: Path, *measures: str) -> Path:
    leaves = folder / "leaves.jsonl"
    leaves.write_text("".join(leaf.model_dump_json() + "\n" for leaf in some_leaves()), encoding="utf-8")
    spec = ScoringSpec(model=model, subject="after", measures=measures, leaves=leaves, out=folder)
    path = folder / "spec.json"
    path.write_text(spec.model_dump_json(), encoding="utf-8")
    return path


def test_what_is_asked_follows_from_the_recipe_and_the_leaves() -> None:
    recipe = EvaluationRecipe(benchmarks=("everyday_science", "everyday_science"), general_loss=True)
    assert measures_of(recipe, some_leaves()) == ("held_out", "general", "benchmark-everyday_science")
    assert measures_of(EvaluationRecipe(benchmarks=(), general_loss=False), some_leaves()[2:]) == ()


def test_items_are_counted_before_anything_is_loaded() -> None:
    counts = [item_count(m, some_leaves(), None, 5) for m in ("held_out", "general", "benchmark-everyday_science")]
    assert counts == [5, 40, 5]
    with pytest.raises(BenchmarkProblem):
        item_count("benchmark-nothing", some_leaves(), None, None)


def test_each_measure_leaves_a_file_and_progress_counts_the_items(tmp_path: Path, model_folder: Path) -> None:
    assert main([str(spec_in(tmp_path, model_folder, "held_out", "general"))]) == 0
    held_out = MeasureResult.model_validate_json((tmp_path / "held_out.json").read_text())
    assert [score.scope for score in held_out.scores] == ["leaf", "leaf"]
    assert len(held_out.rows) == 5
    assert (tmp_path / "general.json").exists()
    assert json.loads((tmp_path / PROGRESS_FILE).read_text())["done"] == 45
    assert not (tmp_path / PROBLEM_FILE).exists()


def test_a_failure_is_left_as_a_problem(tmp_path: Path, model_folder: Path) -> None:
    assert main([str(spec_in(tmp_path, model_folder, "benchmark-arc_challenge"))]) == 1
    problem = StageProblem.model_validate_json((tmp_path / PROBLEM_FILE).read_text())
    assert problem.code == "benchmark"
    assert "SEEDBED_BENCHMARKS" in problem.message


def test_a_share_of_a_benchmark_becomes_items(tmp_path: Path) -> None:
    counter = Counter(tmp_path)
    counter.begin("held_out")
    counter.add(5)
    counter.begin("benchmark-x")
    told = counter.share_of(10)
    for share in (0.0, 0.55, 0.3):
        told(share)
    assert counter.done == 10
    counter.end(10)
    assert json.loads((tmp_path / PROGRESS_FILE).read_text()) == {"done": 15, "measure": "benchmark-x"}


def test_the_process_has_what_keeps_it_off_the_network(tmp_path: Path) -> None:
    environ = scoring_environment(settings_in(tmp_path), {"PATH": "/bin"})
    assert environ["HF_HUB_OFFLINE"] == environ["HF_DATASETS_OFFLINE"] == "1"
    assert environ["PATH"] == "/bin"
    assert str(tmp_path) in environ["HF_DATASETS_CACHE"]


@pytest.mark.model
@pytest.mark.timeout(300)
def test_loading_lm_eval_tries_no_network(tmp_path: Path) -> None:
    program = (
        "import socket\n"
        "def refuse(*a): raise SystemExit(f'the network was tried: {a}')\n"
        "socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse\n"
        "import workers.evaluation.harness\n"
    )
    environ = scoring_environment(settings_in(tmp_path), os.environ)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
