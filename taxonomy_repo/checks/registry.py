"""The registry of checks: what a check is, what it is given, and how all of them run over one leaf."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from taxonomy_repo.attribution import AttributionReading, read_attribution
from taxonomy_repo.checks.directives import Directives
from taxonomy_repo.leaf import LeafKindName, LeafReading, leaf_kind
from taxonomy_repo.leaf_reader import read_source_as_leaf
from taxonomy_repo.paths import check_path
from taxonomy_repo.problem import Problem, Severity
from taxonomy_repo.yaml_source import YamlSource, read_source

# More problems of one kind than anyone reads at once; the rest show when these are mended.
MOST_OF_ONE_CODE = 50

GOOD_PATH = "compositional_skills/writing/haiku"
KNOWLEDGE_PATH = "knowledge/places/osk"
GOOD_SKILL = """\
version: 3
created_by: ann
task_description: Answer in one word.
seed_examples:
  - question: What is the opposite of hot?
    answer: Cold.
  - question: What is the opposite of high?
    answer: Low.
  - question: What is the opposite of open?
    answer: Closed.
  - question: What is the opposite of early?
    answer: Late.
  - question: What is the opposite of heavy?
    answer: Light.
"""
GOOD_KNOWLEDGE = """\
version: 3
created_by: ann
domain: Harbours
document_outline: What the harbour of Osk is for.
document:
  repo: "seedbed:documents"
  commit: 4f2a9c0d3b1e5f60718293a4b5c6d7e8f9012345
  patterns:
    - osk.md
seed_examples:
""" + "".join(
    f"""\
  - context: The harbour of Osk has pier number {number}.
    questions_and_answers:
      - question: Which town has pier {number}?
        answer: The town of Osk.
      - question: What is numbered {number}?
        answer: A pier of the harbour.
      - question: Is there a pier {number} in Osk?
        answer: There is.
"""
    for number in range(1, 6)
)
GOOD_ATTRIBUTION = """\
Title of work: Opposites
Link to work: https://example.org/opposites
Revision: first
License of the work: CC-BY-4.0
Creator names: Ann
"""


@dataclass(frozen=True)
class Example:
    """A leaf that has the problem of a check, and no other."""

    qna: str | bytes = GOOD_SKILL
    path: str = GOOD_PATH
    attribution: str | None = GOOD_ATTRIBUTION
    schema_version: int | None = None

    @property
    def data(self) -> bytes:
        return self.qna if isinstance(self.qna, bytes) else self.qna.encode()


@dataclass(frozen=True)
class Subject:
    """A leaf under check: read once, looked at by every check."""

    path: str
    source: YamlSource
    reading: LeafReading
    attribution: AttributionReading | None

    @classmethod
    def of(cls, data: bytes, path: str, attribution: bytes | None, schema_version: int | None = None) -> Subject:
        source = read_source(data)
        return cls(
            path=path,
            source=source,
            reading=read_source_as_leaf(source, path, schema_version),
            attribution=None if attribution is None else read_attribution(attribution),
        )

    @property
    def kind(self) -> LeafKindName:
        return leaf_kind(self.path, self.reading.leaf)

    @functools.cached_property
    def place_problems(self) -> tuple[Problem, ...]:
        """What is wrong with where the leaf lies; nothing where that is not known."""
        return tuple(check_path(self.path, new=False)) if self.path else ()

    @functools.cached_property
    def directives(self) -> Directives | None:
        """What the public linter was told in comments; nothing where its name stands nowhere."""
        return Directives(self.source.text, self.source.tokens) if "yamllint" in self.source.text else None

    def is_silent(self, rule: str, line: int | None) -> bool:
        """Whether a comment tells the public linter to say nothing of its ``rule`` on ``line``."""
        return self.directives is not None and self.directives.silence(rule, line or 1)

    @property
    def lint_severity(self) -> Severity:
        """How bad a fault of form is: the public tools look for them from version 2 on only."""
        return "error" if self.reading.checked_as > 1 else "info"

    def problem(self, check: Check, message: str, field: str, severity: Severity | None = None) -> Problem:
        """A problem at the first line of ``field``."""
        lines = self.reading.lines.get(field)
        return Problem(check.code, severity or check.severity, message, lines[0] if lines else None, None, field)


class Check(ABC):
    """One rule. ``severity`` is the usual one; ``example`` has this problem and no other (a test holds it).

    ``example`` is None where no text can have the problem.
    """

    code: ClassVar[str]
    severity: ClassVar[Severity]
    explanation: ClassVar[str]
    example: ClassVar[Example | None]

    @abstractmethod
    def find(self, subject: Subject) -> Iterator[Problem]:
        """Every place where ``subject`` breaks the rule."""


class LintCheck(Check):
    """A check of form that the public linter has under the name ``rule``, and that its comments can silence."""

    rule: ClassVar[str]

    def find(self, subject: Subject) -> Iterator[Problem]:
        if subject.reading.leaf is not None:
            for problem in self.find_lint(subject):
                if not subject.is_silent(self.rule, problem.line):
                    yield problem

    @abstractmethod
    def find_lint(self, subject: Subject) -> Iterator[Problem]:
        """Every place where the text of ``subject`` breaks the rule, silenced or not."""


REGISTRY: dict[str, Check] = {}
C = TypeVar("C", bound=type[Check])


def register(check: C) -> C:
    """Class decorator: adds a check to the registry under its code."""
    if check.code in REGISTRY:
        raise ValueError(f"Two checks are called {check.code}.")
    REGISTRY[check.code] = check()
    return check


@functools.cache
def load_checks() -> None:
    """Import every module of this folder, so that its checks register themselves. Once is enough."""
    package = __name__.rpartition(".")[0]
    folder = importlib.import_module(package).__path__
    for module in sorted(pkgutil.iter_modules(folder), key=lambda module: module.name):
        importlib.import_module(f"{package}.{module.name}")


def run_checks(subject: Subject) -> list[Problem]:
    """The problems of every check, in the order of the file; those without a line come last."""
    load_checks()  # the registry may hold the checks of one module that was imported by itself
    found: list[Problem] = []
    for check in REGISTRY.values():
        for count, problem in enumerate(check.find(subject)):
            if count == MOST_OF_ONE_CODE:
                break
            found.append(problem)
    return sorted(found, key=lambda p: (p.line is None, p.line or 0, p.column or 0, p.severity, p.code))
