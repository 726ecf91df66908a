"""How probable a model finds given texts: exact, in batches, with the output layer run only where it is asked.

Loads torch; used inside the scoring process only (``workers.evaluation.scoring``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from workers.specs import Message

# Tokens of a batch, padding included: large enough to keep two cores busy, small enough for caches and small GPUs.
BATCH_TOKENS = {"cpu": 1536, "cuda": 16384}


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be asked, with its tokenizer. ``device`` is ``cpu`` or ``cuda``."""

    model: Any
    tokenizer: Any
    device: str


@dataclass(frozen=True)
class Continuation:
    """Tokens whose probability is wanted (``answer``) after given ones (``prompt``); at least one of each."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]


def load_model(folder: Path) -> LoadedModel:
    """The model in a folder, for scoring: float32 on the CPU, bfloat16 on a GPU. Nothing is fetched from elsewhere."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, local_files_only=True, attn_implementation="sdpa"
    )
    model.to(device).eval()
    return LoadedModel(model, AutoTokenizer.from_pretrained(folder, local_files_only=True), device)


def chat_continuation(tokenizer: Any, messages: Sequence[Message], answer: str) -> Continuation:
    """A chat as the model would meet it: the template with its generation prompt, then the answer's own tokens.

    Prompt and answer are tokenised apart, as they are when the model answers. The end-of-turn mark is not part of the
    answer: what is measured is what the model knows, not whether it would stop there. A tokenizer without a chat
    template gets ``Question: …`` and ``Answer:`` as plain text.
    """
    if getattr(tokenizer, "chat_template", None):
        plain = [{"role": message.role, "content": message.content} for message in messages]
        prompt = tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=True)
    else:
        asked = "\n\n".join(message.content for message in messages)
        prompt = f"{tokenizer.bos_token or ''}Question: {asked}\nAnswer:"
        answer = " " + answer.strip()
    first = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    second = tokenizer(answer.rstrip(), add_special_tokens=False)["input_ids"]
    return Continuation(tuple(first), tuple(second))


def batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, longest first (a batch too large for the memory fails at once).

    A batch's padded size (items × longest) is at most ``batch_tokens``, or it holds a single item.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    batch: list[int] = []
    for index in order:
        if batch and (len(batch) + 1) * lengths[batch[0]] > batch_tokens:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def answer_logprobs(
    loaded: LoadedModel,
    items: Sequence[Continuation],
    *,
    progress: Callable[[int], None] = lambda _count: None,
    batch_tokens: int | None = None,
) -> list[list[float]]:
    """Natural-log probability of each answer token given all tokens before it.

    Rows are padded on the right and no mask is passed: with causal attention a token never sees what follows it, so
    the numbers are those of one item at a time, to rounding.

    Args:
        items: what is asked; a continuation longer than the model's positions is the caller's to refuse.
        progress: called with the number of items finished with each batch.

    Returns:
        One list an item, one number an answer token, in the order of ``items``.
    """
    found: list[list[float]] = [[] for _ in items]
    lengths = [len(item.prompt) + len(item.answer) for item in items]
    pad = loaded.tokenizer.pad_token_id
    pad = 0 if pad is None else pad
    keeps = "logits_to_keep" in inspect.signature(loaded.model.forward).parameters
    with torch.inference_mode():
        for batch in batches(lengths, batch_tokens or BATCH_TOKENS[loaded.device]):
            longest = lengths[batch[0]]
            rows = torch.full((len(batch), longest), pad, dtype=torch.long)
            for row, index in enumerate(batch):
                rows[row, : lengths[index]] = torch.tensor(items[index].prompt + items[index].answer)
            # The token at position p is predicted by the logits at p - 1.
            first = min(len(items[index].prompt) for index in batch) - 1
            wanted = torch.arange(first, longest - 1, device=loaded.device)
            rows = rows.to(loaded.device)
            if keeps:
                logits = loaded.model(input_ids=rows, use_cache=False, logits_to_keep=wanted).logits
            else:
                logits = loaded.model(input_ids=rows, use_cache=False).logits[:, wanted]
            for row, index in enumerate(batch):
                start = len(items[index].prompt) - 1 - first
                part = logits[row, start : start + len(items[index].answer)].float()
                targets = torch.tensor(items[index].answer, device=loaded.device)
                picked = part.gather(1, targets[:, None]).squeeze(1) - part.logsumexp(1)
                found[index] = picked.tolist()
            progress(len(batch))
    return found
