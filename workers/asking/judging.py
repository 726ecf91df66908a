"""When the page may say that the model knows an answer already: two rules, both on what was measured.

``word_for_word``: reading the contributor's answer token by token after the question, the student's likeliest next
token is the contributor's at nine of ten places, and none of them has a probability under a tenth. A fact that the
student does not know shows as one unlikely word among many likely ones, so the least likely one counts.

``says_it``: the student's own answer holds the contributor's, word after word (signs and letter case aside). Of one
short word (yes, no, 4) that would be chance: it must then be all that the student answers.

Both ask for more than a reader would. Where neither holds nothing is claimed: the reader compares.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from workers.asking.specs import AnswerReading

AGREED_SHARE = 0.9
LEAST_PROBABILITY = 0.1
_SHORT_WORD = 4

_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """The words of a text without signs and letter case."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def known_by(reading: AnswerReading | None, *, wanted: str, given: str) -> Literal["", "word_for_word", "says_it"]:
    """Which rule says that the student knows ``wanted`` already, having answered ``given`` itself."""
    if (
        reading is not None
        and reading.agreed >= AGREED_SHARE * reading.tokens
        and reading.surprise_probability >= LEAST_PROBABILITY
    ):
        return "word_for_word"
    mine, theirs = words_of(wanted), words_of(given)
    if not mine:
        return ""
    if len(mine) == 1 and len(mine[0]) < _SHORT_WORD:
        return "says_it" if mine == theirs else ""
    holds = any(theirs[at : at + len(mine)] == mine for at in range(len(theirs) - len(mine) + 1))
    return "says_it" if holds else ""
