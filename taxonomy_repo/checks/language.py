"""Seeds in another language than the rest of their leaf.

A leaf says its language by being written in it. What is judged is only what is plain: the script that letters belong
to, and for the Latin script the small words that each language uses all the time. Texts too short to tell are left out,
and so is a leaf whose texts are mixed throughout, such as one that translates.
"""

from __future__ import annotations

import re
import struct
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import repeat

from taxonomy_repo.checks.registry import GOOD_SKILL, Check, Example, Subject, register
from taxonomy_repo.checks.texts import seed_texts
from taxonomy_repo.problem import Problem

# So many texts of one kind (questions, answers, contexts), and this part of them in one language, make it the leaf's.
LEAST_TEXTS, LEAST_PART = 4, 0.7
LEAST_LETTERS, LEAST_SMALL_WORDS = 12, 3
# What is looked at of a text: its language shows soon.
MOST_CHARACTERS = 600

_SMALL_WORDS = {
    "English": "the of and to in is that it for was on are as with at this have from by not be which or what how you",
    "German": "der die das und ist in den von zu mit sich des auf für nicht ein eine dem es im auch wie was wird sind",
    "French": "le la les de des et est un une dans que qui pour pas sur au aux avec ce cette du elle quel quelle sont",
    "Spanish": "el la los las de y en que es un una por con para del se no lo al como más qué cuál su son está",
    "Italian": "il la le gli di e che è un una per con del della non sono si in al come più cosa qual dei alla",
    "Portuguese": "o a os as de e que é um uma para com não do da em no na se por mais como dos das qual são",
    "Dutch": "de het een en van is in op te dat die voor met zijn niet aan er wat hoe als ook bij naar wordt",
    "Polish": "i w na z się nie to jest do że o jak co od dla przez po są czy lub który która",
    "Swedish": "och i att det som en på är av för med den till inte om ett har de vad hur kan från",
    "Turkish": "ve bir bu da de için ile ne olarak çok daha en mi var gibi olan nasıl kadar değil",
}
_LANGUAGES = tuple(_SMALL_WORDS)
# Each small word's votes as one number with 16 bits for each language, so that those of a text are one sum.
_VOTES: dict[str, int] = {}
for _place, _words in enumerate(_SMALL_WORDS.values()):
    for _word in set(_words.split()):
        _VOTES[_word] = _VOTES.get(_word, 0) + (1 << 16 * _place)
_COUNTS = struct.Struct(f"<{len(_LANGUAGES)}H")
_WORD = re.compile(r"[^\W\d_]+")
# ASCII letters made small, everything else a space.
_ASCII_WORDS = bytes(ord(chr(code).lower()) if code < 128 and chr(code).isalpha() else 32 for code in range(256))
_NOT_ASCII_LETTERS = re.compile(r"[^\W\d_a-zA-Z]")
_SCRIPTS = {
    "LATIN": "Latin",
    "CYRILLIC": "Cyrillic",
    "GREEK": "Greek",
    "ARABIC": "Arabic",
    "HEBREW": "Hebrew",
    "DEVANAGARI": "Devanagari",
    "BENGALI": "Bengali",
    "TAMIL": "Tamil",
    "THAI": "Thai",
    "HANGUL": "Korean",
    "HIRAGANA": "Japanese",
    "KATAKANA": "Japanese",
    "CJK": "Chinese",
}


def language_of(text: str) -> str | None:
    """The language (of the Latin script) or script of ``text``; None where it is not plain."""
    text = text[:MOST_CHARACTERS]
    if text.isascii():
        # What the expressions below do, in a part of their time: most texts go through here while an author types.
        spaced = text.encode().translate(_ASCII_WORDS).decode()
        words, others = spaced.split(), ""
        letters = len(spaced) - spaced.count(" ")
    else:
        words = _WORD.findall(text.casefold())
        others = "".join(_NOT_ASCII_LETTERS.findall(text))
        letters = sum(map(len, words))
    if letters < LEAST_LETTERS:
        return None
    if len(others) * 2 > letters or (others and len(words) < 4):
        scripts = Counter(_SCRIPTS.get(unicodedata.name(letter, "").split(" ", 1)[0]) for letter in others)
        # Japanese is written with Chinese letters among its own.
        script = "Japanese" if scripts["Japanese"] * 5 > len(others) else scripts.most_common(1)[0][0]
        if script != "Latin" and scripts[script] * 2 > letters:
            return script
        if script != "Latin":
            return None
    votes = sum(map(_VOTES.get, words, repeat(0)))
    if not votes:
        return None
    counts = _COUNTS.unpack(votes.to_bytes(_COUNTS.size, "little"))
    second, count = sorted(counts)[-2:]
    plain = count >= LEAST_SMALL_WORDS and count >= 2 * second and count * 8 >= len(words)
    return _LANGUAGES[counts.index(count)] if plain else None


@register
class LanguageDiffers(Check):
    code = "language-differs"
    severity = "warning"
    explanation = (
        "Nearly all seeds of the leaf are in one language, and this text is in another. If the leaf is meant to be in "
        "several, write more seeds in each; otherwise write this one like the others, or in a leaf of its own."
    )
    example = Example(
        GOOD_SKILL.replace(
            "What is the opposite of heavy?", "Was ist das Gegenteil von dem, was schwer ist, und wie heißt es?"
        )
        .replace("What is the opposite of hot?", "What is the opposite of that which is hot?")
        .replace("What is the opposite of high?", "How is it called when it is not high?")
        .replace("What is the opposite of open?", "What is the word for a door that is not open?")
        .replace("What is the opposite of early?", "Which is the word that stands for not early?")
    )

    def find(self, subject: Subject) -> Iterator[Problem]:
        leaf = subject.reading.leaf
        if leaf is None or len(leaf.seed_examples) < LEAST_TEXTS:
            return
        told: dict[str, list[tuple[str, str]]] = {}
        for field, text in seed_texts(subject):
            language = language_of(text)
            if language is not None:
                told.setdefault(field.rsplit(".", 1)[1], []).append((field, language))
        for kind, texts in told.items():
            usual, count = Counter(language for _, language in texts).most_common(1)[0]
            if len(texts) < LEAST_TEXTS or count < LEAST_PART * len(texts):
                continue
            for field, language in texts:
                if language != usual:
                    message = f"This {kind} seems to be in {language}, and the others are in {usual}. Write all alike."
                    yield subject.problem(self, message, field)
