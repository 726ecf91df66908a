"""Four tiny leaves, one of each kind, for tests that need a taxonomy but not its content."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from taxonomy_repo.attribution import Attribution, AttributionEntry, write_attribution
from taxonomy_repo.leaf import KnowledgeSeed, Leaf, QuestionAnswer, SeedExample, write_leaf

KNOWLEDGE = "knowledge/gardening/seed_banks"
FREEFORM = "compositional_skills/writing/plant_rhymes"
GROUNDED = "compositional_skills/extraction/sowing_dates"
FOUNDATIONAL = "foundational_skills/counting/seeds_in_rows"

DOCUMENT_NAME = "seed-banks.md"
DOCUMENT = """# Seed banks

A seed bank keeps seeds dry and cold, so that they stay alive for decades. Before they are stored, seeds are dried
until about five per cent of their weight is water. They are then sealed and kept at minus eighteen degrees.

Every few years a small sample is taken out and sown on wet paper. When fewer than eighty-five of a hundred
germinate, new seeds are grown from the old ones.
"""


def _freeform() -> Leaf:
    plants = ("bean", "pea", "beet", "kale", "chard")
    return Leaf(
        version=3,
        created_by="tomas",
        task_description="Write two short lines that rhyme about a plant.",
        seed_examples=tuple(
            SeedExample(f"Write a rhyme about {plant}.", f"The {plant} in its bed,\nlooks up and lifts its head.")
            for plant in plants
        ),
    )


def _grounded() -> Leaf:
    months = ("March", "April", "May", "June", "August")
    return Leaf(
        version=3,
        created_by="rosa",
        task_description="Say from a note when something is sown.",
        seed_examples=tuple(
            SeedExample(
                "When is it sown?", f"In {month}.", f"Note {number}: we sow row {number} in {month}, if it is dry."
            )
            for number, month in enumerate(months, 1)
        ),
    )


def _foundational() -> Leaf:
    return Leaf(
        version=3,
        created_by="tomas",
        task_description="Multiply rows by seeds in a row.",
        seed_examples=tuple(
            SeedExample(f"There are {rows} rows of {seeds} seeds. How many seeds?", f"{rows * seeds} seeds.")
            for rows, seeds in ((2, 7), (3, 8), (4, 6), (5, 9), (6, 6))
        ),
    )


def _knowledge(documents: Any, now: datetime) -> Leaf:
    passages = (
        ("A seed bank keeps seeds dry and cold, so that they stay alive for decades.", "dry and cold"),
        ("Before they are stored, seeds are dried until about five per cent of their weight is water.", "dried"),
        ("They are then sealed and kept at minus eighteen degrees.", "sealed"),
        ("Every few years a small sample is taken out and sown on wet paper.", "sampled"),
        ("When fewer than eighty-five of a hundred germinate, new seeds are grown.", "grown anew"),
    )
    return Leaf(
        version=3,
        created_by="rosa",
        task_description="",
        domain="gardening",
        document_outline="How seed banks keep seeds alive",
        document=documents.add(DOCUMENT_NAME, DOCUMENT.encode(), when=now),
        seed_examples=tuple(
            KnowledgeSeed(
                passage,
                tuple(
                    QuestionAnswer(f"Question {number} about how seeds are {word}?", passage) for number in (1, 2, 3)
                ),
            )
            for passage, word in passages
        ),
    )


TINY_LEAVES = (KNOWLEDGE, FREEFORM, GROUNDED, FOUNDATIONAL)


def tiny_attribution() -> bytes:
    return write_attribution(
        Attribution(
            (
                AttributionEntry(
                    title="A garden notebook",
                    link="https://garden.example/notebook",
                    revision="1",
                    licence="CC-BY-4.0",
                    creators="Rosa Lind",
                ),
            )
        )
    )


def tiny_files(documents: Any, now: datetime) -> dict[str, bytes]:
    """The files of all four leaves by their path in the repository; the document goes into ``documents``."""
    leaves = {
        KNOWLEDGE: _knowledge(documents, now),
        FREEFORM: _freeform(),
        GROUNDED: _grounded(),
        FOUNDATIONAL: _foundational(),
    }
    files: dict[str, bytes] = {}
    for path, leaf in leaves.items():
        files[f"{path}/qna.yaml"] = write_leaf(leaf)
        files[f"{path}/attribution.txt"] = tiny_attribution()
    pairs = [{"question": f"3 rows of {n} seeds?", "answer": f"{3 * n} seeds."} for n in range(10, 14)]
    files[f"{FOUNDATIONAL}/data.jsonl"] = "".join(json.dumps(pair) + "\n" for pair in pairs).encode()
    return files
