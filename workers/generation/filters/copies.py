"""Answers taken from the prompt's examples instead of written for the question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from workers.generation.filters import LeafMemory
from workers.generation.filters.grounding import content_words, word_stem, word_stems
from workers.generation.near_duplicates import folded, shingles, similarity
from workers.generation.rows import Dropped, Row
from workers.pipelines.shape import CopiedPromptNumbers, Step
from workers.specs import LeafKind

# Short answers may well be the same as an example's: a date, a class, yes.
LEAST_WORDS = 6
# A word in so many of the seeds' answers belongs to the form of an answer.
FORM_SHARE = 0.3


class CopiedPrompt:
    """Nearly the answer or the text of an example, or words of the task's own description."""

    name = "copied_prompt"
    steps: frozenset[Step] = frozenset({"context", "question", "answer"})
    alone = False

    def __init__(self, numbers: CopiedPromptNumbers | None = None) -> None:
        self.numbers = numbers or CopiedPromptNumbers()

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        text = {"context": row.context or "", "question": row.question, "answer": row.answer}[step]
        if len(text.split()) < LEAST_WORDS:
            return
        marks = shingles(text)
        for example in self._examples(row, step):
            score = similarity(marks, shingles(example))
            if score >= self.numbers.likeness:
                raise Dropped(self.name, f"The {step} is copied from an example in the prompt.", score)
        task = folded(row.leaf.task_description)
        if step != "context" and len(task.split()) >= LEAST_WORDS and task in folded(text):
            raise Dropped(self.name, f"The {step} holds the description of the task.")

        if step == "answer" and row.source and row.leaf.kind is not LeafKind.FREEFORM:
            leaked = leaked_words(row, memory.form_words)
            if leaked:
                raise Dropped(
                    self.name, f"The answer says {leaked[0]!r}, which is in an example and not in its own text."
                )

    @staticmethod
    def _examples(row: Row, step: Step) -> list[str]:
        if step == "context":
            return [group.context or "" for group in row.plan.examples]
        if step == "question":
            return [pair.answer for pair in row.plan.shown if len(pair.answer.split()) >= LEAST_WORDS]
        return [pair.answer for pair in row.plan.shown] + [pair.question for pair in row.plan.shown]


def leaked_words(row: Row, form_words: frozenset[str]) -> list[str]:
    """Words of the answer that the examples in the prompt have and the row's own text and question have not."""
    own = word_stems(f"{row.source} {row.around} {row.question}")
    shown: set[str] = set()
    for group in row.plan.examples:
        shown |= word_stems(group.context or "")
        for pair in group.pairs:
            shown |= word_stems(pair.answer)
    return [
        word
        for word in content_words(row.answer)
        if (stem := word_stem(word)) in shown and stem not in own and stem not in form_words
    ]


def form_words(answers: Sequence[str]) -> frozenset[str]:
    """Stems of the words that stand in many of the answers, whatever was asked."""
    counts = Counter(stem for answer in answers for stem in word_stems(answer))
    return frozenset(stem for stem, count in counts.items() if count >= 2 and count >= FORM_SHARE * len(answers))
