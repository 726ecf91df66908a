"""Long answers for a teacher that continues texts: taken from the document, where they cannot be wrong."""

from __future__ import annotations

from workers.generation.blocks.making import Making
from workers.generation.documents import sentences
from workers.generation.filters.grounding import supported_share
from workers.generation.near_duplicates import folded, shingles, similarity
from workers.pipelines.shape import LengthenBlock


async def lengthen(making: Making, block: LengthenBlock) -> None:
    """Complete the answer of a row that is to be long and is not; it stays short where no sentence supports it."""
    row = making.row
    if row.plan.length != "long" or row.length == "long":
        return
    extended = long_answer(row.source, row.question, row.answer, block.least_support)
    if extended is not None:
        row.answer, row.length = extended, "long"


def long_answer(source: str, question: str, answer: str, least_support: float = 0.4) -> str | None:
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
    if place < 0 or best < 2 * least_support:
        return None
    said = found[place]
    end = answer if answer.rstrip("\"'”’").endswith((".", "!", "?")) else f"{answer}."
    same = similarity(shingles(answer), shingles(said)) >= 0.6 or (folded(answer) in folded(said) and len(answer) > 60)
    if not same:
        return f"{end} {said}"
    following = found[place + 1] if place + 1 < len(found) else None
    return f"{said} {following}" if following else None
