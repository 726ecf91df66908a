"""Writers killed with SIGKILL at random instants of their commits, one after another. Prints one JSON line.

Must: every wish is in git exactly once, nothing acknowledged is missing, no lock is left, `git fsck` finds nothing
missing or broken, and nobody repaired anything. A wish that was not acknowledged is made again by the next writer, as
the outbox does.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from taxonomy_repo.mutex import MUTEX_FILE, TURNSTILE_FILE
from taxonomy_repo.store import FileChange, Person, TaxonomyStore

KILLS = 200
LEAVES = 50
ANN = Person("Ann", "ann@example.org")
WHEN = datetime(2026, 3, 1, tzinfo=UTC)


def place(number: int) -> str:
    return f"compositional_skills/area_{number % 20}/leaf_{number}"


def wish(store: TaxonomyStore, number: int) -> None:
    changes = [
        FileChange(f"{place(number)}/qna.yaml", f"version: 3\nnumber: {number}\n".encode() * 40, None),
        FileChange(f"{place(number)}/attribution.txt", f"Title of work: {number}\n".encode(), None),
    ]
    store.commit(changes, author=ANN, message=f"Add {number}", when=WHEN, trailers={"Submission": f"S{number}"})


def write_until_killed(path: Path, first: int, told: int) -> None:
    """Make one wish after the other, and tell each number on the pipe once it is in git."""
    store = TaxonomyStore(path)
    number = first
    while True:
        wish(store, number)
        os.write(told, f"{number}\n".encode())
        number += 1


def one_kill(path: Path, first: int, delay: float) -> int:
    """Start a writer, kill it ``delay`` seconds after its first commit; how many commits it had told of."""
    reading, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            write_until_killed(path, first, told)
        finally:
            os._exit(1)
    os.close(told)
    with os.fdopen(reading) as acknowledged:
        lines = [acknowledged.readline()]
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)
        lines += acknowledged.readlines()
    os.waitpid(child, 0)
    return len([line for line in lines if line.endswith("\n")])


def run(path: Path, kills: int, seed: int) -> dict[str, object]:
    chance = random.Random(seed)
    store = TaxonomyStore(path)
    store.create()
    times = []
    for number in range(LEAVES):
        started = time.perf_counter()
        wish(store, number)
        times.append(time.perf_counter() - started)
    usual = statistics.median(times)
    following, inside, locked = LEAVES, 0, 0
    started = time.perf_counter()
    for _ in range(kills):
        following += one_kill(path, following, chance.uniform(0, 2 * usual))
        inside += (path / MUTEX_FILE).stat().st_size > 0
        locked += any((path / "refs").rglob("*.lock"))
    wish(TaxonomyStore(path), following)  # what the last one may have left undone
    seconds = time.perf_counter() - started
    log = ["git", "-C", str(path), "log", "--format=%(trailers:key=Submission,valueonly,separator=)", "main"]
    made = Counter(subprocess.run(log, check=True, capture_output=True, text=True).stdout.split())
    wished = {f"S{number}" for number in range(following + 1)}
    there = {entry.path for entry in store.snapshot(store.head() or "")}
    fsck = subprocess.run(
        ["git", "-C", str(path), "fsck", "--strict", "--full", "--no-dangling"],
        check=False,
        capture_output=True,
        text=True,
    )
    results: dict[str, object] = {
        "benchmark": "taxonomy_kills",
        "kills": kills,
        "inside_a_commit": inside,
        "with_a_lock_left": locked,
        "commits": sum(made.values()),
        "lost": len(wished - made.keys()) + len({place(number) for number in range(following + 1)} - there),
        "twice": sum(count - 1 for count in made.values()),
        "locks_left": sum(1 for lock in path.rglob("*.lock") if lock.name not in (MUTEX_FILE, TURNSTILE_FILE)),
        "fsck_clean": fsck.returncode == 0 and not fsck.stdout + fsck.stderr,
        "commit_median_ms": round(usual * 1000, 2),
        "seconds": round(seconds, 1),
    }
    results["ok"] = not (results["lost"] or results["twice"] or results["locks_left"]) and results["fsck_clean"]
    return results


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = run(Path(folder) / "taxonomy.git", given.kills, given.seed)
    print(json.dumps(results))
    return 0 if results["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
