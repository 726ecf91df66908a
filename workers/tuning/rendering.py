"""Samples as tokens: a chat through the student's own template, a document as plain text, and which tokens count.

The tokens before an answer are made exactly as at inference (template with its generation prompt, tokenised by
itself), so that the student is tuned on the very prefix it will be asked with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workers.specs import Message, Sample

LossOn = Literal["answers", "all_but_system"]
# Texts given to the tokenizer at once: enough for its threads, little enough for the memory.
_CHUNK = 2000


class RenderingProblem(ValueError):
    """The student's tokenizer or chat template cannot be used for tuning; one sentence says why."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A sample as tokens.

    ``tokens``: int32, shape (n,). ``loss``: bool, shape (n,); where true, the student is to predict that token from
    those before it. ``loss[0]`` is always false: nothing comes before the first token.
    """

    sample_id: str
    tokens: NDArray[np.int32]
    loss: NDArray[np.bool_]
    chat: bool

    @property
    def loss_tokens(self) -> int:
        return int(self.loss.sum())


@dataclass
class RenderingReport:
    """What became of the samples of one phase. Nothing is truncated: what does not fit is counted here by name."""

    samples: int = 0
    documents_split: int = 0
    too_long: list[str] = field(default_factory=list)
    special_tokens: list[str] = field(default_factory=list)
    without_loss: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "samples": self.samples,
            "documents_split": self.documents_split,
            "left_out": {
                "too_long": self.too_long,
                "special_tokens": self.special_tokens,
                "without_loss": self.without_loss,
            },
        }


def is_document(sample: Sample) -> bool:
    """A document sample is a single assistant message: text to read, not a chat."""
    return len(sample.messages) == 1 and sample.messages[0].role == "assistant"


def chat_pieces(tokenizer: Any, messages: Sequence[Message], loss_on: LossOn) -> list[tuple[str, bool]]:
    """The chat as consecutive texts, each to be tokenised by itself, with whether its tokens carry loss.

    Without its end mark (where the template has none) an answer's text ends with the tokenizer's ``eos_token``.
    White space that the template puts after an answer's end mark carries no loss and is left off at the very end.

    Raises:
        RenderingProblem: no chat template, or one that rewrites earlier turns.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise RenderingProblem("The student's tokenizer has no chat template; choose an instruction-tuned student.")
    plain = [{"role": message.role, "content": message.content} for message in messages]
    pieces: list[tuple[str, bool]] = []
    text = ""
    for index, message in enumerate(messages):
        if message.role != "assistant":
            continue
        prefix = tokenizer.apply_chat_template(plain[:index], add_generation_prompt=True, tokenize=False)
        whole = tokenizer.apply_chat_template(plain[: index + 1], tokenize=False)
        if not (prefix.startswith(text) and whole.startswith(prefix)):
            raise RenderingProblem(
                "The student's chat template rewrites earlier turns when a turn is added; such a student cannot be "
                "tuned on whole chats."
            )
        answer = whole[len(prefix) :]
        said = answer.rstrip()
        if said.endswith(message.content.strip()):
            said = answer = said + tokenizer.eos_token
        pieces += _question_pieces(prefix[len(text) :], plain[:index], loss_on, first=not pieces)
        pieces.append((said, True))
        if answer != said:
            pieces.append((answer[len(said) :], False))
        text = whole
    while pieces and not pieces[-1][1]:
        pieces.pop()
    return pieces


def _question_pieces(
    text: str, before: Sequence[dict[str, str]], loss_on: LossOn, *, first: bool
) -> list[tuple[str, bool]]:
    """What comes before an answer. With ``all_but_system`` all from the first user's words on carries loss."""
    if loss_on == "answers" or not first:
        return [(text, loss_on != "answers")]
    asked = next((message["content"].strip() for message in before if message["role"] == "user"), "")
    start = text.find(asked) if asked else len(text)
    if start <= 0:
        return [(text, False)]
    return [(text[:start], False), (text[start:], True)]


def encode_samples(
    tokenizer: Any, samples: Iterable[Sample], *, longest: int, loss_on: LossOn = "answers"
) -> tuple[list[Encoded], RenderingReport]:
    """Tokenise samples in their order.

    A document longer than ``longest`` tokens is split into parts of even length; a chat longer than that is left
    out and reported, never cut. Samples whose text holds one of the tokenizer's special tokens are left out and
    reported too: tokenised, such a text could close its own turn and open another.

    Raises:
        RenderingProblem: see :func:`chat_pieces`.
    """
    report = RenderingReport()
    encoded: list[Encoded] = []
    specials = [token for token in tokenizer.all_special_tokens if token.strip()]
    start = _document_start(tokenizer)
    for chunk in _chunks(samples):
        kept: list[Sample] = []
        texts: list[str] = []
        flags: list[list[bool]] = []
        for sample in chunk:
            report.samples += 1
            if any(token in message.content for message in sample.messages for token in specials):
                report.special_tokens.append(sample.sample_id)
                continue
            if is_document(sample):
                pieces = [(sample.messages[0].content, True)]
            else:
                pieces = chat_pieces(tokenizer, sample.messages, loss_on)
            kept.append(sample)
            texts += [text for text, _ in pieces]
            flags.append([flag for _, flag in pieces])
        ids = tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        position = 0
        for sample, piece_flags in zip(kept, flags, strict=True):
            parts = ids[position : position + len(piece_flags)]
            position += len(piece_flags)
            encoded += _joined(sample, parts, piece_flags, longest=longest, start=start, report=report)
    return encoded, report


def _joined(
    sample: Sample,
    parts: Sequence[Sequence[int]],
    flags: Sequence[bool],
    *,
    longest: int,
    start: int | None,
    report: RenderingReport,
) -> list[Encoded]:
    """One sample's pieces as one :class:`Encoded`, or as several where a long document is split."""
    chat = not is_document(sample)
    tokens = np.concatenate([np.asarray(part, dtype=np.int32) for part in parts]) if parts else np.zeros(0, np.int32)
    if not chat:
        tokens = tokens if start is None else np.concatenate([np.asarray([start], dtype=np.int32), tokens])
        loss = np.ones(len(tokens), dtype=np.bool_)
    else:
        loss = np.repeat(np.asarray(flags, dtype=np.bool_), [len(part) for part in parts])
    if chat and len(tokens) > longest:
        report.too_long.append(sample.sample_id)
        return []
    count = max(1, -(-len(tokens) // longest))
    if count > 1:
        report.documents_split += 1
    made = []
    for token_part, loss_part in zip(np.array_split(tokens, count), np.array_split(loss, count), strict=True):
        # Copies: the parts are views of one array, and the first token of each has nothing before it.
        counted = loss_part.copy()
        counted[:1] = False
        if counted.any():
            made.append(Encoded(sample.sample_id, token_part.copy(), counted, chat))
    if not made:
        report.without_loss.append(sample.sample_id)
    return made


def _document_start(tokenizer: Any) -> int | None:
    """The token that the tokenizer itself puts before plain text, where it does."""
    marked = tokenizer("a")["input_ids"]
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    return int(marked[0]) if len(marked) > len(bare) and marked[0] == tokenizer.bos_token_id else None


def _chunks(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    chunk: list[Sample] = []
    for sample in samples:
        chunk.append(sample)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
