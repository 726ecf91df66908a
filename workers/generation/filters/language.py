"""Rows in another language than the leaf's: large models drift into the one they saw most.

What language a leaf is in is told by its own seeds and documents, so that no list of languages is needed: first by the
scripts of their letters, then, where the script is the same, by the small words that every text is full of.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

from workers.generation.filters import LeafLanguage, LeafMemory
from workers.generation.near_duplicates import folded
from workers.generation.rows import Dropped, Row
from workers.pipelines.shape import LanguageNumbers, Step

# A text of fewer words than this says too little about its language.
LEAST_WORDS = 12
# A leaf with fewer words of its own than this has no small words that could be relied on.
LEAST_LEAF_WORDS = 150
SMALL_WORDS = 40


@lru_cache(maxsize=65_536)
def script_of(letter: str) -> str:
    """LATIN, CYRILLIC, CJK …: the first word of a letter's Unicode name; empty for what is no letter."""
    if not letter.isalpha():
        return ""
    return unicodedata.name(letter, "").split(" ", 1)[0].split("-", 1)[0]


def leaf_language(texts: Iterable[str]) -> LeafLanguage:
    """The language of a leaf, from its seeds and documents."""
    scripts: set[str] = set()
    words: Counter[str] = Counter()
    for text in texts:
        scripts.update(script_of(letter) for letter in set(text))
        words.update(word for word in folded(text).split() if word.isalpha())
    small = frozenset(word for word, _ in words.most_common(SMALL_WORDS)) if words.total() >= LEAST_LEAF_WORDS else ()
    return LeafLanguage(frozenset(scripts - {""}), frozenset(small))


class Language:
    """Letters of a script, or words of a language, that none of the leaf's own texts is written in.

    Some letters may be foreign: those of names and quotations are. Of ordinary prose about a third are its language's
    forty commonest words, of another language's next to none. Tables and lists have few as well: a leaf whose seeds
    are such sets the filter aside.
    """

    name = "language"
    steps: frozenset[Step] = frozenset({"context", "question", "answer"})
    alone = True

    def __init__(self, numbers: LanguageNumbers | None = None) -> None:
        self.numbers = numbers or LanguageNumbers()

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        text = {"context": row.context or "", "question": row.question, "answer": row.answer}[step]
        known = memory.language
        scripts: Counter[str] = Counter()
        for letter, count in Counter(text).items():
            if script := script_of(letter):
                scripts[script] += count
        if scripts and known.scripts:
            foreign = sum(count for script, count in scripts.items() if script not in known.scripts) / scripts.total()
            if foreign > self.numbers.most_foreign_letters:
                raise Dropped(self.name, f"The {step} is in a script that the leaf does not use.", foreign)
        words = [word for word in folded(text).split() if word.isalpha()]
        if len(words) >= LEAST_WORDS and known.small_words:
            small = sum(word in known.small_words for word in words) / len(words)
            if small < self.numbers.least_small_words:
                raise Dropped(self.name, f"The {step} has hardly any of the leaf's common words.", small)
