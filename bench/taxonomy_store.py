"""How long commits into a taxonomy of 10,000 leaves take, one by one and from eight processes. Prints one JSON line.

Must: 10 ms for one commit (median), all 800 of the eight processes there, and nothing for `git fsck` to find. Beside
it: one bare fsync of this disk, reading the snapshot, identities from nothing and after one commit, who wrote the seeds
of a leaf, a repacking, and the same commit through a worktree and the git program.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from taxonomy_repo.blame import blame
from taxonomy_repo.identity import CACHE_FILE
from taxonomy_repo.maintenance import maintain
from taxonomy_repo.store import FileChange, Person, TaxonomyStore

LEAVES = 10_000
COMMITS = 100
AT_ONCE = 8
EACH = 100
LIMIT_MS = 10.0
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


def write_from(path: Path, first: int) -> None:
    """One of the processes that write at once."""
    store = TaxonomyStore(path)
    for number in range(first, first + EACH):
        put(store, number)


def bare_fsync_ms(folder: Path) -> float:
    """Median milliseconds of flushing one small new file and its folder: what no durable commit can be faster than."""
    times = []
    place = os.open(folder, os.O_RDONLY)
    for number in range(20):
        started = time.perf_counter()
        with (folder / f"flushed-{number}").open("wb") as file:
            file.write(b"x" * 1000)
            file.flush()
            os.fsync(file.fileno())
        os.fsync(place)
        times.append((time.perf_counter() - started) * 1000)
    os.close(place)
    return statistics.median(times)


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
        results["bare_fsync_ms"] = round(bare_fsync_ms(Path(folder)), 2)
        times = []
        used = time.process_time()
        for number in range(COMMITS):
            started = time.perf_counter()
            put(store, LEAVES + number)
            times.append((time.perf_counter() - started) * 1000)
        results["commit_processor_ms"] = round((time.process_time() - used) * 1000 / COMMITS, 2)
        times.sort()
        results["commit_median_ms"] = round(statistics.median(times), 2)
        results["commit_p95_ms"] = round(times[int(0.95 * COMMITS) - 1], 2)

        path = store.repository.path
        started = time.perf_counter()
        writers = [
            subprocess.Popen([sys.executable, __file__, "--writer", str(path), str(2 * LEAVES + number * EACH)])
            for number in range(AT_ONCE)
        ]
        failed = sum(writer.wait() != 0 for writer in writers)
        results["processes_ms_each"] = round((time.perf_counter() - started) * 1000 / (AT_ONCE * EACH), 2)
        head = store.head() or ""
        with timed(results, "snapshot_ms"):
            there = len(list(store.snapshot(head)))
        results["lost"] = LEAVES + COMMITS + AT_ONCE * EACH - there
        count = ["git", "-C", str(path), "rev-list", "--count", "main"]
        made = int(subprocess.run(count, check=True, capture_output=True, text=True).stdout) - 1 - COMMITS
        results["commits_of_processes"] = made
        fsck = ["git", "-C", str(path), "fsck", "--strict", "--full", "--no-dangling"]
        told = subprocess.run(fsck, check=False, capture_output=True, text=True)
        results["fsck_clean"] = told.returncode == 0 and not told.stdout + told.stderr
        (store.repository.path / CACHE_FILE).unlink(missing_ok=True)
        with timed(results, "identities_from_nothing_ms"):
            store.leaf_ids(head)
        put(store, 4 * LEAVES)
        with timed(results, "identities_after_one_commit_ms"):
            store.leaf_ids(store.head() or "")
        with timed(results, "changes_of_one_commit_ms"):
            assert len(store.changes(head, store.head() or "")) == 1
        with timed(results, "blame_ms"):
            blame(store, place(4 * LEAVES))
        with timed(results, "repack_ms"):
            results["repacked_from"] = maintain(store.repository, always=True).before.loose
        results["worktree_commit_median_ms"] = round(through_a_worktree(store, Path(folder) / "clone"), 1)
    median = results["commit_median_ms"]
    assert isinstance(median, float)
    results["ok"] = bool(
        median <= LIMIT_MS
        and results["lost"] == failed == 0
        and results["commits_of_processes"] == AT_ONCE * EACH
        and results["fsck_clean"]
    )
    print(json.dumps(results))
    return 0 if results["ok"] else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--writer"]:
        write_from(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.exit(main())
