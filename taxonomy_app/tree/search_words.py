"""What a word is to the search: the same on every database, because texts are cut into words here and not there.

Pure functions. Case and accents are folded; Chinese, Japanese and Korean, which are written without spaces or with
endings joined to the words, are cut into overlapping pairs of signs, so that a word inside a sentence is found.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

# Longer queries narrow nothing down any more; a pasted page must not become a query of a thousand words.
MOST_WORDS = 12
# A shorter one means the word itself.
SHORTEST_BEGINNING = 3
# Longer words are hashes or addresses; databases refuse terms of some kilobytes.
LONGEST_WORD = 64
# A tsvector of PostgreSQL holds at most 1 MB, all columns together. A leaf with more distinct words than fit is found
# by those that come first in it.
MOST_BYTES = 200_000

# ASCII letters made small, digits kept, everything else a space.
_PLAIN = bytes(ord(chr(code).lower()) if chr(code).isalnum() and code < 128 else 32 for code in range(256))
WORD = re.compile(r"[^\W_]+")
_PAIRED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_RUN = re.compile(f"[{_PAIRED}]+|[^{_PAIRED}]+")
_IS_PAIRED = re.compile(f"[{_PAIRED}]")


def folded(text: str) -> str:
    """Small letters without accents: ``Écrire`` → ``ecrire``."""
    if text.isascii():
        return text.lower()
    # Decomposed before and after: some signs have capitals only once taken apart (Unicode, 3.13, caseless matching).
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return unicodedata.normalize("NFC", "".join(sign for sign in apart if not unicodedata.combining(sign)))


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
    """Each word of the texts once, as they come, with spaces between: what a search index is made of."""
    text = "\n".join(texts)
    if text.isascii():
        # What words_in does, a tenth of the time: the whole taxonomy goes through here when its index is made.
        plain = dict.fromkeys(text.encode("ascii").translate(_PLAIN).split())
        if max(map(len, plain), default=0) > LONGEST_WORD:
            plain = dict.fromkeys(word[:LONGEST_WORD] for word in plain)
        found = b" ".join(plain).decode("ascii")
    else:
        found = " ".join(dict.fromkeys(words_in(text)))
    if len(found) * 4 <= MOST_BYTES or len(found.encode()) <= MOST_BYTES:
        return found
    return found.encode()[:MOST_BYTES].decode("utf-8", "ignore").rpartition(" ")[0]


# A page asks for the same words once for each of its rows.
@lru_cache(maxsize=256)
def query_words(text: str) -> tuple[str, ...]:
    """The distinct words of what somebody asks, at most ``MOST_WORDS``."""
    return tuple(dict.fromkeys(words_in(text)))[:MOST_WORDS]


def has_all(words: Sequence[str], text: str) -> bool:
    """Whether each word of a query is, or begins, a word of ``text`` (words with spaces between)."""
    spaced = f" {text} "
    return all((f" {word}" if is_beginning(word) else f" {word} ") in spaced for word in words)


@lru_cache(maxsize=256)
def finder(words: tuple[str, ...]) -> Callable[[str], Iterator[tuple[int, int]]]:
    """A function that gives the start and end of each word of a text that was asked for (``query_words``)."""
    # Of a text without accents one expression finds all; any other is folded word by word.
    plain = [
        re.escape(word) + ("[a-z0-9]*" if is_beginning(word) else "(?![a-z0-9])") for word in words if word.isascii()
    ]
    pattern = re.compile(f"(?<![a-z0-9])(?:{'|'.join(plain)})", re.IGNORECASE) if plain else None

    def find(text: str) -> Iterator[tuple[int, int]]:
        if text.isascii():
            yield from (match.span() for match in pattern.finditer(text)) if pattern else ()
        else:
            yield from (match.span() for match in WORD.finditer(text) if _is_meant(match[0], words))

    return find


def is_beginning(word: str) -> bool:
    """Whether a word of a query stands for all that begin with it; very short ones would stand for half a language."""
    return len(word) >= SHORTEST_BEGINNING or not word.isascii()


def _is_meant(word: str, words: Sequence[str]) -> bool:
    plain = folded(word)
    return any(
        plain == one or (is_beginning(one) and plain.startswith(one)) or (not one.isascii() and one in plain)
        for one in words
    )


def mark_words(text: str, words: tuple[str, ...]) -> SafeString:
    """The text, escaped, with the words that were asked for in ``<mark>`` elements."""
    parts: list[str] = []
    at = 0
    for start, end in finder(words)(text):
        parts += [escape(text[at:start]), "<mark>", escape(text[start:end]), "</mark>"]
        at = end
    return mark_safe("".join([*parts, escape(text[at:])]))  # noqa: S308  # escaped piece by piece
