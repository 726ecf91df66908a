"""Comments by which an author tells the public linter (yamllint) to be silent, obeyed here as it obeys them.

``# yamllint disable`` and ``enable``, alone or with ``rule:NAME``, count from their line on; ``disable-line`` for its
own line, or where it stands alone for the next one; ``disable-file`` in the first line for the whole file. No check
lives here.
"""

from __future__ import annotations

import itertools
import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence

from yaml.tokens import StreamEndToken, StreamStartToken, Token

_WHOLE_FILE = re.compile(r"#\s*yamllint disable-file\s*$")
_DIRECTIVE = re.compile(r"# yamllint (disable|enable|disable-line)((?: rule:\S+)*)\s*$")
# The rules that the public tools have the linter apply and that are looked at here.
RULES = frozenset(
    [
        "braces", "brackets", "colons", "commas", "empty-lines", "hyphens", "indentation", "key-duplicates",
        "new-line-at-end-of-file", "trailing-spaces",
    ]
)  # fmt: skip


class Directives:
    """Which rules are silent on which lines (counting from 1) of ``text`` with these ``tokens``."""

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self._everywhere = _WHOLE_FILE.match(text.partition("\n")[0]) is not None
        self._lines: dict[int, set[str]] = defaultdict(set)
        self._starts, self._states = [0], [frozenset[str]()]
        for line, alone, comment in _comments(text, tokens):
            match = _DIRECTIVE.match(comment)
            if match is None:
                continue
            named = frozenset(name.removeprefix("rule:") for name in match[2].split()) & RULES if match[2] else RULES
            if match[1] == "disable-line":
                self._lines[line + 1 if alone else line] |= named
            else:
                before = self._states[-1]
                self._starts.append(line)
                self._states.append(before | named if match[1] == "disable" else before - named)

    def silence(self, rule: str, line: int) -> bool:
        """Whether the linter says nothing of ``rule`` on ``line``."""
        if self._everywhere or rule in self._lines.get(line, ()):
            return True
        return rule in self._states[bisect_right(self._starts, line) - 1]


def _comments(text: str, tokens: Sequence[Token]) -> Iterator[tuple[int, bool, str]]:
    """Each comment between tokens: its line, whether it stands alone there, and its text from the ``#`` on."""
    for before, after in itertools.pairwise(tokens):
        between = text[before.end_mark.index : after.start_mark.index]
        first = isinstance(before, StreamStartToken)
        # The linter does not look behind the last token of a line (the end of a file without a line end is one, too).
        if "\n" not in between and not first and not isinstance(after, StreamEndToken):
            continue
        # A block of text ends where the next line begins, and what stands in that line stands alone.
        beside = not first and text[before.end_mark.index - 1] != "\n"
        for number, line in enumerate(between.split("\n")):
            sign = line.find("#")
            if sign >= 0:
                yield before.end_mark.line + 1 + number, not (beside and number == 0), line[sign:]
