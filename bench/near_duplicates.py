"""Near-duplicates among 50,000 seeds, some of them planted. Prints one JSON line.

Must: every planted pair found, within 10 s of one core and 400 MB for the whole process.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from taxonomy_repo.leaf import read_leaf
from taxonomy_repo.near_duplicates import near_duplicates, seed_text
from taxonomy_repo.starter import FOLDER as STARTER

SEEDS, PLANTED = 50_000, 500
LIMIT_SECONDS, LIMIT_MEGABYTES = 10.0, 400.0
WORDS_CHANGED = 0.6


def texts() -> list[str]:
    """Seeds of the starter with most of their words changed, so that they share turns of phrase as real ones do."""
    leaves = [read_leaf(file.read_bytes()).leaf for file in sorted(STARTER.rglob("qna.yaml"))]
    seeds = [seed_text(seed) for leaf in leaves if leaf is not None for seed in leaf.seed_examples]
    words = sorted({word for text in seeds for word in text.split()})
    choose = random.Random(20240304)

    def variation() -> str:
        said = " ".join(choose.choices(seeds, k=4)).split()[:50]
        return " ".join(choose.choice(words) if choose.random() < WORDS_CHANGED else word for word in said)

    made = [variation() for _ in range(SEEDS - PLANTED)]
    for number in range(PLANTED):
        # A copy with one word exchanged, far from what it was copied from.
        copied = made[number * 7].split()
        copied[choose.randrange(len(copied))] = "otherwise"
        made.append(" ".join(copied))
    return made


def main() -> int:
    given = texts()
    started, used = time.perf_counter(), time.process_time()
    pairs = near_duplicates(given)
    processor, clock = time.process_time() - used, time.perf_counter() - started
    found = {(pair.first, pair.second) for pair in pairs}
    planted = [(number * 7, SEEDS - PLANTED + number) for number in range(PLANTED)]
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    missed = sum(pair not in found for pair in planted)
    result = {
        "benchmark": "near_duplicates",
        "seeds": len(given),
        "characters_mean": round(sum(map(len, given)) / len(given)),
        "processor_seconds": round(processor, 2),
        "limit_seconds": LIMIT_SECONDS,
        "clock_seconds": round(clock, 2),
        "megabytes": round(megabytes),
        "limit_megabytes": LIMIT_MEGABYTES,
        "pairs": len(pairs),
        "planted": PLANTED,
        "planted_missed": missed,
        "ok": processor <= LIMIT_SECONDS and megabytes <= LIMIT_MEGABYTES and missed == 0,
    }
    print(json.dumps(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
