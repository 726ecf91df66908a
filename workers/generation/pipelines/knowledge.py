"""Knowledge: a chunk of a document, a question that it answers, the answer, the judge.

Half of the rows get a long answer (tuning phase "knowledge, long answers"). A teacher that follows instructions is
asked for one; a small one that continues texts is not up to it, so the long answer is put together from what it said
and the sentences of the document that say it: an extract, grounded by its making.
"""

from __future__ import annotations

from workers.generation.asking import Chat
from workers.generation.documents import sentences
from workers.generation.filters.grounding import supported_share
from workers.generation.near_duplicates import folded, shingles, similarity
from workers.generation.pipelines.making import Making

# A sentence supports an answer when this share of the answer's and the question's words is in it.
LEAST_SUPPORT = 0.4


async def make_knowledge(making: Making) -> None:
    """Question → answer → judge, about one chunk."""
    row, style = making.row, making.style
    row.source = row.plan.target.text if row.plan.target is not None else ""
    making.begin("question")
    row.question = await style.question(row)
    making.check("question")
    making.begin("answer")
    row.answer = await style.answer(row)
    making.check("answer")
    await making.judged()
    if row.plan.length == "long":
        extended = row.answer if isinstance(style, Chat) else long_answer(row.source, row.question, row.answer)
        if extended is not None:
            row.answer, row.length = extended, "long"


def long_answer(source: str, question: str, answer: str) -> str | None:
    """The answer and the sentence of the source that says it; that sentence and the next where it is the answer.

    None where no sentence of the source supports the answer.
    """
    found = sentences(source)
    about = f"{answer} {question}"
    best, place = 0.0, -1
    for number, sentence in enumerate(found):
        # The answer's own words must be there; the question's decide between sentences that have them.
        own = supported_share(f"{answer} {answer} {answer}", sentence) or 0.0
        both = supported_share(about, sentence) or 0.0
        if own + both > best:
            best, place = own + both, number
    if place < 0 or best < 2 * LEAST_SUPPORT:
        return None
    said = found[place]
    end = answer if answer.rstrip("\"'”’").endswith((".", "!", "?")) else f"{answer}."
    same = similarity(shingles(answer), shingles(said)) >= 0.6 or (folded(answer) in folded(said) and len(answer) > 60)
    if not same:
        return f"{end} {said}"
    following = found[place + 1] if place + 1 < len(found) else None
    return f"{said} {following}" if following else None
