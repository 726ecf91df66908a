"""The benchmarks' data and task files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.environment import PROJECT
from workers.evaluation.benchmarks import (
    BENCHMARKS,
    BenchmarkProblem,
    benchmark,
    benchmark_questions,
    benchmarks_folder,
    share_out,
    task_name,
)

OWN = benchmark("everyday_science")


def questions() -> list[dict[str, object]]:
    return [json.loads(line) for line in OWN.data(None)["test"].read_text(encoding="utf-8").splitlines()]


def test_the_own_questions_are_many_different_and_in_the_format_of_arc() -> None:
    rows = questions()
    assert len(rows) >= 80
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["question"] for row in rows}) == len(rows)
    for row in rows:
        assert set(row) == {"id", "question", "choices", "answerKey"}
        choices = row["choices"]
        assert isinstance(choices, dict)
        assert choices["label"] == ["A", "B", "C", "D"]
        assert len(set(choices["text"])) == 4
        assert row["answerKey"] in choices["label"]


def test_the_place_of_the_right_choice_tells_nothing() -> None:
    counts = Counter(row["answerKey"] for row in questions())
    assert max(counts.values()) - min(counts.values()) <= 1


def test_the_length_of_the_right_choice_tells_little() -> None:
    longest = sum(
        1
        for row in questions()
        if max(range(4), key=lambda n: len(row["choices"]["text"][n])) == "ABCD".index(str(row["answerKey"]))  # type: ignore[index]  # checked above
    )
    assert longest / len(questions()) < 0.5


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=8), st.none() | st.integers(0, 60))
def test_a_limit_is_shared_out_evenly(sizes: dict[str, int], limit: int | None) -> None:
    shares = share_out(sizes, limit)
    assert sum(shares.values()) == (sum(sizes.values()) if limit is None else min(limit, sum(sizes.values())))
    assert all(shares[name] <= sizes[name] for name in sizes)
    full = [shares[name] for name in sizes if shares[name] < sizes[name]]
    assert not full or max(shares.values()) - min(full) <= 1


def test_the_task_file_reads_the_local_questions(tmp_path: Path) -> None:
    assert OWN.count(None, 7) == 7
    assert OWN.count(None, None) == len(questions())
    assert OWN.write_tasks(tmp_path, None, 7) == ["seedbed_everyday_science"]
    task = json.loads((tmp_path / "everyday_science.yaml").read_text())
    assert task["dataset_path"] == "json"
    assert task["dataset_kwargs"] == {"data_files": {"test": str(OWN.data(None)["test"])}}
    assert task["include"] == str(OWN.task_file)


def test_a_benchmark_that_is_not_known_names_those_that_are() -> None:
    with pytest.raises(BenchmarkProblem, match=r"'mt_bench'.*everyday_science, arc_challenge"):
        benchmark("mt_bench")


def test_missing_data_says_which_file_and_which_setting(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkProblem, match=r"SEEDBED_BENCHMARKS.*arc_challenge_test\.jsonl"):
        benchmark("arc_challenge").count(None, 3)
    with pytest.raises(BenchmarkProblem, match=r"needs gsm8k_test\.jsonl, which is not in"):
        benchmark("gsm8k").count(tmp_path, 3)


def test_the_setting_must_name_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SEEDBED_BENCHMARKS", raising=False)
    assert benchmarks_folder() is None
    monkeypatch.setenv("SEEDBED_BENCHMARKS", str(tmp_path))
    assert benchmarks_folder() == tmp_path
    monkeypatch.setenv("SEEDBED_BENCHMARKS", str(tmp_path / "no"))
    with pytest.raises(BenchmarkProblem, match="not a folder"):
        benchmarks_folder()


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_has_a_task_file_and_the_shots_of_the_paper(name: str) -> None:
    shots = {"everyday_science": 0, "arc_challenge": 25, "hellaswag": 10, "winogrande": 5, "mmlu": 5, "gsm8k": 5}
    found = benchmark(name)
    assert found.task_file.is_file()
    assert found.shots == shots[name]


def test_mmlu_is_a_task_for_each_subject_with_its_own_examples(tmp_path: Path) -> None:
    def row(subject: str, number: int) -> str:
        return json.dumps(
            {"subject": subject, "question": f"{subject} {number}?", "choices": list("wxyz"), "answer": 1}
        )

    data, target = tmp_path / "data", tmp_path / "tasks"
    data.mkdir()
    target.mkdir()
    for file in ("mmlu_test.jsonl", "mmlu_dev.jsonl"):
        rows = [row(subject, n) for subject in ("world_religions", "anatomy") for n in range(4)]
        (data / file).write_text("\n".join(rows) + "\n", encoding="utf-8")
    names = benchmark("mmlu").write_tasks(target, data, 3)
    assert names == [task_name("mmlu_world_religions"), task_name("mmlu_anatomy")]
    task = json.loads((target / "mmlu_world_religions.yaml").read_text())
    assert "about world religions." in task["description"]
    asked = Path(task["dataset_kwargs"]["data_files"]["test"]).read_text().splitlines()
    assert len(asked) == 2
    assert all(json.loads(line)["subject"] == "world_religions" for line in asked)


def test_the_registry_loads_neither_torch_nor_lm_eval() -> None:
    program = (
        "import sys, workers.evaluation.benchmarks as b; [x.task_file for x in b.BENCHMARKS.values()];"
        "sys.exit(any(m in sys.modules for m in ('torch', 'lm_eval', 'datasets')))"
    )
    assert subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=False).returncode == 0


def test_the_questions_of_every_benchmark_that_is_here_are_known(tmp_path: Path) -> None:
    own = [row["question"] for row in questions()]
    assert list(benchmark_questions(None)) == own
    (tmp_path / "hellaswag_validation.jsonl").write_text('{"ctx": "A man is sitting on a roof."}\n\n')
    (tmp_path / "winogrande_xl_validation.jsonl").write_text('{"sentence": "Sarah was a surgeon."}\n')
    assert list(benchmark_questions(tmp_path)) == [*own, "A man is sitting on a roof.", "Sarah was a surgeon."]
    (tmp_path / "mmlu_test.jsonl").write_text('{"subject": "law"}\n')
    with pytest.raises(BenchmarkProblem, match=r"Line 1 of mmlu_test.jsonl has no field question"):
        list(benchmark_questions(tmp_path))
