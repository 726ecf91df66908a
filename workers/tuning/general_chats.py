"""The project's own general chats: short, correct, varied; replayed so that tuning does not unlearn the everyday.

They are written for this project and share no question with what the project evaluates on (a test holds that).
"""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from pathlib import Path

from workers.specs import Message, Sample, SampleMetadata

FILE = Path(__file__).resolve().parent / "data" / "general_chats.jsonl"
# Replayed general chats belong to no leaf of the taxonomy.
GENERAL_LEAF = "general"


def normalised(text: str) -> str:
    """The words of a text, folded: two texts that differ in case, marks or spacing only are the same."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold()))


@cache
def general_chats() -> tuple[Sample, ...]:
    """All of them, in the file's order."""
    chats = []
    with FILE.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            chat = json.loads(line)
            chats.append(
                Sample(
                    sample_id=f"general-{number:03d}",
                    messages=(
                        Message(role="user", content=chat["question"]),
                        Message(role="assistant", content=chat["answer"]),
                    ),
                    metadata=SampleMetadata(
                        leaf_id=GENERAL_LEAF, leaf_path=f"general/{chat['topic']}", origin="general"
                    ),
                )
            )
    return tuple(chats)
