"""What a running generation has finished, as parts of its artifact: a killed one goes on from there.

A part is a file of JSON lines under ``parts/``: what the requests since the last part used, then one outcome a line.
It lands by a rename, so an outcome is there whole or not at all. At the end the parts become ``samples.jsonl`` and
``dropped.jsonl``, in the order of the plan, and are removed.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from workers.artifacts import Artifact
from workers.generation.judges.discrimination import Discrimination
from workers.generation.rows import Outcome
from workers.specs import LeafKind, PlannedLeaf, Strict

FOLDER = "parts/"
ROWS = "parts/rows-"
JUDGES = "parts/judge-"


class Spent(Strict):
    """What requests cost. ``seconds`` is the time in which they were asked."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    in_flight_seconds: float = 0.0

    def __add__(self, other: Spent) -> Spent:
        return Spent(**{name: getattr(self, name) + getattr(other, name) for name in Spent.model_fields})


class Parts:
    """The parts of one artifact in the making."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self._next = 1 + max((int(name[len(ROWS) :].split(".")[0]) for name in artifact.names(ROWS)), default=0)

    def write(self, outcomes: Sequence[Outcome], spent: Spent) -> None:
        lines = [json.dumps({"spent": spent.model_dump()})]
        lines += [outcome.model_dump_json(exclude_defaults=True) for outcome in outcomes]
        self.artifact.write_text(f"{ROWS}{self._next:07}.jsonl", "\n".join(lines) + "\n")
        self._next += 1

    def outcomes(self) -> Iterator[Outcome]:
        """Every outcome so far, in the order of arrival."""
        for name in self.artifact.names(ROWS):
            for number, line in enumerate(self.artifact.lines(name)):
                if number and line:
                    yield Outcome.model_validate_json(line)

    def spent(self) -> Spent:
        """What all attempts so far have used, as far as it was written down."""
        total = Spent()
        for name in self.artifact.names(ROWS):
            first = next(iter(self.artifact.lines(name)), "{}")
            total += Spent.model_validate(json.loads(first).get("spent", {}))
        return total

    def write_discrimination(self, found: Discrimination) -> None:
        self.artifact.write_json(f"{JUDGES}{found.kind.value}.json", found)

    def discriminations(self) -> dict[LeafKind, Discrimination]:
        found = [Discrimination.model_validate(self.artifact.read_json(name)) for name in self.artifact.names(JUDGES)]
        return {one.kind: one for one in found}

    def assemble(self, leaves: Sequence[PlannedLeaf]) -> None:
        """Write ``samples.jsonl`` and ``dropped.jsonl`` in the plan's order, holding one leaf at a time."""
        with tempfile.TemporaryDirectory(prefix="seedbed-") as name:
            folder = Path(name)
            position = {leaf.leaf_id: number for number, leaf in enumerate(leaves)}
            self._sort_by_leaf(folder, position)
            for kind in ("samples", "dropped"):
                whole = folder / f"{kind}.jsonl"
                with whole.open("w", encoding="utf-8") as out:
                    for number in range(len(leaves)):
                        _copy_sorted(folder / f"{kind}-{number}", out)
                self.artifact.put_file(f"{kind}.jsonl", whole)

    def _sort_by_leaf(self, folder: Path, position: dict[str, int]) -> None:
        with contextlib.ExitStack() as stack:
            open_files: dict[str, IO[str]] = {}
            for outcome in self.outcomes():
                entry = outcome.sample or outcome.dropped
                if entry is None or outcome.leaf_id not in position:
                    continue
                kind = "samples" if outcome.sample is not None else "dropped"
                name = f"{kind}-{position[outcome.leaf_id]}"
                if name not in open_files:
                    if len(open_files) >= 64:
                        # Leaves come one after another: a file not written to for long is hardly needed again.
                        oldest = next(iter(open_files))
                        open_files.pop(oldest).close()
                    open_files[name] = stack.enter_context((folder / name).open("a", encoding="utf-8"))
                open_files[name].write(f"{outcome.index:012}\t{entry.model_dump_json()}\n")

    def remove(self) -> None:
        """The parts are no part of the finished artifact."""
        self.artifact.remove(FOLDER)


def _copy_sorted(file: Path, out: IO[str]) -> None:
    if not file.exists():
        return
    with file.open(encoding="utf-8") as lines:
        for line in sorted(lines):
            out.write(line.split("\t", 1)[1])
    file.unlink()
