"""The document of a leaf: its parts as plain data, read from and written to ``qna.yaml`` and ``attribution.txt``.

Reading knows the public formats (skills version 1 to 3, knowledge version 3; a file without a version is version 1)
and names the line of every problem. Writing always gives version 3. What makes a leaf good beyond its form is in
``taxonomy_repo.checks``. The rules are those of the schemas in the ``instructlab-schema`` package (Apache-2.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from taxonomy_repo.attribution import (
    Attribution,
    AttributionEntry,
    read_attribution,
    write_attribution,
)
from taxonomy_repo.licence import ALLOWED_LICENCES
from taxonomy_repo.paths import BRANCHES, DATA_FILE, LeafKindName, check_path, unsafe_reason
from taxonomy_repo.problem import Problem, Severity

__all__ = [
    "ALLOWED_LICENCES",
    "BRANCHES",
    "DATA_FILE",
    "DOCUMENT_REPOSITORY",
    "Attribution",
    "AttributionEntry",
    "DocumentReference",
    "KnowledgeSeed",
    "Leaf",
    "LeafKindName",
    "LeafReading",
    "Problem",
    "QuestionAnswer",
    "SeedExample",
    "Severity",
    "UnwritableText",
    "check_path",
    "leaf_kind",
    "read_attribution",
    "read_leaf",
    "unsafe_reason",
    "write_attribution",
    "write_leaf",
]

CURRENT_VERSION = 3
# What a leaf names as the place of documents that this installation keeps itself.
DOCUMENT_REPOSITORY = "seedbed:documents"


@dataclass(frozen=True)
class QuestionAnswer:
    """One question and its answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class SeedExample:
    """A seed of a skill leaf. With a context the leaf is grounded."""

    question: str
    answer: str
    context: str | None = None


@dataclass(frozen=True)
class KnowledgeSeed:
    """A seed of a knowledge leaf: a passage of its document and pairs that the passage answers."""

    context: str
    questions_and_answers: tuple[QuestionAnswer, ...]


@dataclass(frozen=True)
class DocumentReference:
    """Documents of a knowledge leaf: files that match ``patterns`` in ``repo`` at ``commit``."""

    repo: str
    commit: str
    patterns: tuple[str, ...]


Seed: TypeAlias = SeedExample | KnowledgeSeed


@dataclass(frozen=True)
class Leaf:
    """A leaf as written. ``version`` is None where the file names none (which means 1)."""

    version: int | None
    created_by: str
    task_description: str
    seed_examples: tuple[Seed, ...]
    domain: str = ""
    document_outline: str = ""
    document: DocumentReference | None = None

    @property
    def is_knowledge(self) -> bool:
        """Whether it is written in the form of a knowledge leaf."""
        return bool(
            self.document is not None
            or self.domain
            or self.document_outline
            or any(isinstance(seed, KnowledgeSeed) for seed in self.seed_examples)
        )

    @property
    def is_grounded(self) -> bool:
        """Whether its seeds are of a skill and have contexts."""
        return any(isinstance(seed, SeedExample) and seed.context is not None for seed in self.seed_examples)

    def pairs(self) -> tuple[SeedExample, ...]:
        """Every question with its answer and context, in order, whatever the kind of leaf."""
        found: list[SeedExample] = []
        for seed in self.seed_examples:
            if isinstance(seed, SeedExample):
                found.append(seed)
            else:
                found += (SeedExample(p.question, p.answer, seed.context) for p in seed.questions_and_answers)
        return tuple(found)


@dataclass(frozen=True)
class LeafReading:
    """What became of reading a file.

    Attributes:
        leaf: None only where nothing of the file could be made out. Otherwise as much as could be read, with ``""``
            for what is missing: look at ``valid`` before relying on it.
        problems: in the order of the file.
        lines: for every field that is there, its first and last line, counting from 1. Fields are named
            ``created_by``, ``seed_examples[2].answer``, ``seed_examples[0].questions_and_answers[1].question``.
        checked_as: the version whose rules the file was held to.
    """

    leaf: Leaf | None
    problems: tuple[Problem, ...]
    lines: Mapping[str, tuple[int, int]]
    checked_as: int = CURRENT_VERSION

    @property
    def valid(self) -> bool:
        """Whether there is a leaf and none of the problems is an error."""
        return self.leaf is not None and not any(problem.severity == "error" for problem in self.problems)


class UnwritableText(ValueError):
    """A text cannot be kept in a leaf. ``field`` names it; the message says what to do."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def leaf_kind(path: str, leaf: Leaf | None = None) -> LeafKindName:
    """How a leaf is taught, by its branch; a compositional leaf is grounded when its seeds have contexts.

    A path outside the branches (old public leaves) counts as knowledge when the leaf is written as such.
    """
    branch = path.split("/", 1)[0]
    if branch == "knowledge":
        return "knowledge"
    if branch == "foundational_skills":
        return "foundational"
    if branch != "compositional_skills" and leaf is not None and leaf.is_knowledge:
        return "knowledge"
    return "grounded" if leaf is not None and leaf.is_grounded else "freeform"


def read_leaf(data: bytes, path: str = "") -> LeafReading:
    """Read the bytes of a ``qna.yaml``. Never raises for what is in them.

    Args:
        data: the file, UTF-8.
        path: the leaf's folder relative to the taxonomy's root, such as ``compositional_skills/writing/haiku``; its
            branch decides which form is expected. Unknown or empty: a ``document`` makes it knowledge.
    """
    from taxonomy_repo.leaf_reader import read_source_as_leaf
    from taxonomy_repo.yaml_source import read_source

    return read_source_as_leaf(read_source(data), path)


def write_leaf(leaf: Leaf) -> bytes:
    """``leaf`` as a version 3 ``qna.yaml``, UTF-8, without lint: reading it gives the same leaf (as version 3).

    Raises:
        UnwritableText: a text has characters that YAML cannot hold, or a knowledge leaf has what only skills have.
    """
    from taxonomy_repo.leaf_writer import leaf_text

    return leaf_text(leaf).encode("utf-8")
