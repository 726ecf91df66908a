"""A tiny random student: the real model code and a real tokenizer with a chat template, in a second on any machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workers.specs import Message, Sample, SampleMetadata

TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "<|im_start|>system\nYou are a helpful assistant of the village.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WORDS = (
    "The ferry to the island leaves at nine. Peat was burned in every house until the road came. "
    "You are a helpful assistant of the village. Who mends the nets? The old sailmaker mends them in winter. "
    "What is seven times six? Forty-two. Write one line about rain. system user assistant helpful village. "
)


def make_tokenizer() -> Any:
    """A byte-level BPE tokenizer of about 400 tokens, made here, with a chat template that adds a system turn."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([WORDS], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_model(kind: str = "llama", **changes: Any) -> Any:
    """A random model of two layers; weights are the same at every call."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(
        kind,
        **{
            "vocab_size": 400,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "max_position_embeddings": 256,
            "tie_word_embeddings": True,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 0,
            **changes,
        },
    )
    torch.manual_seed(5)
    return AutoModelForCausalLM.from_config(config, dtype=torch.float32)


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    return make_tokenizer()


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny student."""
    folder = tmp_path_factory.mktemp("student")
    make_model().save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def chat() -> Callable[..., Sample]:
    return make_chat


def make_chat(question: str, answer: str, *, name: str = "s", leaf: str = "leaf", **metadata: Any) -> Sample:
    """A sample of one question and its answer."""
    return Sample(
        sample_id=name,
        messages=(Message(role="user", content=question), Message(role="assistant", content=answer)),
        metadata=SampleMetadata(leaf_id=leaf, **{"leaf_path": f"knowledge/{leaf}", "origin": "generated", **metadata}),
    )


def make_document(text: str, *, name: str = "d", leaf: str = "leaf") -> Sample:
    return Sample(
        sample_id=name,
        messages=(Message(role="assistant", content=text),),
        metadata=SampleMetadata(leaf_id=leaf, leaf_path=f"knowledge/{leaf}", origin="document", length="long"),
    )


def some_samples(count: int = 12) -> list[Sample]:
    """Chats of different lengths and one document."""
    answers = (
        "Nine.",
        "The old sailmaker mends them in winter.",
        "Peat was burned until the road came, in every house.",
    )
    made = [
        make_chat(f"Question {i}: who mends the nets?" + " Say more." * (i % 4), answers[i % 3], name=f"s{i}")
        for i in range(count - 1)
    ]
    return [*made, make_document("The ferry to the island leaves at nine. Peat was burned in every house.")]
