"""What can be seen from a row's form alone: cut off, mislabelled, too short or long, refusing, going in circles."""

from __future__ import annotations

import re

from workers.generation.filters import LeafMemory
from workers.generation.rows import Dropped, Row
from workers.pipelines.shape import LengthNumbers, RepetitionNumbers, Step
from workers.specs import LeafKind

_LEAKED = re.compile(
    r"(?im)^\s*(?:question|answer|text|passage|context|\[/?(?:text|passage)\])\s*:?\s*$|^\s*(?:question|answer)\s*:"
)
_LETTERS = re.compile(r"[^\W\d_]")
_REFUSAL = re.compile(
    r"(?i)\b(?:as an ai\b|as a language model\b|i am an ai\b|i'm an ai\b|i(?:'m| am) (?:sorry|unable|not able)\b"
    r"|i (?:can(?:'|no)t|cannot|do not|don't) (?:help|assist|provide|answer|fulfil|have access)"
    r"|(?:text|passage|document|context|paragraph) (?:does not|doesn't|did not) (?:say|mention|state|specify|provide)"
    r"|(?:is|are|was|were) not (?:mentioned|specified|stated|given|provided)\b|cannot be determined)"
)
# A question that only makes sense beside its document does not teach what the document says.
_POINTING = re.compile(
    r"(?i)\b(?:the|this|that)\s+(?:above |given |following |previous )?"
    r"(?:text|passage|document|paragraph|excerpt|article|context)\b|\b(?:mentioned|described|stated) (?:above|here)\b"
)


class CutOff:
    """The teacher ran out of room before it had finished."""

    name = "cut_off"
    steps: frozenset[Step] = frozenset({"context", "question", "answer"})
    alone = False

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        if not row.finished:
            raise Dropped(self.name, f"The {step} was cut off before its end.")


class Form:
    """Empty, without letters, with labels of the prompt in it, or a question that is none."""

    name = "form"
    steps: frozenset[Step] = frozenset({"context", "question", "answer"})
    alone = True

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        text = {"context": row.context or "", "question": row.question, "answer": row.answer}[step]
        if not text.strip():
            raise Dropped(self.name, f"The {step} is empty.")
        if step != "answer" and not _LETTERS.search(text):
            raise Dropped(self.name, f"The {step} has no words.")
        if _LEAKED.search(text):
            raise Dropped(self.name, f"The {step} holds a label of the prompt.")
        if step == "question" and row.leaf.kind is LeafKind.KNOWLEDGE:
            if not text.rstrip("\"'”’ ").endswith("?"):
                raise Dropped(self.name, "The question does not end with a question mark.")
            if _POINTING.search(text):
                raise Dropped(self.name, "The question points at a document that its reader does not see.")


class Length:
    """Too short or too long."""

    name = "length"
    steps: frozenset[Step] = frozenset({"context", "question", "answer"})
    alone = True

    def __init__(self, numbers: LengthNumbers | None = None) -> None:
        self.numbers = numbers or LengthNumbers()

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        text = {"context": row.context or "", "question": row.question, "answer": row.answer}[step]
        words = len(text.split())
        knowledge = row.leaf.kind is LeafKind.KNOWLEDGE
        least, most = {
            "context": memory.context_words,
            "question": self.numbers.question_words if knowledge else self.numbers.instruction_words,
            "answer": (1, 10 * memory.recipe.max_answer_tokens),
        }[step]
        if not least <= words <= most:
            raise Dropped(self.name, f"The {step} has {words} words; {least} to {most} are wanted.", float(words))


class Refusal:
    """The teacher declined, or said that the document does not tell."""

    name = "refusal"
    steps: frozenset[Step] = frozenset({"answer"})
    alone = True

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        if _REFUSAL.search(row.answer):
            raise Dropped(self.name, "The teacher declined to answer.")


class Repetition:
    """Going in circles: too few of its runs of three words are different, or the answer only repeats the question."""

    name = "repetition"
    steps: frozenset[Step] = frozenset({"context", "question", "answer"})
    alone = True

    def __init__(self, numbers: RepetitionNumbers | None = None) -> None:
        self.numbers = numbers or RepetitionNumbers()

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        text = {"context": row.context or "", "question": row.question, "answer": row.answer}[step]
        words = text.lower().split()
        runs = [tuple(words[i : i + 3]) for i in range(len(words) - 2)]
        if len(runs) >= 8:
            distinct = len(set(runs)) / len(runs)
            if distinct < self.numbers.least_distinct:
                raise Dropped(self.name, f"The {step} repeats itself.", distinct)
        if step == "answer" and row.answer.strip(" ?.!").lower() == row.question.strip(" ?.!").lower():
            raise Dropped(self.name, "The answer is the question again.")
