"""What the training program is told and what it answers: its spec, its folder, its exit codes.

Shared by the program (``train.py``) and whoever launches it (``launcher.py``); loads no torch.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import Field

from workers.specs import StageProblem, Strict, TuningRecipe, content_hash

# Exit codes. STOPPED is EX_TEMPFAIL of sysexits(3): all is saved, start it again to go on.
DONE = 0
PROBLEM = 3
STOPPED = 75


class TrainingPhase(Strict):
    """One phase's samples: JSON lines of :class:`workers.specs.Sample`. ``name`` is a phase of the recipe."""

    name: str
    file: Path


class TrainingSpec(Strict):
    """All that the training program needs.

    ``work`` is its own folder (checkpoints, metrics, outcome), ``output`` where the tuned student is written.
    ``run_id`` marks this start in the metrics, so that a follower can tell it from an earlier one.
    """

    student: Path
    recipe: TuningRecipe
    phases: tuple[TrainingPhase, ...]
    work: Path
    output: Path
    seed: int = Field(ge=0)
    run_id: str = "shell"

    @property
    def metrics(self) -> Path:
        return self.work / "metrics.jsonl"

    @property
    def outcome(self) -> Path:
        return self.work / "outcome.json"

    @property
    def checkpoints(self) -> Path:
        return self.work / "checkpoints"

    @property
    def state(self) -> str:
        """What a checkpoint belongs to: the same samples, recipe, seed and student. How often to save is no part."""
        recipe = self.recipe.model_dump(mode="json")
        for name in ("save_every_seconds", "control"):
            recipe.pop(name)
        return content_hash(
            {
                "recipe": recipe,
                "seed": self.seed,
                "phases": [(phase.name, _digest(phase.file)) for phase in self.phases],
                # Weights by name and size: hashing tens of gigabytes at every start would cost more than it protects.
                "student": sorted(
                    (path.name, path.stat().st_size)
                    for path in self.student.iterdir()
                    if path.suffix in (".json", ".safetensors")
                ),
            }
        )


class Outcome(Strict):
    """How a run of the training program ended; its last word in ``outcome.json``."""

    run_id: str
    outcome: Literal["done", "stopped", "problem"]
    step: int = 0
    problem: StageProblem | None = None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
