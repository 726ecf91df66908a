"""The benchmarks by name: their data, their shots, and the task file that lm-eval runs them from.

A new benchmark is a new entry of ``BENCHMARKS``. Data are JSON lines with the field names that lm-eval's stock tasks
read: this project's own lie beside this file, all others in the folder that SEEDBED_BENCHMARKS names. Nothing is
fetched from anywhere, and lm-eval is not loaded here.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workers.environment import read_text
from workers.evaluation.statistics import Metric

HERE = Path(__file__).resolve().parent
OWN_DATA = HERE / "data"
OWN_TASKS = HERE / "tasks"


class BenchmarkProblem(ValueError):
    """A benchmark is unknown or its data are not there; one sentence and what to do."""


@dataclass(frozen=True)
class Benchmark:
    """One benchmark as LAB reports it (arXiv 2403.01081, table 3), or one of this project's own.

    ``task``: the task file, below lm-eval's own tasks or below ``workers/evaluation/tasks``. ``test`` and ``examples``
    name the JSON lines of the questions and of those that few-shot examples are taken from (None: from the questions
    themselves, never the one that is asked). ``measure`` is lm-eval's name of the number that counts.
    """

    name: str
    title: str
    task: str
    test: str
    shots: int
    metric: Metric
    measure: str
    asked: str = "question"
    examples: str | None = None
    own: bool = False
    overrides: Mapping[str, Any] = field(default_factory=dict)
    by_subject: bool = False

    @property
    def task_file(self) -> Path:
        return OWN_TASKS / self.task if self.own else lm_eval_folder() / "tasks" / self.task

    def data(self, folder: Path | None) -> dict[str, Path]:
        """The data files, ``test`` and perhaps ``train``.

        Raises:
            BenchmarkProblem: a file is not there.
        """
        where = OWN_DATA if self.own else folder
        if where is None:
            raise BenchmarkProblem(
                f"The benchmark {self.name} needs its data: set SEEDBED_BENCHMARKS to the folder with {self.test}."
            )
        names = {"test": self.test} | ({"train": self.examples} if self.examples else {})
        files = {split: where / name for split, name in names.items()}
        missing = next((file for file in files.values() if not file.is_file()), None)
        if missing is not None:
            raise BenchmarkProblem(
                f"The benchmark {self.name} needs {missing.name}, which is not in {where}: put it there, "
                "or leave the benchmark out."
            )
        return files

    def count(self, folder: Path | None, limit: int | None) -> int:
        """How many questions are asked."""
        with self.data(folder)["test"].open(encoding="utf-8") as lines:
            found = sum(1 for line in lines if line.strip())
        return found if limit is None else min(found, limit)

    def write_tasks(self, target: Path, folder: Path | None, limit: int | None) -> list[str]:
        """Write lm-eval task files into ``target``; answers the tasks' names.

        ``limit`` is heeded here only by benchmarks of many subjects. For all others it is lm-eval's to heed: examples
        may be taken from the questions themselves, all of which have to be there.
        """
        data = self.data(folder)
        if self.by_subject:
            return list(self._write_subject_tasks(target, data, limit))
        files = {split: str(path) for split, path in data.items()}
        _write_task(target, self.name, self.task_file, files, self.overrides)
        return [task_name(self.name)]

    def _write_subject_tasks(self, target: Path, data: Mapping[str, Path], limit: int | None) -> Iterator[str]:
        """MMLU: a task for each subject, whose examples and description are the subject's own.

        A limit is shared out evenly, so that a short look is a look at every subject.
        """
        questions, examples = _by_subject(data["test"]), _by_subject(data["train"])
        shares = share_out({subject: len(rows) for subject, rows in questions.items()}, limit)
        for subject, rows in questions.items():
            if not shares[subject]:
                continue
            files = {}
            for split, chosen in (("test", rows[: shares[subject]]), ("dev", examples.get(subject, []))):
                path = target / f"{self.name}-{subject}-{split}.jsonl"
                path.write_text("".join(chosen), encoding="utf-8")
                files[split] = str(path)
            described = {
                **self.overrides,
                "description": "The following are multiple choice questions (with answers) about "
                f"{subject.replace('_', ' ')}.\n\n",
            }
            name = f"{self.name}_{subject}"
            _write_task(target, name, self.task_file, files, described)
            yield task_name(name)


def task_name(name: str) -> str:
    """The name under which lm-eval knows a task of ours; never that of a stock task."""
    return f"seedbed_{name}"


def lm_eval_folder() -> Path:
    """Where lm-eval is installed, found without loading it.

    Raises:
        BenchmarkProblem: it is not installed.
    """
    found = importlib.util.find_spec("lm_eval")
    if found is None or found.origin is None:
        raise BenchmarkProblem("lm-eval is not installed: run `pip install lm-eval`, or leave the benchmarks out.")
    return Path(found.origin).parent


def share_out(sizes: Mapping[str, int], limit: int | None) -> dict[str, int]:
    """How many of each group to take so that at most ``limit`` are taken in all, as evenly as sizes allow."""
    shares = dict(sizes) if limit is None else dict.fromkeys(sizes, 0)
    left = 0 if limit is None else min(limit, sum(sizes.values()))
    while left:
        for name in sizes:
            if left and shares[name] < sizes[name]:
                shares[name] += 1
                left -= 1
    return shares


def _by_subject(path: Path) -> dict[str, list[str]]:
    rows: dict[str, list[str]] = {}
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                rows.setdefault(json.loads(line)["subject"], []).append(line.rstrip("\n") + "\n")
    return rows


def _write_task(target: Path, name: str, include: Path, files: Mapping[str, str], overrides: Mapping[str, Any]) -> None:
    config = {
        "include": str(include),
        "task": task_name(name),
        "tag": None,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": dict(files)},
        **overrides,
    }
    # JSON is YAML; json.dumps cannot be misread as a boolean or a date.
    (target / f"{name}.yaml").write_text(json.dumps(config, indent=1), encoding="utf-8")


_NO_TRAIN = {"training_split": None, "validation_split": None, "test_split": "test"}
_TRAIN = {"training_split": "train", "fewshot_split": "train", "validation_split": None, "test_split": "test"}

_ALL = (
    Benchmark(
        name="everyday_science",
        title="Everyday science (85 questions of this project)",
        task="everyday_science.yaml",
        test="everyday_science.jsonl",
        shots=0,
        metric="accuracy",
        measure="acc",
        own=True,
    ),
    Benchmark(
        name="arc_challenge",
        title="ARC-Challenge, 25 shots",
        task="arc/arc_challenge.yaml",
        test="arc_challenge_test.jsonl",
        examples="arc_challenge_train.jsonl",
        shots=25,
        metric="accuracy",
        measure="acc_norm",
        overrides=_TRAIN,
    ),
    Benchmark(
        name="hellaswag",
        title="HellaSwag, 10 shots",
        task="hellaswag/hellaswag.yaml",
        test="hellaswag_validation.jsonl",
        shots=10,
        metric="accuracy",
        measure="acc_norm",
        asked="ctx",
        overrides=_NO_TRAIN,
    ),
    Benchmark(
        name="winogrande",
        title="Winogrande, 5 shots",
        task="winogrande/default.yaml",
        test="winogrande_xl_validation.jsonl",
        shots=5,
        metric="accuracy",
        measure="acc",
        asked="sentence",
        overrides=_NO_TRAIN,
    ),
    Benchmark(
        name="mmlu",
        title="MMLU, 5 shots",
        task="mmlu/default/_default_template_yaml",
        test="mmlu_test.jsonl",
        examples="mmlu_dev.jsonl",
        shots=5,
        metric="accuracy",
        measure="acc",
        overrides={"test_split": "test", "fewshot_split": "dev"},
        by_subject=True,
    ),
    Benchmark(
        name="gsm8k",
        title="GSM8K, 5 shots, strict match",
        task="gsm8k/gsm8k.yaml",
        test="gsm8k_test.jsonl",
        examples="gsm8k_train.jsonl",
        shots=5,
        metric="exact_match",
        measure="exact_match,strict-match",
        overrides={"training_split": "train", "fewshot_split": "train", "test_split": "test"},
    ),
)
BENCHMARKS: Mapping[str, Benchmark] = {benchmark.name: benchmark for benchmark in _ALL}


def benchmark(name: str) -> Benchmark:
    """The benchmark of that name.

    Raises:
        BenchmarkProblem: there is none.
    """
    try:
        return BENCHMARKS[name]
    except KeyError:
        raise BenchmarkProblem(f"There is no benchmark {name!r}. Choose from: {', '.join(BENCHMARKS)}.") from None


def benchmarks_folder() -> Path | None:
    """The folder that SEEDBED_BENCHMARKS names, None where it is unset.

    Raises:
        BenchmarkProblem: it is no folder.
    """
    text = read_text("SEEDBED_BENCHMARKS")
    if text is None:
        return None
    folder = Path(text).resolve()
    if not folder.is_dir():
        raise BenchmarkProblem(f"SEEDBED_BENCHMARKS is {text}, which is not a folder: name the one with the data.")
    return folder


def benchmark_questions(folder: Path | None) -> Iterator[str]:
    """The questions of every benchmark whose data are here, whether a round asks them or not.

    Raises:
        BenchmarkProblem: a line of a file is not what its benchmark is made of.
    """
    for entry in BENCHMARKS.values():
        where = OWN_DATA if entry.own else folder
        file = where / entry.test if where is not None else None
        if file is None or not file.is_file():
            continue
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    try:
                        yield str(json.loads(line)[entry.asked])
                    except (ValueError, KeyError, TypeError):
                        raise BenchmarkProblem(
                            f"Line {number} of {file.name} has no field {entry.asked}: put the benchmark's data there."
                        ) from None
