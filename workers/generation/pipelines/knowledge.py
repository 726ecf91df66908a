"""Knowledge: a piece of a document, a question that it answers, the answer, the judge.

Half of the rows get a long answer (tuning phase "knowledge, long answers"). A teacher that follows instructions is
asked for one. One that continues texts is not up to it: its long answers are taken from the document, where they
cannot be wrong.
"""

from __future__ import annotations

from workers.generation.asking import Chat
from workers.generation.documents import sentences
from workers.generation.filters.grounding import supported_share
from workers.generation.near_duplicates import folded, shingles, similarity
from workers.generation.pipelines.making import Making

# A sentence supports an answer when this share of the answer's and of the question's words is in it.
LEAST_SUPPORT = 0.4


async def make_knowledge(making: Making) -> None:
    """Question → answer → judge, about one piece of a document."""
    row, style, target = making.row, making.style, making.row.plan.target
    row.source = target.text if target is not None else ""
    row.around = f"{target.heading} {target.paragraph}" if target is not None else ""
    making.begin("question")
    row.question = await style.question(row)
    making.check("question")
    making.begin("answer")
    long = row.plan.length == "long"
    if long and target is not None and target.paragraph:
        # The question was asked about these very sentences: they are its answer, in the document's own words.
        row.answer, row.length, row.confidence = " ".join(row.source.split()), "long", None
        making.check("answer")
        making.skip("judge")
        return
    row.answer = await style.answer(row)
    making.check("answer")
    await making.judged()
    if long:
        extended = row.answer if isinstance(style, Chat) else long_answer(row.source, row.question, row.answer)
        if extended is not None:
            row.answer, row.length = extended, "long"


def long_answer(source: str, question: str, answer: str) -> str | None:
    """The answer and the sentence of the source that says it; that sentence and the next where it is the answer.

    None where no sentence of the source supports the answer.
    """
    found = sentences(source)
    best, place = 0.0, -1
    for number, sentence in enumerate(found):
        # The answer's own words must be there; the question's decide between sentences that have them.
        own = supported_share(f"{answer} {answer} {answer}", sentence) or 0.0
        both = supported_share(f"{answer} {question}", sentence) or 0.0
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
