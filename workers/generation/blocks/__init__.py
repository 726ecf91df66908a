"""Blocks: the steps by which a row comes to be. A pipeline's file says which of them run, in which order, with what.

A new block is a function that takes a :class:`Making` and its block of the file, added to ``BLOCKS``; its keys are a
class in ``workers.pipelines.shape``. Foundational leaves need none: their samples are the pairs they came with.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from workers.generation.blocks.judging import judge
from workers.generation.blocks.lengthening import lengthen
from workers.generation.blocks.making import Making
from workers.generation.blocks.writing import answer, auxiliary, context, question
from workers.pipelines.shape import AUXILIARY, Block

# The second argument of each is its own class of workers.pipelines.shape.
BLOCKS: dict[str, Callable[[Making, Any], Awaitable[None]]] = {
    "context": context,
    "question": question,
    "answer": answer,
    "judge": judge,
    "lengthen": lengthen,
    **dict.fromkeys(AUXILIARY, auxiliary),
}


async def make_row(making: Making, blocks: Sequence[Block]) -> None:
    """Take one row through the blocks, in order.

    Raises:
        Dropped: a filter or the judge objects.
    """
    row, target = making.row, making.row.plan.target
    if target is not None:
        row.source = target.text
        row.around = f"{target.heading} {target.paragraph}"
    for block in blocks:
        await BLOCKS[block.block](making, block)


__all__ = ["BLOCKS", "Making", "make_row"]
