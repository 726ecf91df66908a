"""Nothing of a benchmark is taught."""

from __future__ import annotations

from tests.workers.generation.filters.rows import a_row, memory_of, reason
from tests.workers.generation.leaves import freeform_leaf
from workers.generation.filters.contamination import MOST_ITEMS, Benchmark, runs_of_items, word_runs

ITEM = "Which of these changes causes day and night on the planet Earth?"


def test_a_row_with_a_run_of_a_benchmarks_words_is_dropped() -> None:
    memory = memory_of(freeform_leaf(), benchmarks=runs_of_items([ITEM]))
    held = a_row(freeform_leaf(), question="Say: which of these changes causes day and night on the planet, and why?")
    free = a_row(freeform_leaf(), question="Write a line about day and night.")
    assert reason(Benchmark(), held, "question", memory)
    assert reason(Benchmark(), free, "question", memory) is None


def test_a_short_item_counts_as_a_whole() -> None:
    assert word_runs("What is a noun?") == {"what is a noun"}
    assert word_runs("Why so?") == set()


def test_a_manner_of_asking_is_no_item() -> None:
    manner = "which of the following is the best example of"
    items = [f"{manner} {word}?" for word in ("irony", "erosion", "symbiosis", "inertia")]
    assert manner not in runs_of_items(items)
    assert manner in runs_of_items(items[:MOST_ITEMS])
    assert word_runs(items[0]) & runs_of_items(items), "the item itself is still known"
