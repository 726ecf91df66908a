"""Checkpoints of the training program: model, optimiser, random state and the place in the plan of steps.

A checkpoint is a folder written under a temporary name and renamed; ``position.json`` in it names its files with
their sizes, so that one cut short (a full disk, a power cut) is recognised and passed over. The newest one is kept.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from workers.specs import Strict

log = logging.getLogger(__name__)
POSITION = "position.json"


class Position(Strict):
    """Where a training stands: ``step`` optimiser steps of the whole plan are done. Tokens and seconds up to there."""

    state: str
    step: int
    tokens: int = 0
    loss_tokens: int = 0
    seconds: float = 0.0


class Checkpoints:
    """The checkpoints below one folder, of one training (``state``, see ``TrainingSpec.state``)."""

    def __init__(self, folder: Path, state: str) -> None:
        self.folder = folder
        self.state = state

    def newest(self) -> tuple[Path, Position] | None:
        """The newest whole checkpoint of this training."""
        for path in sorted(self.folder.glob("step-*"), reverse=True):
            position = _read_position(path)
            if position is None:
                log.warning("The checkpoint %s is not whole; it is passed over.", path.name)
            elif position.state != self.state:
                log.warning("The checkpoint %s belongs to other data or another recipe; it is passed over.", path.name)
            else:
                return path, position
        return None

    def begin(self, step: int) -> Path:
        """An empty folder with a temporary name, to be filled and given to :meth:`land`; leftovers are removed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob(".part-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        part = self.folder / f".part-{step:09d}"
        part.mkdir()
        return part

    def land(self, part: Path, position: Position) -> Path:
        """Name the filled folder as the checkpoint of ``position`` and remove the older ones."""
        files = {path.relative_to(part).as_posix(): path.stat().st_size for path in part.rglob("*") if path.is_file()}
        content = {"position": position.model_dump(mode="json"), "files": files}
        (part / POSITION).write_text(json.dumps(content), encoding="utf-8")
        target = self.folder / f"step-{position.step:09d}"
        if target.exists():
            shutil.rmtree(target)
        os.rename(part, target)
        for older in self.folder.glob("step-*"):
            if older != target:
                shutil.rmtree(older, ignore_errors=True)
        return target

    def save(self, position: Position, fill: Callable[[Path], object]) -> Path:
        """Fill, name and keep a checkpoint; a failure leaves the one before it in place."""
        part = self.begin(position.step)
        try:
            fill(part)
            return self.land(part, position)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise


def _read_position(path: Path) -> Position | None:
    try:
        content = json.loads((path / POSITION).read_text(encoding="utf-8"))
        if all((path / name).stat().st_size == size for name, size in content["files"].items()):
            return Position.model_validate(content["position"])
    except (OSError, ValueError, KeyError, ValidationError):
        pass
    return None
