"""Rows that were there before: seeds, held-out seeds, and what the leaf already has."""

from __future__ import annotations

from workers.generation.filters import LeafMemory
from workers.generation.rows import Dropped, Row, user_text
from workers.pipelines.shape import HeldOutNumbers, Step


class HeldOut:
    """Too like a held-out seed: it would teach what is to be scored, if in other words."""

    name = "held_out"
    steps: frozenset[Step] = frozenset({"question"})
    alone = False

    def __init__(self, numbers: HeldOutNumbers | None = None) -> None:
        self.numbers = numbers or HeldOutNumbers()

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        score, name = memory.held_out.nearest(user_text(row.question, row.context))
        if score >= memory.threshold(min(self.numbers.likeness, memory.recipe.near_duplicate_threshold)):
            raise Dropped(self.name, f"It is too like {name}.", score)


class EarlierRelease:
    """The same, or nearly the same, as a sample that a release from which the student descends was taught."""

    name = "earlier_release"
    steps: frozenset[Step] = frozenset({"question"})
    alone = False

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        score, name = memory.earlier.nearest(user_text(row.question, row.context))
        if score >= memory.threshold(memory.recipe.near_duplicate_threshold):
            raise Dropped(self.name, f"The question is nearly the same as that of {name}.", score)


class Duplicate:
    """The same, or nearly the same, as a seed or as a sample that the leaf already has."""

    name = "duplicate"
    steps: frozenset[Step] = frozenset({"context", "question"})
    alone = False

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        threshold = memory.threshold(memory.recipe.near_duplicate_threshold)
        if step == "context":
            score, name = memory.contexts.nearest(row.context or "")
            if score >= threshold:
                raise Dropped(self.name, f"Its text is nearly the same as that of {name}.", score)
            memory.contexts.add(row.context or "", "an earlier sample")
            return
        text = user_text(row.question, row.context)
        for index in (memory.seeds, memory.asked):
            score, name = index.nearest(text)
            if score >= threshold:
                same = "the same as" if score == 1.0 else "nearly the same as"
                raise Dropped(self.name, f"The question is {same} {name}.", score)
