"""Answers taken from the prompt's examples instead of written for the question."""

from __future__ import annotations

from workers.generation.filters import LeafMemory
from workers.generation.near_duplicates import folded, shingles, similarity
from workers.generation.rows import Dropped, Row, Step

# Short answers may well be the same as an example's: a date, a class, yes.
LEAST_WORDS = 6
THRESHOLD = 0.85


class CopiedPrompt:
    """Nearly the answer or the text of an example, or words of the task's own description."""

    name = "copied_prompt"
    steps: frozenset[Step] = frozenset({"context", "question", "answer"})
    alone = False

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        text = {"context": row.context or "", "question": row.question, "answer": row.answer}[step]
        if len(text.split()) < LEAST_WORDS:
            return
        marks = shingles(text)
        for example in self._examples(row, step):
            score = similarity(marks, shingles(example))
            if score >= THRESHOLD:
                raise Dropped(self.name, f"The {step} is copied from an example in the prompt.", score)
        task = folded(row.leaf.task_description)
        if step != "context" and len(task.split()) >= LEAST_WORDS and task in folded(text):
            raise Dropped(self.name, f"The {step} holds the description of the task.")

    @staticmethod
    def _examples(row: Row, step: Step) -> list[str]:
        if step == "context":
            return [group.context or "" for group in row.plan.examples]
        if step == "question":
            return [pair.answer for pair in row.plan.shown if len(pair.answer.split()) >= LEAST_WORDS]
        return [pair.answer for pair in row.plan.shown] + [pair.question for pair in row.plan.shown]
