"""Batches and rows: nothing lost, nothing doubled, and a packed loss equal to each sample's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.workers.tuning.conftest import make_chat, make_model, some_samples
from workers.specs import Message
from workers.tuning import attention
from workers.tuning.packing import (
    batch_rows,
    begins_with,
    build_row,
    pack,
    plan_batches,
    share_rows,
    shared_beginning,
)
from workers.tuning.rendering import Encoded, encode_samples

NOTHING = np.zeros(0, np.int32)


def encoded(tokens: int, loss: int, name: str = "e") -> Encoded:
    flags = np.zeros(tokens, dtype=np.bool_)
    flags[tokens - loss :] = True
    return Encoded(name, np.arange(3, 3 + tokens, dtype=np.int32), flags, chat=True)


def own_loss(model: Any, sample: Encoded) -> torch.Tensor:
    """The sample's loss by itself, with the model's stock attention and a full output layer."""
    tokens = torch.from_numpy(sample.tokens.astype(np.int64))[None]
    logits = model(input_ids=tokens, use_cache=False).logits[0]
    counted = torch.from_numpy(np.flatnonzero(sample.loss))
    return torch.nn.functional.cross_entropy(logits[counted - 1], tokens[0, counted], reduction="none")


def row_losses(model: Any, row: Any) -> torch.Tensor:
    logits = model(
        input_ids=torch.from_numpy(row.tokens)[None],
        position_ids=torch.from_numpy(row.positions)[None],
        use_cache=False,
        logits_to_keep=torch.from_numpy(row.predict_at),
        packed_layout=attention.PackedLayout.of(row, torch.device("cpu")),
    ).logits[0]
    return torch.nn.functional.cross_entropy(logits, torch.from_numpy(row.targets), reduction="none")


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3", "granite"])
@pytest.mark.parametrize("sharing", [True, False])
def test_a_packed_sample_has_the_loss_and_gradient_that_it_has_alone(tokenizer: Any, kind: str, sharing: bool) -> None:
    changes = {"sliding_window": 16} if kind == "mistral" else {}
    samples, _ = encode_samples(tokenizer, some_samples(), longest=200)
    shared = shared_beginning(samples) if sharing else NOTHING
    assert (len(shared) > 10) is sharing

    plain = make_model(kind, **changes)
    expected = [own_loss(plain, sample) for sample in samples]
    torch.stack([losses.sum() for losses in expected]).sum().backward()

    packed = make_model(kind, **changes)
    packed.set_attn_implementation(attention.register())
    found = row_losses(packed, build_row(samples, shared))
    found.sum().backward()

    for losses, own in zip(found.split([len(losses) for losses in expected]), expected, strict=True):
        assert torch.allclose(losses, own, atol=1e-5)
    for (name, mine), other in zip(packed.named_parameters(), plain.parameters(), strict=True):
        assert torch.allclose(mine.grad, other.grad, atol=1e-4, rtol=1e-4), name


def test_what_lies_beside_a_sample_does_not_change_its_loss(tokenizer: Any) -> None:
    model = make_model()
    model.set_attn_implementation(attention.register())
    samples, _ = encode_samples(tokenizer, some_samples(6), longest=200)
    shared = shared_beginning(samples)
    count = samples[0].loss_tokens
    losses = [row_losses(model, build_row([samples[0], other], shared))[:count] for other in samples[1:]]
    for other in losses[1:]:
        assert torch.allclose(losses[0], other, atol=1e-6)


def test_a_sliding_window_is_kept_within_a_sample(tokenizer: Any) -> None:
    samples, _ = encode_samples(tokenizer, some_samples(3), longest=200)
    assert len(samples[0].tokens) > 16
    wide, narrow = make_model("mistral", sliding_window=None), make_model("mistral", sliding_window=16)
    for model in (wide, narrow):
        model.set_attn_implementation(attention.register())
    row = build_row(samples, NOTHING)
    assert not torch.allclose(row_losses(wide, row), row_losses(narrow, row), atol=1e-4)


def test_attention_without_a_layout_or_with_a_mask_is_refused() -> None:
    query = torch.zeros(1, 2, 3, 4)
    module = torch.nn.Module()
    with pytest.raises(attention.AttentionProblem, match="layout"):
        attention.packed_attention(module, query, query, query, None)
    row = build_row([encoded(3, 1)], NOTHING)
    layout = attention.PackedLayout.of(row, torch.device("cpu"))
    with pytest.raises(attention.AttentionProblem, match="mask"):
        attention.packed_attention(module, query, query, query, torch.ones(3, 3), packed_layout=layout)
    with pytest.raises(attention.AttentionProblem, match="softcap"):
        attention.packed_attention(module, query, query, query, None, packed_layout=layout, softcap=30.0)


def test_a_whole_row_in_one_call_gives_the_same_as_sample_by_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain reference with its signature takes the CUDA kernel's place: layout and bounds are what is tested."""
    import inspect

    import torch.nn.attention.varlen as varlen

    real = inspect.signature(varlen.varlen_attn)

    def reference(*arguments: Any, **named: Any) -> torch.Tensor:
        bound = real.bind(*arguments, **named).arguments
        query, key, value, bounds = (bound[name] for name in ("query", "key", "value", "cu_seq_q"))
        assert bound["window_size"] == (-1, 0)
        assert int(bounds[-1]) == len(query)
        parts = []
        for start, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            assert end - start <= bound["max_q"]
            one = [part[start:end].transpose(0, 1)[None] for part in (query, key, value)]
            parts.append(
                torch.nn.functional.scaled_dot_product_attention(
                    *one, is_causal=True, scale=bound["scale"], enable_gqa=bound["enable_gqa"]
                )[0].transpose(0, 1)
            )
        return torch.cat(parts)

    samples = [encoded(9, 2), encoded(7, 3), encoded(12, 1)]
    row = build_row(samples, samples[0].tokens[:5])
    layout = attention.PackedLayout.of(row, torch.device("cpu"))
    torch.manual_seed(1)
    query, key, value = (torch.randn(1, heads, len(row.tokens), 8) for heads in (4, 2, 2))
    one_by_one, _ = attention.packed_attention(torch.nn.Module(), query, key, value, None, packed_layout=layout)
    monkeypatch.setattr(varlen, "varlen_attn", reference)
    monkeypatch.setattr(attention, "_has_variable_length_kernel", lambda _: True)
    at_once, _ = attention.packed_attention(torch.nn.Module(), query, key, value, None, packed_layout=layout)
    assert torch.allclose(one_by_one, at_once, atol=1e-6)


