"""Rows for tests of filters."""

from __future__ import annotations

from typing import Any

from tests.workers.generation.leaves import recipe
from workers.generation.filters import Filter, LeafMemory, held_out_index, new_memory
from workers.generation.rows import Dropped, ExampleGroup, Row, RowPlan
from workers.pipelines.shape import Step
from workers.specs import PlannedLeaf


def a_row(leaf: PlannedLeaf, **values: Any) -> Row:
    """A row that was shown the leaf's first two seeds."""
    examples = tuple(ExampleGroup(seed.context, (seed,)) for seed in leaf.seeds[:2])
    plan = RowPlan(0, 0, examples, None, (), "", "", "precise", "short", 0)
    return Row(leaf, plan, **values)


def memory_of(leaf: PlannedLeaf, **values: Any) -> LeafMemory:
    return new_memory(leaf, recipe(), held_out=held_out_index([leaf]), **values)


def reason(rule: Filter, row: Row, step: Step, memory: LeafMemory | None = None) -> str | None:
    """Why ``rule`` drops the row, or None."""
    dropped: Dropped | None = None
    try:
        rule.check(row, step, memory or memory_of(row.leaf))
    except Dropped as drop:
        dropped = drop
    assert dropped is None or dropped.filter == rule.name
    return dropped.reason if dropped else None
