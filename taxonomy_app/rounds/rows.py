"""The generated samples and the dropped rows of a round, read from the artifact page by page, and the funnel.

A finished artifact never changes, so where each row lies, of which leaf it is and what dropped it is noted once (the
row index, kept in the web's cache folder); a page then reads its own rows and nothing else.
"""

from __future__ import annotations

import json
import os
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from django.utils.translation import gettext as _
from numpy.typing import NDArray

from taxonomy_app.web.repository_words import code_words
from workers.artifacts import Artifact, ArtifactProblem
from workers.interchange import FILE_OF_PHASE, exported_lines
from workers.specs import DroppedSample, FunnelStep, Recipe, Sample

KEPT, DROPPED = "samples.jsonl", "dropped.jsonl"
# How many rows a search for words reads before the page says that it stopped.
MOST_SEARCHED = 20_000
# What these filters drop would be scored as well as taught: nobody may restore it.
FINAL = frozenset({"held_out", "benchmark"})


@dataclass(frozen=True)
class Row:
    """A sample as a page shows it; ``filter`` and ``reason`` are empty for one that was kept.

    ``position`` is its place among the kept or the dropped rows of the round, counted from 0.
    """

    sample: Sample
    position: int = 0
    filter: str = ""
    reason: str = ""
    score: float | None = None

    @property
    def messages(self) -> list[dict[str, str]]:
        names = {"system": _("Instruction"), "user": _("Question"), "assistant": _("Answer")}
        return [
            {"role": message.role, "name": names[message.role], "content": message.content}
            for message in self.sample.messages
        ]

    @property
    def complete(self) -> bool:
        """Whether it got as far as an answer."""
        return self.sample.messages[-1:] != () and self.sample.messages[-1].role == "assistant"

    @property
    def restorable(self) -> bool:
        """Whether a person may restore it: not what scores are made of, and not half a row."""
        return bool(self.filter) and self.filter not in FINAL and self.complete

    @property
    def filter_words(self) -> str:
        return _("Dropped by %(filter)s") % {"filter": code_words(self.filter, mid_sentence=True)}

    @property
    def scores(self) -> list[tuple[str, float]]:
        return sorted(self.sample.metadata.scores.items())


@dataclass(frozen=True)
class RowPage:
    """``searched``: how many rows a search for words has read where it did not read all; None otherwise."""

    rows: list[Row]
    number: int
    has_next: bool
    searched: int | None = None


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


@dataclass(frozen=True)
class RowIndex:
    """Where the rows of a file lie. ``starts`` has one number more than there are rows: the file's length.

    ``leaves`` and ``filters`` hold for each row the place of its leaf and of its filter in the tuples of names.
    """

    starts: NDArray[np.int64]
    leaves: NDArray[np.int32]
    filters: NDArray[np.int32]
    leaf_ids: tuple[str, ...]
    filter_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.leaves)

    def matching(self, leaf_id: str, filter_name: str) -> NDArray[np.int64]:
        """Positions of the rows of a leaf, dropped by a filter; an empty word stands for any."""
        chosen = np.ones(len(self), dtype=np.bool_)
        for name, known, column in (
            (leaf_id, self.leaf_ids, self.leaves),
            (filter_name, self.filter_names, self.filters),
        ):
            if name:
                chosen &= (column == known.index(name)) if name in known else False
        return np.flatnonzero(chosen)

    def spans(self, positions: Sequence[int] | NDArray[np.int64]) -> list[tuple[int, int]]:
        return [(int(self.starts[p]), int(self.starts[p + 1])) for p in positions]


