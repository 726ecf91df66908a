"""What only shows beside other leaves: places that some computers cannot tell apart, seeds that were written before.

A check of this kind looks at all leaves of a taxonomy at once. It runs where several leaves are checked together; the
editor, which has one leaf, asks the same of the library where it needs it.
"""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from taxonomy_repo.leaf import Leaf
from taxonomy_repo.near_duplicates import near_duplicates, seed_text
from taxonomy_repo.problem import Problem, Severity, excerpt


@dataclass(frozen=True)
class LeafAt:
    """A leaf among others: its place, and of each seed the text that is compared and the line that it begins on."""

    path: str
    seeds: tuple[tuple[str, int | None], ...]

    @classmethod
    def of(cls, path: str, leaf: Leaf, lines: Mapping[str, tuple[int, int]]) -> LeafAt:
        """``lines`` as in ``LeafReading``."""
        starts = (lines.get(f"seed_examples[{index}]") for index in range(len(leaf.seed_examples)))
        return cls(
            path,
            tuple(
                (seed_text(seed), start[0] if start else None)
                for seed, start in zip(leaf.seed_examples, starts, strict=True)
            ),
        )


class AcrossCheck(ABC):
    """One rule over many leaves; ``example`` says in words what it finds."""

    code: ClassVar[str]
    severity: ClassVar[Severity]
    explanation: ClassVar[str]
    example: ClassVar[str]

    @abstractmethod
    def find(self, leaves: Sequence[LeafAt]) -> Iterator[tuple[int, Problem]]:
        """Every problem with the position of the leaf that has it."""


class PathCollision(AcrossCheck):
    code = "path-collision"
    severity = "warning"
    explanation = (
        "Two leaves whose places differ only by capital letters (or by how an accent is stored) are one and the same "
        "folder on many computers, where one of them would overwrite the other."
    )
    example = "`compositional_skills/writing/haiku` beside `compositional_skills/writing/Haiku`"

    def find(self, leaves: Sequence[LeafAt]) -> Iterator[tuple[int, Problem]]:
        # Folders above the leaves collide too: each part of a path is looked at with what is before it.
        seen: dict[str, str] = {}
        for number, leaf in enumerate(leaves):
            parts = leaf.path.split("/")
            for depth in range(1, len(parts) + 1):
                place = "/".join(parts[:depth])
                first = seen.setdefault(unicodedata.normalize("NFC", place).casefold(), place)
                if first != place:
                    here, there = excerpt(place, 80), excerpt(first, 80)
                    message = f"On many computers {here} is the same folder as {there}. Rename one."
                    yield number, Problem(self.code, self.severity, message, field="path")
                    break


class NearDuplicateElsewhere(AcrossCheck):
    code = "near-duplicate-elsewhere"
    severity = "warning"
    explanation = (
        "A seed of another leaf says nearly the same. The model would learn it twice, and a held-out seed that was "
        "taught elsewhere scores too well. Write another one, or put the two leaves together."
    )
    example = "`What is the capital of Osk? Osk town.` in two leaves"

    def find(self, leaves: Sequence[LeafAt]) -> Iterator[tuple[int, Problem]]:
        places = [(number, index) for number, leaf in enumerate(leaves) for index in range(len(leaf.seeds))]
        texts = [text for leaf in leaves for text, _ in leaf.seeds]
        said: set[int] = set()
        for pair in sorted(near_duplicates(texts), key=lambda pair: (pair.second, -pair.similarity)):
            (other, at), (number, index) = places[pair.first], places[pair.second]
            if other == number or pair.second in said:
                continue
            said.add(pair.second)
            message = (
                f"Seed {index + 1} says nearly the same as seed {at + 1} of {excerpt(leaves[other].path, 120)} "
                f"({pair.similarity:.0%} alike). Write another one, or put the leaves together."
            )
            line = leaves[number].seeds[index][1]
            yield number, Problem(self.code, self.severity, message, line, None, f"seed_examples[{index}]")


ACROSS: dict[str, AcrossCheck] = {check.code: check for check in (PathCollision(), NearDuplicateElsewhere())}


def check_across(leaves: Sequence[LeafAt]) -> dict[int, list[Problem]]:
    """What is wrong with leaves beside each other, by their positions."""
    found: dict[int, list[Problem]] = {}
    for check in ACROSS.values():
        for number, problem in check.find(leaves):
            found.setdefault(number, []).append(problem)
    return found
