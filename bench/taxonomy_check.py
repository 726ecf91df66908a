"""How long checking one leaf takes as its author types, beside the public parser. Prints one JSON line.

Must: a leaf of 100 seeds within 20 ms of one core (95th percentile). A check reads nothing and waits for nothing, so
processor time is what it takes; the time on the clock stands beside it and is longer on a machine that is busy.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from taxonomy_repo.checks import check_leaf
from taxonomy_repo.leaf import Leaf, SeedExample, write_leaf

SEEDS = 100
ROUNDS = 100
PUBLIC_ROUNDS = 5
LIMIT_MS = 20.0
PLACE = "compositional_skills/writing/long"
ATTRIBUTION = b"Title of work: Long\nLicense of the work: Apache-2.0\nCreator names: Ann\n"


def long_leaf() -> bytes:
    """A leaf as people write them: some contexts of several lines, some quotes, about 60 words a seed."""
    context = "The boat left the harbour at nine.\nIt carried twelve sacks of peat, and the wind was from the west.\n"
    return write_leaf(
        Leaf(
            version=3,
            created_by="ann",
            task_description="Answer a question about a short report.",
            seed_examples=tuple(
                SeedExample(
                    question=f"Report {number}: when did the boat leave, and what did she carry across the sound?",
                    answer=f"In report {number} she left at nine, and carried twelve sacks of peat. "
                    + "More words. " * 9
                    + "End.",
                    context=f"{context}This is report number {number}.\n",
                )
                for number in range(SEEDS)
            ),
        )
    )


def milliseconds(work: Callable[[], object], rounds: int) -> tuple[list[float], list[float]]:
    """Sorted times of each round, on the clock and on the processor."""
    clock, processor = [], []
    for _ in range(rounds):
        started, used = time.perf_counter(), time.process_time()
        work()
        processor.append((time.process_time() - used) * 1000)
        clock.append((time.perf_counter() - started) * 1000)
    return sorted(clock), sorted(processor)


def public_parser(data: bytes, folder: Path) -> Callable[[], object]:
    """The parser of instructlab-schema on a file; it starts yamllint as a program."""
    from instructlab.schema.taxonomy import TaxonomyParser

    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    file = folder / PLACE / "qna.yaml"
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    parser = TaxonomyParser(schema_version=0, message_format="standard")

    def parse() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            assert parser.parse(file).errors == 0

    return parse


def main() -> int:
    data = long_leaf()
    assert check_leaf(data, PLACE, ATTRIBUTION) == []  # warm: modules and registry are loaded
    clock, processor = milliseconds(lambda: check_leaf(data, PLACE, ATTRIBUTION), ROUNDS)
    with tempfile.TemporaryDirectory() as folder:
        public, _ = milliseconds(public_parser(data, Path(folder)), PUBLIC_ROUNDS)
    at = int(0.95 * ROUNDS) - 1
    result = {
        "benchmark": "taxonomy_check",
        "seeds": SEEDS,
        "bytes": len(data),
        "processor_median_ms": round(statistics.median(processor), 2),
        "processor_p95_ms": round(processor[at], 2),
        "limit_ms": LIMIT_MS,
        "clock_median_ms": round(statistics.median(clock), 2),
        "clock_p95_ms": round(clock[at], 2),
        "public_parser_clock_median_ms": round(statistics.median(public), 1),
        "times_faster": round(statistics.median(public) / statistics.median(clock), 1),
        "ok": processor[at] <= LIMIT_MS,
    }
    print(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