def row_index(artifact: Artifact, *, dropped: bool, cache: Path) -> RowIndex:
    """The index of a finished artifact's rows: from ``cache``, or made now and kept there.

    Raises:
        ArtifactProblem: the artifact has no such rows.
    """
    name = DROPPED if dropped else KEPT
    written = artifact.manifest()["files"].get(name)
    if written is None:
        raise ArtifactProblem(f"Artifact {artifact.id} has no file {name}.")
    # Known by its content, so that an index can never belong to other rows.
    file = cache / "rows" / f"{written['sha256']}.npz"
    if not file.exists():
        found = _index_rows(artifact, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{uuid.uuid4().hex}.npz")
        np.savez(
            part,
            starts=found.starts,
            leaves=found.leaves,
            filters=found.filters,
            names=np.frombuffer(json.dumps([found.leaf_ids, found.filter_names]).encode(), dtype=np.uint8),
        )
        os.replace(part, file)
    return _read_index(file)


@lru_cache(maxsize=8)
def _read_index(file: Path) -> RowIndex:
    with np.load(file) as kept:
        leaf_ids, filter_names = json.loads(kept["names"].tobytes())
        return RowIndex(kept["starts"], kept["leaves"], kept["filters"], tuple(leaf_ids), tuple(filter_names))


def _index_rows(artifact: Artifact, name: str) -> RowIndex:
    starts, leaves, filters = [0], [], []
    leaf_ids: dict[str, int] = {}
    filter_names: dict[str, int] = {}
    for line in artifact.byte_lines(name):
        row = json.loads(line)
        sample = row["sample"] if name == DROPPED else row
        leaf_id, filter_name = sample["metadata"]["leaf_id"], row.get("filter", "")
        leaves.append(leaf_ids.setdefault(leaf_id, len(leaf_ids)))
        filters.append(filter_names.setdefault(filter_name, len(filter_names)))
        starts.append(starts[-1] + len(line))
    return RowIndex(
        np.asarray(starts, np.int64),
        np.asarray(leaves, np.int32),
        np.asarray(filters, np.int32),
        tuple(leaf_ids),
        tuple(filter_names),
    )


def read_page(
    artifact: Artifact,
    *,
    cache: Path,
    dropped: bool,
    number: int,
    size: int,
    leaf_id: str = "",
    filter_name: str = "",
    text: str = "",
) -> RowPage:
    """One page of the rows that match.

    Raises:
        ArtifactProblem: the artifact has no such rows (yet).
    """
    index = row_index(artifact, dropped=dropped, cache=cache)
    found = index.matching(leaf_id, filter_name)
    first = (number - 1) * size
    if not text:
        rows = _read_rows(artifact, index, found[first : first + size], dropped)
        return RowPage(rows, number, first + size < len(found))
    searched = found[:MOST_SEARCHED]
    wanted, matching = text.casefold(), []
    lines = artifact.spans(DROPPED if dropped else KEPT, index.spans(searched))
    for position, line in zip(searched, lines, strict=True):
        row = _row(line, int(position), dropped)
        if any(wanted in message.content.casefold() for message in row.sample.messages):
            matching.append(row)
            if len(matching) > first + size:
                return RowPage(matching[first:-1], number, True)
    return RowPage(matching[first:], number, False, len(searched) if len(searched) < len(found) else None)


def read_row(artifact: Artifact, position: int, *, cache: Path, dropped: bool) -> Row | None:
    """The row at a place among the kept or the dropped ones; None where there is none.

    Raises:
        ArtifactProblem: the artifact has no such rows (yet).
    """
    index = row_index(artifact, dropped=dropped, cache=cache)
    if not 0 <= position < len(index):
        return None
    return _read_rows(artifact, index, [position], dropped)[0]


def _read_rows(
    artifact: Artifact, index: RowIndex, positions: Sequence[int] | NDArray[np.int64], dropped: bool
) -> list[Row]:
    lines = artifact.spans(DROPPED if dropped else KEPT, index.spans(positions))
    return [_row(line, int(position), dropped) for position, line in zip(positions, lines, strict=True)]


def _row(line: bytes, position: int, dropped: bool) -> Row:
    if not dropped:
        return Row(Sample.model_validate_json(line), position)
    found = DroppedSample.model_validate_json(line)
    return Row(found.sample, position, found.filter, found.reason, found.score)


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
        leaf.steps.append(step)
        leaf.dropped.update(step.dropped)
    for leaf in found.values():
        # Each task is asked in its first step, and kept by its last.
        by_task: dict[str, list[FunnelStep]] = {}
        for step in leaf.steps:
            by_task.setdefault(step.task, []).append(step)
        leaf.asked = sum(steps[0].given for steps in by_task.values())
        leaf.kept = sum(steps[-1].kept for steps in by_task.values())
    return found


def filters_of(funnels: dict[str, LeafFunnel]) -> list[tuple[str, int]]:
    """Every filter that dropped something with how much it dropped, the greediest first."""
    total: Counter[str] = Counter()
    for leaf in funnels.values():
        total.update(leaf.dropped)
    return total.most_common()


def training_lines(mixture: Artifact, recipe: Recipe, name: str) -> Iterator[str] | None:
    """The lines of one of InstructLab's files from a finished mixture; None where it has no phase for that file."""
    try:
        phases = [
            phase for phase in mixture.read_json("phases.json")["phases"] if FILE_OF_PHASE.get(phase["name"]) == name
        ]
    except (ArtifactProblem, TypeError, KeyError):
        return None
    unmasked = {phase.name for phase in recipe.tuning.phases if phase.loss_on == "all_but_system"}

    def lines() -> Iterator[str]:
        for phase in phases:
            samples = (Sample.model_validate_json(line) for line in mixture.lines(phase["file"]) if line)
            yield from exported_lines(samples, unmask=phase["name"] in unmasked)

    return lines() if phases else None
