"""The training program's metrics: JSON lines that it appends and its launcher follows while they grow.

Records by ``event``: ``plan`` (what will be done), ``run`` (a start of the program), ``step``, ``saved``, ``phase``
(one finished), ``end``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

Record = dict[str, Any]


def read_records(path: Path) -> Iterator[Record]:
    """All whole lines of a metrics file; a last line that is still being written, or was cut off, is left out."""
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    try:
                        record = json.loads(line)
                    except ValueError:
                        continue
                    if isinstance(record, dict):
                        yield record
    except FileNotFoundError:
        return


class MetricsWriter:
    """Appends records; at a resumed start drops those of steps after the checkpoint, which will be done again."""

    def __init__(self, path: Path, *, run_id: str, step: int, plan: Record) -> None:
        kept = [record for record in read_records(path) if record.get("step", 0) <= step and step > 0]
        path.parent.mkdir(parents=True, exist_ok=True)
        # Replaced as a whole: a follower sees a new file, never a file that became shorter.
        fresh = path.with_name(f".{path.name}.new")
        with fresh.open("w", encoding="utf-8") as file:
            for record in [r for r in kept if r["event"] != "plan"]:
                file.write(json.dumps(record) + "\n")
            file.write(json.dumps({"event": "plan", **plan}) + "\n")
            file.write(json.dumps({"event": "run", "run_id": run_id, "from_step": step}) + "\n")
        os.replace(fresh, path)
        self._file: TextIO = path.open("a", encoding="utf-8")

    def write(self, event: str, **values: Any) -> None:
        self._file.write(json.dumps({"event": event, **values}) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


class MetricsFollower:
    """Reads what a given run of the program has written since the last call.

    Records of earlier runs of the same training that still hold (its steps before the checkpoint) are given too,
    so that a curve is whole.
    """

    def __init__(self, path: Path, run_id: str) -> None:
        self._path = path
        self._run_id = run_id
        self._offset = 0
        self._begun = False

    def new_records(self) -> list[Record]:
        """Records not given before; none until the run has begun."""
        if not self._begun:
            marks = [r.get("run_id") for r in read_records(self._path) if r["event"] == "run"]
            if not marks or marks[-1] != self._run_id:
                return []
            self._begun = True
        records = []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                records.append(json.loads(line))
        return records
