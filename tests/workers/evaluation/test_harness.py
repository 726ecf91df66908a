"""lm-eval on a tiny model: the same numbers as its own way, item by item, without the network."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.workers.evaluation.conftest import save_model
from workers.evaluation.benchmarks import benchmark
from workers.evaluation.likelihood import load_model
from workers.evaluation.statistics import ComparisonProblem, compare

SHARED = Path(os.environ.get("SEEDBED_SHARED_DATA") or Path(__file__).resolve().parents[4] / "shared" / "data")
DATA = SHARED / "benchmarks"
pytestmark = [pytest.mark.model, pytest.mark.timeout(400)]


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any connection to another machine is an error."""

    def refuse(_self: socket.socket, address: Any) -> None:
        raise AssertionError(f"the network was tried: {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.getbasetemp() / "datasets")
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")


def requests_of(loaded: Any, asked: list[tuple[str, list[str]]]) -> list[Any]:
    encode = loaded.tokenizer.encode
    return [((prompt, a), encode(prompt), encode(a)) for prompt, answers in asked for a in answers]


ASKED = [
    (
        "Question: Who mends the nets?\nAnswer:",
        [" The old sailmaker", " Nobody", " a", " Peat was burned in every house."],
    ),
    ("What is seven times six?", [" Forty-two.", " Nine."]),
    ("The ferry", [" to the island leaves at nine."]),
]


def test_choices_side_by_side_have_the_probabilities_that_lm_eval_gives_one_by_one(loaded: Any) -> None:
    from lm_eval.models.huggingface import HFLM

    from workers.evaluation.harness import SharedPromptModel

    requests = requests_of(loaded, ASKED)
    plain = HFLM(pretrained=loaded.model, tokenizer=loaded.tokenizer, backend="causal", batch_size=1)
    expected = plain._loglikelihood_tokens(requests, disable_tqdm=True)
    shares: list[float] = []
    found = SharedPromptModel(loaded, shares.append)._loglikelihood_tokens(requests)
    assert [value for value, _ in found] == pytest.approx([value for value, _ in expected], abs=1e-4)
    assert [greedy for _, greedy in found] == [greedy for _, greedy in expected]
    assert shares[-1] == 1.0


def test_a_model_that_does_not_honour_the_mask_is_asked_one_by_one(
    loaded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workers.evaluation import harness

    requests = requests_of(loaded, ASKED)
    right = harness.SharedPromptModel(loaded)._loglikelihood_tokens(requests)
    real = harness.side_by_side
    monkeypatch.setattr(
        harness, "side_by_side", lambda *a: [[(v - 1.0, greedy) for v, greedy in row] for row in real(*a)]
    )
    found = harness.SharedPromptModel(loaded)._loglikelihood_tokens(requests)
    assert [value for value, _ in found] == pytest.approx([value for value, _ in right], abs=1e-4)


def test_the_own_benchmark_is_scored_item_by_item(loaded: Any) -> None:
    from workers.evaluation.harness import score_benchmark

    scores, rows = score_benchmark(loaded, benchmark("everyday_science"), "after", folder=None, limit=12)
    assert len(scores) == 1
    assert scores[0].metric == "accuracy"
    assert {item.value for item in scores[0].items} <= {0.0, 1.0}
    assert len(rows) == len(scores[0].items) == 12
    assert rows[0]["prompt"].startswith("Question: ")
    assert scores[0].mean == pytest.approx(sum(row["acc"] for row in rows) / 12)


def test_two_models_are_compared_only_where_they_were_asked_the_same(loaded: Any, tmp_path: Path) -> None:
    from workers.evaluation.harness import score_benchmark

    other = load_model(save_model(tmp_path, intermediate_size=96))
    entry = benchmark("everyday_science")
    first = score_benchmark(loaded, entry, "before", folder=None, limit=8)[0][0]
    second = score_benchmark(other, entry, "after", folder=None, limit=8)[0][0]
    assert compare(first, second).n == 8
    fewer = score_benchmark(other, entry, "after", folder=None, limit=7)[0][0]
    with pytest.raises(ComparisonProblem):
        compare(first, fewer)
    changed = second.items[0].model_copy(update={"item_id": second.items[0].item_id[:-1] + "z"})
    with pytest.raises(ComparisonProblem, match="not in both"):
        compare(first, second.model_copy(update={"items": (changed, *second.items[1:])}))


@pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} with the public benchmarks is not here")
@pytest.mark.parametrize("name", ["arc_challenge", "hellaswag", "winogrande", "mmlu", "gsm8k"])
def test_the_stock_benchmarks_run_from_local_files(name: str, tmp_path: Path) -> None:
    from workers.evaluation.harness import score_benchmark

    # 25 examples in a tokenizer of 400 entries are long.
    long = load_model(save_model(tmp_path, max_position_embeddings=8192))
    scores, rows = score_benchmark(long, benchmark(name), "after", folder=DATA, limit=3)
    assert len(rows) == len(scores[0].items) == 3
    shots = rows[0]["prompt"].count("Answer:") - 1 if name not in ("hellaswag", "winogrande") else None
    assert shots in (None, benchmark(name).shots)
    assert os.environ["HF_HUB_OFFLINE"] == "1"
