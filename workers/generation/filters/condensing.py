"""Answers that are to say less than their text, or to say it in its own words."""

from __future__ import annotations

import re

from workers.generation.filters import LeafMemory
from workers.generation.near_duplicates import folded
from workers.generation.rows import Dropped, Row
from workers.pipelines.shape import CondensedNumbers, Step

_MARKS = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+")
# Quotations shorter than this are in any text.
LEAST_WORDS = 3


class Condensed:
    """Hardly shorter than the text: a copy, not a summary."""

    name = "condensed"
    steps: frozenset[Step] = frozenset({"answer"})
    alone = False

    def __init__(self, numbers: CondensedNumbers | None = None) -> None:
        self.numbers = numbers or CondensedNumbers()

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        whole = len(row.source.split())
        share = len(row.answer.split()) / whole if whole else 0.0
        if share > self.numbers.most_share:
            raise Dropped(self.name, f"The {step} is {share:.0%} as long as its text.", share)


class Verbatim:
    """A line that does not stand in the text word for word."""

    name = "verbatim"
    steps: frozenset[Step] = frozenset({"answer"})
    alone = False

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        if not row.source:
            return
        known = f" {folded(row.source)} "
        for line in row.answer.splitlines():
            said = folded(_MARKS.sub("", line))
            if len(said.split()) >= LEAST_WORDS and f" {said} " not in known:
                raise Dropped(self.name, f"The text does not say {line.strip()[:80]!r} in these words.")
