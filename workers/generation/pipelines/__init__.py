"""Pipelines: how a row of each kind of leaf comes to be, step by step.

A new pipeline is a function that takes a :class:`Making` and is added to ``PIPELINES``; each step asks the teacher and
then hands the row to the filters. Foundational leaves need none: their samples are the pairs they came with.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from workers.generation.pipelines.knowledge import make_knowledge
from workers.generation.pipelines.making import Making
from workers.generation.pipelines.skills import make_freeform, make_grounded
from workers.specs import LeafKind

PIPELINES: dict[LeafKind, Callable[[Making], Awaitable[None]]] = {
    LeafKind.KNOWLEDGE: make_knowledge,
    LeafKind.GROUNDED: make_grounded,
    LeafKind.FREEFORM: make_freeform,
}

__all__ = ["PIPELINES", "Making"]
