"""The general chats: sound, not those of the replay, and scored by their loss."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from workers.environment import PROJECT
from workers.evaluation.general import general_chats, score_general

REPLAY = PROJECT / "workers" / "tuning" / "data"


def test_there_are_forty_different_chats_of_three_kinds() -> None:
    chats = general_chats()
    assert len(chats) == 40
    assert len({chat.chat_id for chat in chats}) == 40
    assert len({chat.question for chat in chats}) == 40
    assert {chat.kind for chat in chats} == {"arithmetic", "fact", "explanation"}


def calculated(text: str) -> float:
    """The value of a sum of plain numbers."""
    tree = ast.parse(text, mode="eval")
    assert all(isinstance(n, ast.Expression | ast.BinOp | ast.operator | ast.Constant) for n in ast.walk(tree)), text
    return float(eval(compile(tree, "sum", "eval"), {"__builtins__": {}}))


@pytest.mark.parametrize("chat", [c for c in general_chats() if c.kind == "arithmetic"], ids=lambda chat: chat.chat_id)
def test_every_sum_is_right_and_leads_to_its_answer(chat: Any) -> None:
    chains = re.findall(r"\d[\d +*/-]*(?: = \d[\d +*/-]*)+", chat.answer)
    assert chains
    for chain in chains:
        assert len({calculated(part.strip()) for part in chain.split(" = ")}) == 1, chain
    last = re.search(r"The answer is (\d+)\.$", chat.answer)
    assert last is not None
    assert float(last.group(1)) in {calculated(chain.split(" = ")[-1].strip()) for chain in chains}


def asked_in(path: Path) -> set[str]:
    """Every text of more than three words in a file of JSON lines, folded."""

    def texts(value: Any) -> list[str]:
        if isinstance(value, str):
            return [value]
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
        return [text for part in inner for text in texts(part)]

    found = [text for line in path.read_text(encoding="utf-8").splitlines() if line for text in texts(json.loads(line))]
    return {" ".join(re.findall(r"\w+", text.lower())) for text in found if len(text.split()) > 3}


def test_no_chat_is_one_that_tuning_replays() -> None:
    files = list(REPLAY.glob("*.jsonl"))
    assert files, "tuning's general chats are not there"
    replayed = set().union(*(asked_in(file) for file in files))
    own = {" ".join(re.findall(r"\w+", chat.question.lower())) for chat in general_chats()}
    assert not own & replayed


def test_the_loss_is_nats_a_token(loaded: Any) -> None:
    scores, rows = score_general(loaded, "before")
    assert scores[0].metric == "loss"
    assert len(scores[0].items) == len(rows) == 40
    # A random model over 400 tokens is about as surprised as one that guesses.
    assert 5.0 < scores[0].mean < 7.5
