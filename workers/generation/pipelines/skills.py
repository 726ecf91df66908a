"""Skills. Grounded: a new text, a question about it, the answer, the judge. Freeform: the same without a text."""

from __future__ import annotations

from workers.generation.pipelines.making import Making


async def make_grounded(making: Making) -> None:
    """Context → question → answer → judge."""
    row, style = making.row, making.style
    making.begin("context")
    row.context = await style.context(row)
    row.source = row.context
    making.check("context")
    await _question_and_answer(making)


async def make_freeform(making: Making) -> None:
    """Question → answer → judge."""
    await _question_and_answer(making)


async def _question_and_answer(making: Making) -> None:
    row, style = making.row, making.style
    making.begin("question")
    row.question = await style.question(row)
    making.check("question")
    making.begin("answer")
    row.answer = await style.answer(row)
    making.check("answer")
    # The skills phase has one mixture; the mark is by what the answer is.
    row.length = "long" if len(row.answer.split()) > 40 else "short"
    await making.judged()
