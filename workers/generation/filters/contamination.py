"""Rows that hold pieces of a benchmark: a model tuned on them would be scored on what it was shown."""

from __future__ import annotations

from collections.abc import Iterable

from workers.generation.filters import LeafMemory
from workers.generation.near_duplicates import folded
from workers.generation.rows import Dropped, Row, Step, user_text

# The length of a run of words that hardly occurs twice by chance (GPT-3's cleaning used 13; short items need less).
RUN_WORDS = 9


def word_runs(texts: Iterable[str], length: int = RUN_WORDS) -> frozenset[str]:
    """All runs of ``length`` words of the texts; a shorter text (of four words or more) counts as one run."""
    runs: set[str] = set()
    for text in texts:
        words = folded(text).split()
        if 4 <= len(words) < length:
            runs.add(" ".join(words))
        runs.update(" ".join(words[i : i + length]) for i in range(len(words) - length + 1))
    return frozenset(runs)


class Benchmark:
    """The row shares a run of words with an item of a benchmark of this round."""

    name = "benchmark"
    steps: frozenset[Step] = frozenset({"question", "answer"})
    alone = False

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        if not memory.benchmarks:
            return
        text = user_text(row.question, row.context) if step == "question" else row.answer
        if word_runs([text]) & memory.benchmarks:
            raise Dropped(self.name, "It shares a run of words with an item of a benchmark.")
