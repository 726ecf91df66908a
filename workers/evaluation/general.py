"""What a model could do before: the loss on a few general chats that no round is tuned on.

The chats are this project's own (``data/general_chats.jsonl``): sums in words, everyday facts, short explanations.
They are not those that tuning replays (``workers/tuning/data``); a test holds the two apart. Their loss (nats a token
of the answer) rises when tuning makes the student forget.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.evaluation.statistics import Subject, make_score
from workers.specs import ItemScore, Message, Score

if TYPE_CHECKING:
    from workers.evaluation.likelihood import LoadedModel

GENERAL_CHATS = Path(__file__).with_name("data") / "general_chats.jsonl"
NAME = "general_chats"


@dataclass(frozen=True)
class GeneralChat:
    """One question with its reference answer. ``kind``: arithmetic, fact or explanation."""

    chat_id: str
    kind: str
    question: str
    answer: str


def general_chats(path: Path = GENERAL_CHATS) -> list[GeneralChat]:
    """The chats in the order of the file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    read = [json.loads(line) for line in lines if line]
    return [GeneralChat(row["id"], row["kind"], row["question"], row["answer"]) for row in read]


def score_general(
    loaded: LoadedModel, subject: Subject, *, progress: Callable[[int], None] = lambda _count: None
) -> tuple[list[Score], list[dict[str, Any]]]:
    """The loss of each chat's answer, and one row for each."""
    from workers.evaluation.likelihood import answer_logprobs, chat_continuation

    chats = general_chats()
    items = [
        chat_continuation(loaded.tokenizer, [Message(role="user", content=chat.question)], chat.answer)
        for chat in chats
    ]
    found = answer_logprobs(loaded, items, progress=progress)
    losses = [round(-math.fsum(values) / len(values), 6) for values in found]
    scored = [ItemScore(item_id=chat.chat_id, value=loss) for chat, loss in zip(chats, losses, strict=True)]
    rows = [
        {"item_id": chat.chat_id, "kind": chat.kind, "question": chat.question, "loss": loss, "tokens": len(values)}
        for chat, loss, values in zip(chats, losses, found, strict=True)
    ]
    return [make_score(subject=subject, scope="general", name=NAME, metric="loss", items=scored)], rows
