"""How long files that were made to hurt take to be refused. Prints one JSON line.

Must: each within 1 s of one core. They are those that the tests hold to be refused (``tests/taxonomy_repo/hostile``),
each the fastest of three runs, by processor time: nothing of it waits.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from taxonomy_repo.checks import check_leaf
from tests.taxonomy_repo.hostile import HOSTILE

LIMIT_MS = 1000.0
ROUNDS = 3


def milliseconds(data: bytes, code: str) -> float:
    """Processor time of a check, which must find ``code``."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        problems = check_leaf(data, "compositional_skills/writing/hostile")
        times.append((time.process_time() - started) * 1000)
        assert code in [problem.code for problem in problems], problems
    return min(times)


def main() -> int:
    times = {name: milliseconds(case.data, case.code) for name, case in HOSTILE.items()}
    slowest = max(times, key=lambda name: times[name])
    result = {
        "benchmark": "hostile_files",
        "files": len(times),
        "slowest": slowest,
        "slowest_processor_ms": round(times[slowest], 1),
        "limit_ms": LIMIT_MS,
        "processor_ms": {name: round(taken, 2) for name, taken in times.items()},
        "ok": times[slowest] <= LIMIT_MS,
    }
    print(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
