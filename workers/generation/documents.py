"""Documents in pieces that a teacher can be shown: cut at headings and paragraphs, not inside a sentence if avoidable.

A chunk is a slice of the document's text, so that a sample's span leads back to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.specs import Document

CountTokens = Callable[[str], int]

_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$")
_UNDERLINE = re.compile(r"^(=+|-+)\s*$")
_BLANK = re.compile(r"\n[ \t]*\n\s*")
_WORDS = re.compile(r"[^\W\d_]{2,}")
_POINTS_BACK = re.compile(r"(?:He|She|It|They|Her|His|Its|Their|This|These|Those|That|Then|Both|Such|There)\b")
LEAST_FACT_WORDS = 6
# A full stop ends a sentence unless it stands after an initial or one of the usual abbreviations.
_SENTENCE_END = re.compile(
    r"(?<!\b[A-Z])(?<!\b(?:Mr|Dr|St|No|vs|ca))(?<!\bMrs)(?<!\be\.g)(?<!\bi\.e)[.!?…]+[\"'”’)\]]*\s+"
)


@dataclass(frozen=True)
class Chunk:
    """A slice of a document: ``text == document.text[start:end]``.

    ``heading`` is the path of headings above it, ``paragraph`` what stands around it where it is less than that.
    """

    document: str
    start: int
    end: int
    text: str
    heading: str = ""
    paragraph: str = ""


def count_tokens_of(folder: Path | None) -> CountTokens:
    """A counter of a model's tokens; an estimate (four characters a token) where its tokenizer is not at hand."""
    file = folder / "tokenizer.json" if folder is not None else None
    if file is None or not file.is_file():
        return lambda text: len(text) // 4 + 1
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(file))
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order, without the white space between them."""
    return [text[start:end].strip() for start, end in _sentence_spans(text, 0) if text[start:end].strip()]


def chunks_of(documents: Sequence[Document], *, chunk_tokens: int, count: CountTokens) -> list[Chunk]:
    """All chunks of the documents, in order, each at most ``chunk_tokens`` tokens (a single longer sentence apart).

    A chunk never crosses a heading. Paragraphs of one section are joined while they fit; one that is too long by
    itself is cut between sentences. Pieces without a word (rules, page numbers) are left out.
    """
    found: list[Chunk] = []
    for document in documents:
        for heading, spans in _sections(document.text):
            for start, end in _packed(document.text, spans, chunk_tokens, count):
                text = document.text[start:end]
                if len(_WORDS.findall(text)) >= 3:
                    found.append(Chunk(document.name, start, end, text, heading))
    return found


def facts_of(documents: Sequence[Document]) -> list[Chunk]:
    """The documents sentence by sentence, each as a chunk that can be understood by itself as far as possible.

    A sentence that begins with a pronoun is taken together with the one before it (or two). Sentences of fewer than
    six words say too little to ask about.
    """
    found: list[Chunk] = []
    for document in documents:
        for heading, spans in _sections(document.text):
            for paragraph_start, paragraph_end in spans:
                paragraph = document.text[paragraph_start:paragraph_end]
                parts = list(_sentence_spans(paragraph, paragraph_start))
                for number, (_, end) in enumerate(parts):
                    first = number
                    while first > max(number - 2, 0) and _POINTS_BACK.match(document.text, parts[first][0]):
                        first -= 1
                    text = document.text[parts[first][0] : end]
                    if len(document.text[parts[number][0] : end].split()) >= LEAST_FACT_WORDS:
                        found.append(Chunk(document.name, parts[first][0], end, text, heading, paragraph))
    return found


def _sections(text: str) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """(path of headings, spans of the paragraphs below it)."""
    path: list[str] = []
    spans: list[tuple[int, int]] = []
    for start, end in _paragraphs(text):
        lines = text[start:end].split("\n")
        title: str | None = None
        level = 1
        rest = start
        if match := _HEADING.match(lines[0]):
            title, level, rest = match[2], len(match[1]), start + len(lines[0]) + 1
        elif len(lines) >= 2 and _UNDERLINE.match(lines[1]) and lines[0].strip():
            title, level = lines[0].strip(), 1 if lines[1].startswith("=") else 2
            rest = start + len(lines[0]) + len(lines[1]) + 2
        if title is not None:
            if spans:
                yield " › ".join(path), spans
            path, spans = [*path[: level - 1], title], []
            start = rest  # noqa: PLW2901  # what is left of this paragraph below its heading
        if _WORDS.search(text, start, end):
            spans.append((start, end))
    if spans:
        yield " › ".join(path), spans


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    position = 0
    for gap in [*_BLANK.finditer(text), None]:
        start, end = position, gap.start() if gap else len(text)
        position = gap.end() if gap else end
        stripped = text[start:end]
        start += len(stripped) - len(stripped.lstrip())
        end = start + len(stripped.strip())
        if start < end:
            yield start, end


def _packed(
    text: str, spans: Sequence[tuple[int, int]], chunk_tokens: int, count: CountTokens
) -> Iterator[tuple[int, int]]:
    pieces: list[tuple[int, int]] = []
    for start, end in spans:
        if count(text[start:end]) <= chunk_tokens:
            pieces.append((start, end))
        else:
            pieces += _joined(text, list(_sentence_spans(text[start:end], start)), chunk_tokens, count)
    yield from _joined(text, pieces, chunk_tokens, count)


def _joined(
    text: str, pieces: Sequence[tuple[int, int]], chunk_tokens: int, count: CountTokens
) -> Iterator[tuple[int, int]]:
    """Neighbouring pieces joined as long as they fit."""
    current: tuple[int, int] | None = None
    for start, end in pieces:
        if current is not None and count(text[current[0] : end]) <= chunk_tokens:
            current = (current[0], end)
            continue
        if current is not None:
            yield current
        current = (start, end)
    if current is not None:
        yield current


def _sentence_spans(text: str, offset: int) -> Iterator[tuple[int, int]]:
    position = 0
    for match in _SENTENCE_END.finditer(text):
        end = match.end()
        yield offset + position, offset + position + len(text[position:end].rstrip())
        position = end
    if text[position:].strip():
        yield offset + position, offset + position + len(text[position:].rstrip())
