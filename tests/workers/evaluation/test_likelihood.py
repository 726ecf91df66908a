"""Probabilities: batched, and exactly those of asking one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.evaluation.conftest import save_model
from workers.evaluation.likelihood import Continuation, answer_logprobs, batches, chat_continuation, load_model
from workers.specs import Message

QUESTIONS = [
    ("Who mends the nets?", "The old sailmaker mends them in winter."),
    ("What is seven times six?", "Forty-two."),
    ("When?", "The ferry to the island leaves at nine. Peat was burned in every house until the road came."),
    ("Write one line about rain. " * 5, "Rain."),
    ("?", "!"),
]


def asked(loaded: Any) -> list[Continuation]:
    return [chat_continuation(loaded.tokenizer, [Message(role="user", content=q)], a) for q, a in QUESTIONS]


def naive(loaded: Any, item: Continuation) -> list[float]:
    """One item at a time, the whole output layer, log-softmax by the book."""
    with torch.no_grad():
        logits = loaded.model(input_ids=torch.tensor([item.prompt + item.answer])).logits[0].double()
    table = torch.log_softmax(logits, dim=-1)
    start = len(item.prompt)
    return [float(table[start + n - 1, token]) for n, token in enumerate(item.answer)]


@pytest.mark.parametrize("batch_tokens", [1, 120, 10_000])
def test_batched_probabilities_are_those_of_one_by_one(loaded: Any, batch_tokens: int) -> None:
    items = asked(loaded)
    found = answer_logprobs(loaded, items, batch_tokens=batch_tokens)
    for item, values in zip(items, found, strict=True):
        assert values == pytest.approx(naive(loaded, item), abs=2e-5)


@pytest.mark.parametrize("kind", ["qwen2", "gpt_neox"])
def test_other_architectures_give_their_own_probabilities(kind: str, tmp_path: Path) -> None:
    changes = {"tie_word_embeddings": False} if kind == "gpt_neox" else {}
    other = load_model(save_model(tmp_path, kind=kind, **changes))
    items = asked(other)
    for item, values in zip(items, answer_logprobs(other, items), strict=True):
        assert values == pytest.approx(naive(other, item), abs=2e-5)


def test_progress_counts_every_item(loaded: Any) -> None:
    counts: list[int] = []
    answer_logprobs(loaded, asked(loaded), progress=counts.append, batch_tokens=200)
    assert sum(counts) == len(QUESTIONS)
    assert len(counts) > 1


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(1, 200))
def test_every_item_is_in_one_batch_that_is_not_too_large(lengths: list[int], limit: int) -> None:
    found = list(batches(lengths, limit))
    assert sorted(index for batch in found for index in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= limit


def test_a_prompt_ends_where_the_model_would_begin_to_answer(loaded: Any) -> None:
    item = chat_continuation(loaded.tokenizer, [Message(role="user", content="Who?")], "The sailmaker.\n")
    assert loaded.tokenizer.decode(item.prompt).endswith("Who?<|im_end|>\n<|im_start|>assistant\n")
    assert loaded.tokenizer.decode(item.answer) == "The sailmaker."


def test_a_model_without_a_chat_template_is_asked_in_plain_text(loaded: Any) -> None:
    from tests.workers.tuning.conftest import make_tokenizer

    plain = make_tokenizer()
    plain.chat_template = None
    item = chat_continuation(plain, [Message(role="user", content="Who?")], "Nobody.")
    assert plain.decode(item.prompt).endswith("Question: Who?\nAnswer:")
    assert plain.decode(item.answer) == " Nobody."
