"""How long checking takes: one leaf as its author types, and a taxonomy from the shell beside the public parser.

Prints one JSON line. Must: a leaf of 100 seeds within 20 ms of one core (95th percentile); 1,000 real leaves from the
shell at least 20 times faster than the public parser takes for the same files.

A check of one leaf reads nothing and waits for nothing, so processor time is what it takes; the time on the clock
stands beside it and is longer on a machine that is busy. The two programs are compared by the processor time of
all their processes, for neither waits for anything else; what the clock says stands beside it. The public parser gets
every tenth of the files, because it starts a linter for each.

The leaves are the public ones where ``SEEDBED_SHARED_DATA`` (or a folder ``shared`` beside the checkout) has them, the
starter's otherwise, written again and again into folders of their own until there are 1,000.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from taxonomy_repo.checks import check_leaf
from taxonomy_repo.leaf import Leaf, SeedExample, read_leaf, write_leaf
from taxonomy_repo.starter import FOLDER as STARTER

PROJECT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("SEEDBED_SHARED_DATA") or PROJECT.parent / "shared" / "data")
SEEDS, ROUNDS, LIMIT_MS = 100, 100, 20.0
LEAVES, TENTH, LEAST_TIMES = 1_000, 10, 20.0
PLACE = "compositional_skills/writing/long"
ATTRIBUTION = b"Title of work: Long\nLicense of the work: Apache-2.0\nCreator names: Ann\n"
PUBLIC_PROGRAM = """\
import sys, time
from instructlab.schema.taxonomy import TaxonomyParser
started = time.perf_counter()
parser = TaxonomyParser(schema_version=0, message_format="standard", yamllint_strict=True)
for file in sys.stdin.read().split("\\0"):
    try:
        parser.parse(file)
    except Exception:
        pass  # it raises where YAML cannot be read, and has taken its time
"""


def long_leaf() -> bytes:
    """A leaf as people write them: a context of several lines, some quotes, 60 words a seed, none like another."""
    words = sorted({word for file in STARTER.rglob("qna.yaml") for word in words_of(file)})
    choose = random.Random(20240304)

    def sentence(count: int) -> str:
        return " ".join(choose.choices(words, k=count)).capitalize()

    seeds = tuple(
        SeedExample(
            question=f"Report {number}: {sentence(12)}?",
            answer=f"In report {number} it is this: {sentence(20)}.",
            context=f"{sentence(14)}.\n{sentence(12)}.\nThis is report number {number}.\n",
        )
        for number in range(SEEDS)
    )
    return write_leaf(Leaf(3, "ann", "Answer a question about a short report.", seeds))


def words_of(file: Path) -> list[str]:
    leaf = read_leaf(file.read_bytes()).leaf
    pairs = leaf.pairs() if leaf is not None else ()
    return [word for pair in pairs for word in f"{pair.question} {pair.answer}".split() if word.isalpha()]


def milliseconds(work: Callable[[], object], rounds: int) -> tuple[list[float], list[float]]:
    """Sorted times of each round, on the clock and on the processor."""
    clock, processor = [], []
    for _ in range(rounds):
        started, used = time.perf_counter(), time.process_time()
        work()
        processor.append((time.process_time() - used) * 1000)
        clock.append((time.perf_counter() - started) * 1000)
    return sorted(clock), sorted(processor)


def real_leaves() -> tuple[str, list[tuple[str, Path]]]:
    """What the leaves are, and each leaf's place in its taxonomy with its folder."""
    taxonomies = sorted(path for path in (SHARED / "taxonomies").glob("*") if path.is_dir())
    samples = (
        [
            (entry["path"].removesuffix("/qna.yaml"), file.parent)
            for entry in json.loads(index.read_text(encoding="utf-8"))
            for file in sorted((index.parent / entry["category"] / f"pr{entry['pr']:04d}").rglob("qna.yaml"))
            if entry["path"].endswith("/qna.yaml")
        ]
        if (index := SHARED / "qna-samples" / "index.json").exists()
        else []
    )
    found = [
        (file.parent.relative_to(root).as_posix(), file.parent)
        for root in taxonomies or [STARTER]
        for file in sorted(root.rglob("qna.yaml"))
    ]
    return ("public" if taxonomies else "starter"), [*found, *samples]


def write_leaves(folder: Path, leaves: list[tuple[str, Path]]) -> list[Path]:
    """The leaves over and over until there are ``LEAVES``, each copy in a place of its own."""
    files = []
    for number, (place, source) in zip(range(LEAVES), itertools.cycle(leaves), strict=False):
        branch, _, rest = place.partition("/")
        target = folder / branch / f"copy_{number}" / rest
        shutil.copytree(source, target)
        files.append(target / "qna.yaml")
    return files


def seconds_of(command: list[str], *, given: str = "") -> tuple[float, float]:
    """How long a program takes from its start to its end: on the clock, and of the processor, with all it starts."""
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        command,
        input=given,
        text=True,
        cwd=PROJECT,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, used


def main() -> int:
    data = long_leaf()
    assert check_leaf(data, PLACE, ATTRIBUTION) == []  # warm: modules and registry are loaded
    clock, processor = milliseconds(lambda: check_leaf(data, PLACE, ATTRIBUTION), ROUNDS)
    kind, leaves = real_leaves()
    with tempfile.TemporaryDirectory() as folder:
        files = write_leaves(Path(folder), leaves)
        ours = [seconds_of([sys.executable, "-m", "taxonomy_repo", "check", "--format", "json", folder])]
        some = files[::TENTH]
        public = seconds_of([sys.executable, "-c", PUBLIC_PROGRAM], given="\0".join(map(str, some)))
        ours.append(seconds_of([sys.executable, "-m", "taxonomy_repo", "check", "--format", "json", folder]))
    at = int(0.95 * ROUNDS) - 1
    ours_clock, ours_used = (statistics.mean(one) for one in zip(*ours, strict=True))
    share = len(files) / len(some)
    times = public[1] * share / ours_used
    result = {
        "benchmark": "taxonomy_check",
        "seeds": SEEDS,
        "bytes": len(data),
        "processor_median_ms": round(statistics.median(processor), 2),
        "processor_p95_ms": round(processor[at], 2),
        "limit_ms": LIMIT_MS,
        "clock_median_ms": round(statistics.median(clock), 2),
        "leaves": len(files),
        "leaves_are": kind,
        "processor_seconds": round(ours_used, 2),
        "clock_seconds": round(ours_clock, 2),
        "public_parser_leaves": len(some),
        "public_parser_processor_seconds": round(public[1], 2),
        "public_parser_clock_seconds": round(public[0], 2),
        "times_faster": round(times, 1),
        "times_faster_on_the_clock": round(public[0] * share / ours_clock, 1),
        "least_times": LEAST_TIMES,
        "ok": processor[at] <= LIMIT_MS and times >= LEAST_TIMES,
    }
    print(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
