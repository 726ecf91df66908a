"""Licences of sources: which may be used, and SPDX expressions that put several together (``MIT OR Apache-2.0``)."""

from __future__ import annotations

import re

# Licences under which sources may be used, by their SPDX names.
ALLOWED_LICENCES = ("CC0-1.0", "CDLA-Permissive-2.0", "CC-BY-4.0", "CC-BY-SA-4.0", "Apache-2.0", "MIT")

_BY_FOLDED = {name.casefold(): name for name in ALLOWED_LICENCES}
# What people write for one of the allowed ones; signs between letters do not count.
_MEANT = {
    "cc0": "CC0-1.0",
    "cc010": "CC0-1.0",
    "publicdomain": "CC0-1.0",
    "ccby": "CC-BY-4.0",
    "ccby40": "CC-BY-4.0",
    "creativecommonsattribution40": "CC-BY-4.0",
    "ccbysa": "CC-BY-SA-4.0",
    "ccbysa40": "CC-BY-SA-4.0",
    "creativecommonsattributionsharealike40": "CC-BY-SA-4.0",
    "apache": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache20": "Apache-2.0",
    "apachelicense20": "Apache-2.0",
    "apachelicenseversion20": "Apache-2.0",
    "mitlicense": "MIT",
    "cdlapermissive": "CDLA-Permissive-2.0",
    "cdlapermissive20": "CDLA-Permissive-2.0",
}
_LONGEST = 200
_DEEPEST = 10
_TOKEN = re.compile(r"\s*(\(|\)|[A-Za-z0-9.+-]+)")


class _NotAnExpression(ValueError):
    """The text is no SPDX expression."""


def is_allowed(expression: str) -> bool:
    """Whether text under this licence may be used: an allowed one, or an SPDX expression that comes down to some.

    Of ``A OR B`` one has to be allowed, of ``A AND B`` both; an exception (``WITH``) only permits more. Names are
    compared without regard to case (SPDX specification, annex on licence expressions).
    """
    if len(expression) > _LONGEST:
        return False
    try:
        tokens = _tokens(expression)
        value, end = _either(tokens, 0, 0)
    except _NotAnExpression:
        return False
    return value and end == len(tokens)


def meant_licence(text: str) -> str | None:
    """The allowed licence that ``text`` (``Apache License 2.0``, ``CC BY 4.0``) seems to mean, or None."""
    return _MEANT.get(re.sub(r"[^a-z0-9]+", "", text.casefold()))


def _tokens(expression: str) -> list[str]:
    tokens, position = [], 0
    stripped = expression.rstrip()
    while position < len(stripped):
        match = _TOKEN.match(stripped, position)
        if match is None:
            raise _NotAnExpression
        tokens.append(match[1])
        position = match.end()
    return tokens


def _either(tokens: list[str], at: int, depth: int) -> tuple[bool, int]:
    """``A OR B …`` from token ``at`` on: whether it is allowed, and where it ends. OR binds less than AND."""
    value, at = _both(tokens, at, depth)
    while at < len(tokens) and tokens[at].upper() == "OR":
        other, at = _both(tokens, at + 1, depth)
        value = value or other
    return value, at


def _both(tokens: list[str], at: int, depth: int) -> tuple[bool, int]:
    value, at = _single(tokens, at, depth)
    while at < len(tokens) and tokens[at].upper() == "AND":
        other, at = _single(tokens, at + 1, depth)
        value = value and other
    return value, at


def _single(tokens: list[str], at: int, depth: int) -> tuple[bool, int]:
    if at >= len(tokens) or depth > _DEEPEST or tokens[at].upper() in (")", "AND", "OR", "WITH"):
        raise _NotAnExpression
    if tokens[at] == "(":
        value, at = _either(tokens, at + 1, depth + 1)
        if at >= len(tokens) or tokens[at] != ")":
            raise _NotAnExpression
        return value, at + 1
    value = tokens[at].removesuffix("+").casefold() in _BY_FOLDED
    at += 1
    if at < len(tokens) and tokens[at].upper() == "WITH":
        if at + 1 >= len(tokens) or tokens[at + 1] in ("(", ")"):
            raise _NotAnExpression
        at += 2
    return value, at