def test_the_shared_beginning_ends_before_the_token_that_predicts_the_first_loss(tokenizer: Any) -> None:
    samples, _ = encode_samples(
        tokenizer, [make_chat("Who mends the nets?", a) for a in ("Nine.", "Rain.")], longest=99
    )
    shared = shared_beginning(samples)
    first = int(np.argmax(samples[0].loss))
    assert len(shared) == first - 1
    assert all(begins_with(sample, shared) for sample in samples)


def test_a_sample_with_another_system_turn_keeps_its_own_beginning(tokenizer: Any) -> None:
    usual = [make_chat(f"Question {i}", "Nine.") for i in range(4)]
    other = usual[0].model_copy(
        update={"messages": (Message(role="system", content="Speak like a sailor."), *usual[0].messages)}
    )
    samples, _ = encode_samples(tokenizer, [*usual, other], longest=99)
    shared = shared_beginning(samples)
    assert [begins_with(sample, shared) for sample in samples] == [True] * 4 + [False]


@given(
    sizes=st.lists(st.integers(1, 60), min_size=1, max_size=40),
    epochs=st.sampled_from([0.5, 1, 2, 2.5]),
    batch=st.integers(1, 200),
    in_samples=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_every_epoch_sees_every_sample_once(sizes: list[int], epochs: float, batch: int, in_samples: bool) -> None:
    samples = [encoded(size + 1, size) for size in sizes]
    wanted = {"batch_samples": batch} if in_samples else {"batch_tokens": batch}
    batches = plan_batches(samples, epochs=epochs, seed=3, **wanted)
    seen = [index for step in batches for index in step]
    whole = int(epochs)
    for epoch in range(whole):
        assert sorted(seen[epoch * len(sizes) : (epoch + 1) * len(sizes)]) == list(range(len(sizes)))
    rest = seen[whole * len(sizes) :]
    assert len(rest) == len(set(rest)) == (max(1, round((epochs - whole) * len(sizes))) if epochs > whole else 0)
    assert all(batches)
    assert batches == plan_batches(samples, epochs=epochs, seed=3, **wanted)


def test_batches_have_about_the_wanted_loss_tokens_and_none_is_a_remnant() -> None:
    samples = [encoded(30, 10 + i % 7) for i in range(100)]
    batches = plan_batches(samples, epochs=3, seed=1, batch_tokens=300)
    sizes = [sum(samples[i].loss_tokens for i in batch) for batch in batches]
    assert len(batches) == round(sum(sizes) / 300)
    assert max(sizes) - min(sizes) <= 32


def test_another_seed_gives_another_order() -> None:
    samples = [encoded(30, 10) for _ in range(50)]
    assert plan_batches(samples, epochs=1, seed=1, batch_samples=5) != plan_batches(
        samples, epochs=1, seed=2, batch_samples=5
    )


@given(sizes=st.lists(st.integers(1, 120), min_size=1, max_size=50), capacity=st.integers(1, 100))
@settings(max_examples=150, deadline=None)
def test_rows_hold_every_item_once_and_are_not_overfull(sizes: list[int], capacity: int) -> None:
    rows = pack(sizes, capacity)
    assert sorted(index for row in rows for index in row) == list(range(len(sizes)))
    for row in rows:
        assert sum(sizes[i] for i in row) <= capacity or len(row) == 1
    fitting = [size for size in sizes if size <= capacity]
    # First-fit decreasing never leaves two rows that would fit into one.
    assert len(rows) - (len(sizes) - len(fitting)) <= max(1, -(-2 * sum(fitting) // capacity))


@given(lengths=st.lists(st.integers(6, 40), min_size=1, max_size=12), processes=st.integers(1, 4))
@settings(max_examples=80, deadline=None)
def test_processes_get_equally_many_rows_and_all_samples_once(lengths: list[int], processes: int) -> None:
    samples = [encoded(length, 2, name=str(i)) for i, length in enumerate(lengths)]
    rows = batch_rows(samples, shared_beginning(samples), 64)
    assert sum(row.sample_tokens for row in rows) == sum(lengths)
    assert sum(row.loss_tokens for row in rows) == 2 * len(lengths)
    assert all(len(row.tokens) <= 64 for row in rows)
    shares = share_rows(rows, processes)
    assert len({len(share) for share in shares}) == 1
    assert sorted(id(row) for share in shares for row in share if row) == sorted(id(row) for row in rows)
