"""Commit messages: a title, a body and trailers, put together so that no text can pass itself off as a trailer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

# The trailer that tells where a moved leaf came from, read by ``identity``. Callers cannot set it by text.
MOVE_TRAILER = "Leaf-Moved"
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}\Z")
_LINE = re.compile(r"([A-Za-z][A-Za-z0-9-]*): (.*)\Z")
_ARROW = " => "


def compose_message(
    message: str, trailers: Mapping[str, str | Sequence[str]], moves: Mapping[str, str] | None = None
) -> str:
    """``message`` and its trailers. Values are folded to one line each.

    Raises ValueError for a key that cannot be one, or that only the program may set.
    """
    lines: list[str] = []
    for key, value in trailers.items():
        if not _KEY.match(key) or key.lower() == MOVE_TRAILER.lower():
            raise ValueError(f"{key!r} cannot be a trailer.")
        values = [value] if isinstance(value, str) else list(value)
        lines += (f"{key}: {' '.join(single.split())}" for single in values)
    lines += (f"{MOVE_TRAILER}: {old}{_ARROW}{new}" for old, new in sorted((moves or {}).items()))
    body = "\n".join(line.rstrip() for line in _printable(message).strip().splitlines()) or "Change a leaf"
    if not lines:
        # Trailers are the last paragraph; one that only looks so is kept from being it.
        return f"{body}\n" if not _block(body) else f"{body}\n\n-\n"
    return f"{body}\n\n" + "\n".join(_printable(line) for line in lines) + "\n"


def _printable(text: str) -> str:
    return "".join(c if c == "\n" or ord(c) >= 32 else " " for c in text.replace("\r\n", "\n"))


def _block(message: str) -> list[tuple[str, str]]:
    """The lines of the last paragraph where all of them are trailers and it is not the only one, else nothing."""
    paragraphs = re.split(r"\n\s*\n", message.strip())
    if len(paragraphs) < 2:
        return []
    matches = [_LINE.match(line) for line in paragraphs[-1].splitlines()]
    return [(match[1], match[2]) for match in matches if match] if all(matches) else []


def trailers_of(message: str) -> dict[str, tuple[str, ...]]:
    """Key → values, in order, of the last paragraph of a message."""
    found: dict[str, list[str]] = {}
    for key, value in _block(message):
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def moves_of(message: str) -> dict[str, str]:
    """Old path → new path, as the message's trailers tell."""
    found = {}
    for value in trailers_of(message).get(MOVE_TRAILER, ()):
        old, arrow, new = value.partition(_ARROW)
        if arrow:
            found[old] = new
    return found
