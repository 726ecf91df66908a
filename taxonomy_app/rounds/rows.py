"""The generated samples and the dropped rows of a round, read from the artifact page by page, and the funnel."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from workers.artifacts import Artifact, ArtifactProblem
from workers.specs import DroppedSample, FunnelStep, Sample

KEPT, DROPPED = "samples.jsonl", "dropped.jsonl"


@dataclass(frozen=True)
class Row:
    """A sample as a page shows it; ``filter`` and ``reason`` are empty for one that was kept."""

    sample: Sample
    filter: str = ""
    reason: str = ""
    score: float | None = None

    @property
    def messages(self) -> list[dict[str, str]]:
        names = {"system": "Instruction", "user": "Question", "assistant": "Answer"}
        return [
            {"role": message.role, "name": names[message.role], "content": message.content}
            for message in self.sample.messages
        ]

    @property
    def filter_words(self) -> str:
        return f"Dropped by {self.filter.replace('_', ' ')}"

    @property
    def scores(self) -> list[tuple[str, float]]:
        return sorted(self.sample.metadata.scores.items())


@dataclass(frozen=True)
class RowPage:
    rows: list[Row]
    number: int
    has_next: bool


@dataclass
class LeafFunnel:
    """One leaf's way through the steps of generation. ``dropped`` counts by filter."""

    leaf_id: str
    path: str = ""
    asked: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    steps: list[FunnelStep] = field(default_factory=list)

    @property
    def dropped_by(self) -> list[tuple[str, int]]:
        return self.dropped.most_common()

    @property
    def dropped_total(self) -> int:
        return sum(self.dropped.values())


def read_page(
    artifact: Artifact,
    *,
    dropped: bool,
    number: int,
    size: int,
    leaf_id: str = "",
    filter_name: str = "",
    text: str = "",
) -> RowPage:
    """One page of the rows that match. Lines are read until the page is full and never held all at once.

    Raises:
        ArtifactProblem: the artifact has no such rows (yet).
    """
    first, rows = (number - 1) * size, []
    for position, row in enumerate(_matching(artifact, dropped, leaf_id, filter_name, text.casefold())):
        if position < first:
            continue
        if len(rows) == size:
            return RowPage(rows, number, True)
        rows.append(_row(row, dropped))
    return RowPage(rows, number, False)


def _matching(artifact: Artifact, dropped: bool, leaf_id: str, filter_name: str, text: str) -> Iterator[dict[str, Any]]:
    for line in artifact.lines(DROPPED if dropped else KEPT):
        # Most lines of a large file belong to other leaves: they are passed over without being parsed.
        if not line or leaf_id not in line or filter_name not in line:
            continue
        row = json.loads(line)
        sample = row["sample"] if dropped else row
        if leaf_id and sample["metadata"]["leaf_id"] != leaf_id:
            continue
        if dropped and filter_name and row["filter"] != filter_name:
            continue
        if text and not any(text in message["content"].casefold() for message in sample["messages"]):
            continue
        yield row


def _row(row: dict[str, Any], dropped: bool) -> Row:
    if not dropped:
        return Row(Sample.model_validate(row))
    found = DroppedSample.model_validate(row)
    return Row(found.sample, found.filter, found.reason, found.score)


def read_funnel(artifact: Artifact) -> dict[str, LeafFunnel]:
    """Every leaf's funnel by leaf id; empty while there is none."""
    try:
        steps = artifact.read_json("funnel.json")
    except ArtifactProblem:
        return {}
    found: dict[str, LeafFunnel] = {}
    for raw in steps:
        step = FunnelStep.model_validate(raw)
        leaf = found.setdefault(step.leaf_id, LeafFunnel(step.leaf_id))
        if not leaf.steps:
            leaf.asked = step.given
        leaf.steps.append(step)
        leaf.kept = step.kept
        leaf.dropped.update(step.dropped)
    return found


def filters_of(funnels: dict[str, LeafFunnel]) -> list[tuple[str, int]]:
    """Every filter that dropped something with how much it dropped, the greediest first."""
    total: Counter[str] = Counter()
    for leaf in funnels.values():
        total.update(leaf.dropped)
    return total.most_common()
