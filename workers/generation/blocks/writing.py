"""What the teacher writes, one text a block: a new context, a question, an answer; filters look at each."""

from __future__ import annotations

from workers.generation.blocks.making import Making
from workers.pipelines.shape import AnswerBlock, AuxiliaryBlock, ContextBlock, QuestionBlock
from workers.specs import LeafKind

# The skills phase has one mixture; the mark is by what the answer is.
LONG_SKILL_WORDS = 40


async def context(making: Making, block: ContextBlock) -> None:
    """A new text: part of the sample, and what its answer must agree with."""
    row = making.row
    making.begin("context")
    row.context = await making.style.context(row, block)
    row.source = row.context
    making.check("context")


async def question(making: Making, block: QuestionBlock) -> None:
    row = making.row
    making.begin("question")
    row.question = await making.style.question(row, block)
    making.check("question")


async def auxiliary(making: Making, block: AuxiliaryBlock) -> None:
    """A summary, the key facts or an extract of a whole passage: the passage is part of the sample, the answer long."""
    row = making.row
    making.begin(block.block)
    row.context, row.question, row.length = row.source, row.plan.opening, "long"
    row.answer = await making.style.auxiliary(row, block)
    making.check(block.block, part="answer")


async def answer(making: Making, block: AnswerBlock) -> None:
    """The answer. Half of the knowledge rows get a long one (tuning phase "knowledge, long answers").

    A teacher that follows instructions is asked for it. Where the question was asked about single sentences, they are
    its long answer, in the document's own words: nothing is asked, and nothing needs judging.
    """
    row, target = making.row, making.row.plan.target
    making.begin("answer")
    knowledge = row.leaf.kind is LeafKind.KNOWLEDGE
    long = knowledge and row.plan.length == "long"
    if long and target is not None and target.paragraph:
        row.answer, row.length, row.confidence = " ".join(row.source.split()), "long", None
        making.quoted = True
        making.check("answer")
        return
    row.answer = await making.style.answer(row, block)
    making.check("answer")
    if knowledge:
        row.length = "long" if long and making.style.follows_instructions else "short"
    else:
        row.length = "long" if len(row.answer.split()) > LONG_SKILL_WORDS else "short"
