"""Rows that hold pieces of a benchmark: a model tuned on them would be scored on what it was shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from workers.generation.filters import LeafMemory
from workers.generation.near_duplicates import folded
from workers.generation.rows import Dropped, Row, user_text
from workers.pipelines.shape import Step

# The length of a run of words that hardly occurs twice by chance (GPT-3's cleaning used 13; short items need less).
RUN_WORDS = 9


# A run that so many items of benchmarks share is a manner of asking ("which of the following is an example of a").
MOST_ITEMS = 3


def word_runs(text: str, length: int = RUN_WORDS) -> set[str]:
    """All runs of ``length`` words of a text; a shorter one (of four words or more) counts as one run."""
    words = folded(text).split()
    if 4 <= len(words) < length:
        return {" ".join(words)}
    return {" ".join(words[i : i + length]) for i in range(len(words) - length + 1)}


def runs_of_items(texts: Iterable[str]) -> frozenset[str]:
    """The runs of words by which an item of a benchmark is known, out of all items' texts."""
    counts = Counter(run for text in texts for run in word_runs(text))
    return frozenset(run for run, count in counts.items() if count <= MOST_ITEMS)


class Benchmark:
    """The row shares a run of words with an item of a benchmark that this installation can score on."""

    name = "benchmark"
    steps: frozenset[Step] = frozenset({"question", "answer"})
    alone = False

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        if not memory.benchmarks:
            return
        text = user_text(row.question, row.context) if step == "question" else row.answer
        if word_runs(text) & memory.benchmarks:
            raise Dropped(self.name, "It shares a run of words with an item of a benchmark.")
