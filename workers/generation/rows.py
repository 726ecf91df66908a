"""A row on its way to becoming a sample: its plan, what it has so far, and what became of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

from workers.generation.documents import Chunk
from workers.pipelines.shape import Task
from workers.specs import DroppedSample, Message, PlannedLeaf, Sample, SampleMetadata, SeedPair, Strict


@dataclass(frozen=True)
class ExampleGroup:
    """Seeds shown together: one context (or none) and pairs that belong to it."""

    context: str | None
    pairs: tuple[SeedPair, ...]


@dataclass(frozen=True)
class RowPlan:
    """One row to be made, decided before anything is asked: leaf, examples, target, persona, length and seed.

    ``index`` counts within the leaf. ``own`` are pairs of the target itself. ``opening`` is what a
    continued question (of a grounded leaf: text) begins with; ``persona`` who asks or answers in a chat. A ``task``
    other than ``pair`` is about the whole target, and ``opening`` is then how the student is asked.
    """

    leaf_position: int
    index: int
    examples: tuple[ExampleGroup, ...]
    target: Chunk | None
    own: tuple[SeedPair, ...]
    opening: str
    persona: str
    manner: Literal["precise", "creative"]
    length: Literal["short", "long"]
    seed: int
    task: Task = "pair"

    @property
    def shown(self) -> tuple[SeedPair, ...]:
        """Every seed that the teacher is shown."""
        return tuple(pair for group in self.examples for pair in group.pairs) + self.own


class Dropped(Exception):
    """The row does not become a sample: by which filter, why, and by what score."""

    def __init__(self, filter_name: str, reason: str, score: float | None = None) -> None:
        super().__init__(reason)
        self.filter = filter_name
        self.reason = reason
        self.score = score


@dataclass(frozen=True)
class MadeBy:
    """What made a row: the pipeline by name, version and the hash of its content.

    ``making`` is of all that decides how a row is made, recipe and teacher's profile included: part of sample ids.
    """

    name: str = ""
    version: str = ""
    hash: str = ""
    making: str = ""


@dataclass
class Row:
    """A row in the making. ``context`` is part of the sample; ``source`` is what its answer must agree with."""

    leaf: PlannedLeaf
    plan: RowPlan
    made_by: MadeBy = MadeBy()  # frozen
    context: str | None = None
    source: str = ""
    # What stands around the source: a name from there is no invention.
    around: str = ""
    question: str = ""
    answer: str = ""
    length: Literal["short", "long"] = "short"
    finished: bool = True
    # The mean log-probability that the teacher gave the tokens of its last reply, and the least that will do.
    confidence: float | None = None
    least_confidence: float | None = None
    scores: dict[str, float] = field(default_factory=dict)

    def sample(self) -> Sample:
        """The row as a sample, as far as it has come."""
        messages: list[Message] = []
        if self.question or self.context:
            messages.append(Message(role="user", content=user_text(self.question, self.context)))
        if self.answer:
            messages.append(Message(role="assistant", content=self.answer))
        target = self.plan.target
        return Sample(
            sample_id=sample_id(self.leaf.leaf_id, self.plan.index, self.made_by.making),
            messages=tuple(messages),
            metadata=SampleMetadata(
                leaf_id=self.leaf.leaf_id,
                leaf_path=self.leaf.path,
                origin="generated",
                length=self.length,
                pipeline=self.made_by.name,
                pipeline_version=self.made_by.version,
                pipeline_hash=self.made_by.hash,
                seeds=tuple(dict.fromkeys(pair.fingerprint for pair in self.plan.shown)),
                span=(target.document, target.start, target.end) if target is not None and target.document else None,
                scores={name: round(value, 4) for name, value in self.scores.items()},
            ),
        )


def user_text(question: str, context: str | None = None) -> str:
    """What a person says to the student: the text first where there is one, then the question."""
    return "\n\n".join(part for part in (context, question) if part)


def sample_id(leaf_id: str, index: int, making: str) -> str:
    return hashlib.sha256(f"{leaf_id}/{index}/{making}".encode()).hexdigest()[:20]


class Outcome(Strict):
    """What became of one row: a line of a part. Either ``sample`` or ``dropped`` is there.

    ``question`` and ``context`` are what later rows of the leaf must not repeat, as the row had them.
    """

    leaf_id: str
    index: int
    passed: tuple[str, ...] = ()
    at: str | None = None
    question: str = ""
    context: str | None = None
    sample: Sample | None = None
    dropped: DroppedSample | None = None
