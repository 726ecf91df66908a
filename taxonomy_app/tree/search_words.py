"""What a word is to the search: the same on every database, because texts are cut into words here and not there.

Pure functions. Case and accents are folded; Chinese, Japanese and Korean, which are written without spaces or with
endings joined to the words, are cut into overlapping pairs of signs, so that a word inside a sentence is found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

# Longer queries narrow nothing down any more; a pasted page must not become a query of a thousand words.
MOST_WORDS = 12
# Longer words are hashes or addresses; databases refuse terms of some kilobytes.
LONGEST_WORD = 64
# A tsvector of PostgreSQL holds at most 1 MB, all columns together. A leaf with more distinct words than fit is found
# by those that come first in it.
MOST_BYTES = 250_000

WORD = re.compile(r"[^\W_]+")
_PAIRED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_RUN = re.compile(f"[{_PAIRED}]+|[^{_PAIRED}]+")
_IS_PAIRED = re.compile(f"[{_PAIRED}]")


def folded(text: str) -> str:
    """Small letters without accents: ``Écrire`` → ``ecrire``."""
    if text.isascii():
        return text.lower()
    plain = "".join(sign for sign in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(sign))
    return unicodedata.normalize("NFC", plain)


def words_in(text: str) -> list[str]:
    """The words of a text in their order, repetitions included."""
    found = WORD.findall(folded(text))
    if not text.isascii():
        found = [part for word in found for part in _pairs(word)]
    return [word[:LONGEST_WORD] for word in found]


def _pairs(word: str) -> Iterable[str]:
    """``俳句を書く`` → ``俳句 句を を書 書く``; a word of an alphabet as it is."""
    if not _IS_PAIRED.search(word):
        yield word
        return
    for run in _RUN.findall(word):
        if len(run) < 2 or not _IS_PAIRED.match(run):
            yield run
        else:
            yield from (run[at : at + 2] for at in range(len(run) - 1))


def distinct_words(texts: Iterable[str]) -> str:
    """Each word of the texts once, in alphabetical order, with spaces between: what a search index is made of."""
    words = words_in("\n".join(texts))
    found = " ".join(sorted(set(words)))
    return found if len(found) * 4 <= MOST_BYTES or len(found.encode()) <= MOST_BYTES else _first_words(words)


def _first_words(words: Iterable[str]) -> str:
    kept: list[str] = []
    left = MOST_BYTES
    for word in dict.fromkeys(words):
        left -= len(word.encode()) + 1
        if left < 0:
            break
        kept.append(word)
    return " ".join(sorted(kept))


def query_words(text: str) -> list[str]:
    """The distinct words of what somebody asks, at most ``MOST_WORDS``."""
    return list(dict.fromkeys(words_in(text)))[:MOST_WORDS]


def is_meant(word: str, words: Sequence[str]) -> bool:
    """Whether a word of a text is one that was asked for (``query_words``)."""
    plain = folded(word)
    return any(plain.startswith(one) or (not one.isascii() and one in plain) for one in words)


def mark_words(text: str, words: Sequence[str]) -> SafeString:
    """The text, escaped, with the words that were asked for in ``<mark>`` elements."""
    parts: list[SafeString | str] = []
    at = 0
    for match in WORD.finditer(text):
        if is_meant(match[0], words):
            parts += [text[at : match.start()], format_html("<mark>{}</mark>", match[0])]
            at = match.end()
    return format_html_join("", "{}", ((part,) for part in (*parts, text[at:])))
