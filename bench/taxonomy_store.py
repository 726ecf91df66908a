"""How long approved leaves take to get into a taxonomy of 10,000, one by one and eight at once. Prints one JSON line.

Must: 50 ms a commit, none lost. Beside it: reading the snapshot, working out identities from nothing and after one
commit, and the same commit through a worktree and the git program.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from taxonomy_repo.identity import CACHE_FILE
from taxonomy_repo.store import FileChange, Person, TaxonomyStore

LEAVES = 10_000
COMMITS = 100
AT_ONCE = 8
EACH = 10
LIMIT_MS = 50.0
ANN = Person("Ann", "ann@example.org")
WHEN = datetime(2026, 3, 1, tzinfo=UTC)


def place(number: int) -> str:
    return f"compositional_skills/area_{number % 20}/topic_{number // 20 % 25}/leaf_{number}"


def put(store: TaxonomyStore, number: int) -> None:
    changes = [
        FileChange(f"{place(number)}/qna.yaml", f"version: 3\nnumber: {number}\n".encode() * 40, None),
        FileChange(f"{place(number)}/attribution.txt", f"Title of work: {number}\n".encode(), None),
    ]
    store.commit(changes, author=ANN, message=f"Add {number}", when=WHEN, trailers={"Submission": f"S{number}"})


@contextmanager
def timed(results: dict[str, object], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    results[name] = round((time.perf_counter() - started) * 1000, 2)


def fill(store: TaxonomyStore) -> None:
    changes = [
        FileChange(f"{place(number)}/qna.yaml", f"version: 3\nnumber: {number}\n".encode(), None)
        for number in range(LEAVES)
    ]
    store.commit(changes, author=ANN, message="Fill", when=WHEN)
    subprocess.run(["git", "-C", str(store.repository.path), "gc", "-q"], check=True)


def through_a_worktree(store: TaxonomyStore, folder: Path) -> float:
    """Median milliseconds of writing a file, git add and git commit in a clone."""
    subprocess.run(["git", "clone", "-q", str(store.repository.path), str(folder)], check=True)
    times = []
    for number in range(5):
        started = time.perf_counter()
        file = folder / place(LEAVES * 3 + number) / "qna.yaml"
        file.parent.mkdir(parents=True)
        file.write_text("version: 3\n")
        run = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run([*run, "add", str(file)], check=True)
        subprocess.run([*run, "commit", "-q", "-m", "x"], check=True)
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def main() -> int:
    results: dict[str, object] = {"benchmark": "taxonomy_store", "leaves": LEAVES, "limit_ms": LIMIT_MS}
    with tempfile.TemporaryDirectory() as folder:
        store = TaxonomyStore(Path(folder) / "taxonomy.git")
        store.create()
        fill(store)
        times = []
        for number in range(COMMITS):
            started = time.perf_counter()
            put(store, LEAVES + number)
            times.append((time.perf_counter() - started) * 1000)
        times.sort()
        results["commit_median_ms"] = round(statistics.median(times), 2)
        results["commit_p95_ms"] = round(times[int(0.95 * COMMITS) - 1], 2)

        def work(offset: int) -> None:
            for number in range(EACH):
                put(store, 2 * LEAVES + offset * EACH + number)

        threads = [threading.Thread(target=work, args=(offset,)) for offset in range(AT_ONCE)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        results["eight_at_once_ms_each"] = round((time.perf_counter() - started) * 1000 / (AT_ONCE * EACH), 2)
        head = store.head() or ""
        with timed(results, "snapshot_ms"):
            there = len(list(store.snapshot(head)))
        results["lost"] = LEAVES + COMMITS + AT_ONCE * EACH - there
        (store.repository.path / CACHE_FILE).unlink(missing_ok=True)
        with timed(results, "identities_from_nothing_ms"):
            store.leaf_ids(head)
        put(store, 4 * LEAVES)
        with timed(results, "identities_after_one_commit_ms"):
            store.leaf_ids(store.head() or "")
        with timed(results, "changes_of_one_commit_ms"):
            assert len(store.changes(head, store.head() or "")) == 1
        results["worktree_commit_median_ms"] = round(through_a_worktree(store, Path(folder) / "clone"), 1)
    each, percentile = results["eight_at_once_ms_each"], results["commit_p95_ms"]
    assert isinstance(each, float)
    assert isinstance(percentile, float)
    results["ok"] = results["lost"] == 0 and each <= LIMIT_MS and percentile <= LIMIT_MS
    print(json.dumps(results))
    return 0 if results["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
