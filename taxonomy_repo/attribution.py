"""``attribution.txt``: whose work a leaf is made from and under which licence, in the public key-and-value form."""

from __future__ import annotations

import re
from dataclasses import dataclass

from taxonomy_repo.problem import Problem

MOST_BYTES = 200_000

# Keys as InstructLab writes them, and the attribute each fills.
_KEYS = {
    "title of work": "title",
    "link to work": "link",
    "revision": "revision",
    "license of the work": "licence",
    "licence of the work": "licence",
    "creator names": "creators",
}
_LABELS = {
    "title": "Title of work",
    "link": "Link to work",
    "revision": "Revision",
    "licence": "License of the work",
    "creators": "Creator names",
}
# Older files of the public taxonomy use these.
_OLD_KEYS = {"source": "title", "license": "licence", "created_by": "creators", "document": "title", "url": "link"}


@dataclass(frozen=True)
class AttributionEntry:
    """One source. Each value is a single line; ``""`` where it is not given."""

    title: str = ""
    link: str = ""
    revision: str = ""
    licence: str = ""
    creators: str = ""


@dataclass(frozen=True)
class Attribution:
    """All sources of a leaf, in order."""

    entries: tuple[AttributionEntry, ...]


@dataclass(frozen=True)
class AttributionReading:
    """What became of reading an ``attribution.txt``; ``lines`` holds the first line of each entry."""

    attribution: Attribution
    problems: tuple[Problem, ...]
    lines: tuple[int, ...]


def read_attribution(data: bytes) -> AttributionReading:
    """Read an ``attribution.txt``. Never raises: a line that is not ``key: value`` becomes a warning.

    Entries are separated by blank lines, or begin where a key comes a second time.
    """
    if len(data) > MOST_BYTES:
        message = f"attribution.txt has {len(data):,} bytes; {MOST_BYTES:,} is the most."
        return AttributionReading(Attribution(()), (Problem("attribution-unreadable", "warning", message),), ())
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        message = "attribution.txt is not written in UTF-8. Save it again with the encoding UTF-8."
        return AttributionReading(Attribution(()), (Problem("attribution-unreadable", "warning", message),), ())
    entries: list[AttributionEntry] = []
    lines: list[int] = []
    problems: list[Problem] = []
    values: dict[str, str] = {}
    first = 0

    def finish() -> None:
        if values:
            entries.append(AttributionEntry(**values))
            lines.append(first)
            values.clear()

    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        stripped = line.strip()
        if not stripped or set(stripped) <= {"-"}:
            finish()
            continue
        key, colon, value = stripped.removeprefix("- ").partition(":")
        folded = " ".join(key.lower().split())
        attribute = _KEYS.get(folded) or _OLD_KEYS.get(folded)
        if not colon or attribute is None:
            message = f"Line {number} of attribution.txt is not understood. Use lines such as License of the work: MIT."
            problems.append(Problem("attribution-unreadable", "warning", message, number, 1, "attribution"))
            continue
        if attribute in values:
            finish()
        if not values:
            first = number
        values[attribute] = value.strip()
    finish()
    return AttributionReading(Attribution(tuple(entries)), tuple(problems), tuple(lines))


def write_attribution(attribution: Attribution) -> bytes:
    """``attribution`` in the public form; line breaks inside values become spaces, values not given are left out."""
    blocks = []
    for entry in attribution.entries:
        pairs = [(label, " ".join(getattr(entry, name).split())) for name, label in _LABELS.items()]
        blocks.append("".join(f"{label}: {value}\n" for label, value in pairs if value))
    return "\n".join(block for block in blocks if block).encode("utf-8")
