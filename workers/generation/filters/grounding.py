"""Answers that bring in what their document does not have: names, numbers, and most of their words."""

from __future__ import annotations

import functools
import re
from pathlib import Path

from workers.generation.filters import LeafMemory
from workers.generation.rows import Dropped, Row
from workers.pipelines.shape import GroundingNumbers, Step
from workers.specs import LeafKind

_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’-][^\W\d_]+)*")
_UNITS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
_TENS = ("thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_UNITS)} | {
    word: str(10 * value) for value, word in enumerate(_TENS, 3)
}
# As words these are hardly ever meant as numbers.
_VAGUE = frozenset({"zero", "one"})
# English words that are no names and carry no content of their own, one a line.
_COMMON = frozenset(
    line.strip()
    for line in Path(__file__).with_name("common_words.txt").read_text(encoding="utf-8").splitlines()
    if line.strip() and not line.startswith("#")
)
# An answer of fewer content words than this is judged by its names and numbers only.
LEAST_WORDS = 3


class Grounding:
    """A name or number found neither in the document (or text) nor in the question, or words mostly from elsewhere.

    For knowledge the question itself must hold to the document too: one about another subject teaches nothing of it.
    """

    name = "grounding"
    steps: frozenset[Step] = frozenset({"question", "answer"})
    alone = True

    def __init__(self, numbers: GroundingNumbers | None = None) -> None:
        self.numbers = numbers or GroundingNumbers()

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        if not row.source or row.leaf.kind is LeafKind.FREEFORM:
            return
        leaf = row.leaf
        around = " ".join((row.around, leaf.document_outline, leaf.domain, leaf.task_description))
        if step == "question":
            if leaf.kind is LeafKind.KNOWLEDGE:
                self._names_and_numbers(row.question, f"{row.source} {around}", "question")
            return
        known = f"{row.source} {row.around} {row.question}"
        self._names_and_numbers(row.answer, f"{known} {around}", "answer")
        if leaf.kind is LeafKind.KNOWLEDGE:
            support = supported_share(row.answer, known)
            if support is not None:
                row.scores["support"] = support
                if support < self.numbers.least_support:
                    raise Dropped(self.name, "Most of the answer's words are not in the document.", support)

    def _names_and_numbers(self, text: str, known: str, what: str) -> None:
        for term in unknown_terms(text, known):
            raise Dropped(self.name, f"The {what} says {term!r}, which neither the document nor the question has.")


def unknown_terms(text: str, known: str) -> list[str]:
    """Names and numbers of ``text`` that ``known`` has not, in order.

    A name is a capitalised word that does not begin a sentence, or that does in a text of three words or fewer.
    Numbers are compared as digits without separators; number words count as their numbers.
    """
    have = {_normal(token) for token in _TOKEN.findall(known)}
    have |= {part for token in list(have) for part in re.split(r"['’-]", token)}
    stems = {word_stem(token) for token in have}
    tokens = list(_TOKEN.finditer(text))
    short = len(tokens) <= 3
    found: list[str] = []
    for match in tokens:
        token = match[0]
        normal = _normal(token)
        if normal[0].isdigit():
            if normal not in have and token.lower() not in _VAGUE:
                found.append(token)
            continue
        # Ordinary words do not count; names written with a hyphen count by their parts.
        if not token[0].isupper() or normal in _COMMON or len(token) == 1:
            continue
        if not short and _begins_sentence(text, match.start()):
            continue
        parts = [part for part in re.split(r"['’-]", normal) if len(part) > 1]
        if normal not in have and not all(part in have or word_stem(part) in stems for part in parts):
            found.append(token)
    return found


def supported_share(text: str, known: str) -> float | None:
    """The share of a text's content words whose stem is in ``known``; None for fewer than three such words."""
    stems = word_stems(known)
    content = content_words(text)
    if len(content) < LEAST_WORDS:
        return None
    return sum(word_stem(word) in stems for word in content) / len(content)


def content_words(text: str) -> list[str]:
    """The words that carry content, in order, folded."""
    words = [_normal(token) for token in _TOKEN.findall(text)]
    return [word for word in words if word not in _COMMON and (len(word) > 2 or word.isdigit())]


# Examples and sources come again in row after row.
@functools.lru_cache(maxsize=1024)
def word_stems(text: str) -> frozenset[str]:
    """Stems of all words of a text."""
    return frozenset(word_stem(_normal(token)) for token in _TOKEN.findall(text))


def _normal(token: str) -> str:
    word = token.casefold()
    if word[0].isdigit():
        return re.sub(r"[.,](?=\d{3}(?:\D|$))", "", word)
    return _NUMBER_WORDS.get(word, re.sub(r"['’]s$", "", word))


def word_stem(word: str) -> str:
    """Enough of a word to see that two forms are of one: English endings change its end only."""
    return word[:5] if len(word) > 5 else re.sub(r"(?<=\w\w)(?:s|es|ed)$", "", word)


def _begins_sentence(text: str, position: int) -> bool:
    before = text[:position].rstrip(" \t\"'“‘([*-•")
    return not before or before[-1] in ".!?:\n…"
