"""The texts of a leaf under check, with the names of their fields. No check lives here."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from taxonomy_repo.checks.registry import Subject
from taxonomy_repo.leaf import SeedExample


def seed_texts(subject: Subject) -> Iterator[tuple[str, str]]:
    """Every text of the leaf's seeds with the name of its field."""
    leaf = subject.reading.leaf
    if leaf is None:
        return
    for index, seed in enumerate(leaf.seed_examples):
        field = f"seed_examples[{index}]"
        if seed.context is not None:
            yield f"{field}.context", seed.context
        if isinstance(seed, SeedExample):
            yield f"{field}.question", seed.question
            yield f"{field}.answer", seed.answer
        else:
            for number, pair in enumerate(seed.questions_and_answers):
                yield f"{field}.questions_and_answers[{number}].question", pair.question
                yield f"{field}.questions_and_answers[{number}].answer", pair.answer


def all_texts(subject: Subject) -> Iterator[tuple[str, str]]:
    """The texts of the leaf as a whole, but not its author's name, then those of its seeds."""
    leaf = subject.reading.leaf
    if leaf is not None:
        yield "task_description", leaf.task_description
        yield "domain", leaf.domain
        yield "document_outline", leaf.document_outline
        yield from seed_texts(subject)


def folded(text: str) -> str:
    """A text for comparison: Unicode normalised, white space and case folded."""
    return " ".join((text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()).split())
