"""How far the lines of a leaf are indented, judged as the public linter judges it.

That linter (yamllint with its relaxed rules) wants every level indented by as many spaces as the first one, and lists
below a key either always or never indented. Its verdict follows the tokens, not the tree, and so does this: each open
collection, item, key and value is a frame that knows in which column its lines must begin.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import IntEnum

from yaml.tokens import (
    AnchorToken,
    BlockEndToken,
    BlockEntryToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    KeyToken,
    ScalarToken,
    StreamEndToken,
    StreamStartToken,
    TagToken,
    Token,
    ValueToken,
)

from taxonomy_repo.checks.registry import GOOD_KNOWLEDGE, Example, LintCheck, Subject, register
from taxonomy_repo.problem import Problem

_PROPERTY = (AnchorToken, TagToken)
_NO_VALUE = (BlockEndToken, FlowMappingEndToken, FlowSequenceEndToken, KeyToken)
_INVISIBLE = frozenset([StreamStartToken, StreamEndToken, BlockEndToken])
# A list that is not indented where it could have been, before any level has shown how far levels are indented.
_UNKNOWN = -1
_ASCII_SPACES = " \t\n\r\x0b\x0c"


@register
class Indentation(LintCheck):
    code = "lint-indentation"
    rule = "indentation"
    severity = "error"
    explanation = (
        "Every level is indented by the same number of spaces, and lists either all or none of them. The public tools "
        "refuse a leaf that does it now so, now otherwise."
    )
    example = Example(GOOD_KNOWLEDGE.replace("    - osk.md", "      - osk.md"), "knowledge/places/osk")

    def find_lint(self, subject: Subject) -> Iterator[Problem]:
        severity = subject.lint_severity
        for token, expected in _Walk(subject.source.text).misplaced(subject.source.tokens):
            mark = token.start_mark
            if expected is None:
                message = "It cannot be told to what this belongs. Write the key before its colon."
            elif expected == _UNKNOWN:
                message = "This list has to be indented like the others. Put spaces before its hyphens."
            else:
                message = (
                    f"This is indented by {mark.column} spaces where {expected} are expected. Make all levels alike."
                )
            yield Problem(self.code, severity, message, mark.line + 1, mark.column + 1)


class _Kind(IntEnum):
    ROOT = 0
    BLOCK_MAPPING = 1
    FLOW_MAPPING = 2
    BLOCK_SEQUENCE = 3
    FLOW_SEQUENCE = 4
    ITEM = 5
    KEY = 6
    VALUE = 7


# As plain names: looking a member up in its class costs more than comparing it.
ROOT, BLOCK_MAPPING, FLOW_MAPPING, BLOCK_SEQUENCE, FLOW_SEQUENCE, ITEM, KEY, VALUE = _Kind


class _Frame:
    """Something open. ``column``: where its lines begin. ``closing``: where a closing bracket on its own line stands.

    ``marked``: a key with a question mark; ``bare``: a list that has no token of its own because it is not indented.
    """

    __slots__ = ("bare", "closing", "column", "kind", "marked")

    def __init__(self, kind: _Kind, column: int, closing: int = 0, marked: bool = False, bare: bool = False) -> None:
        self.kind = kind
        self.column = column
        self.closing = closing
        self.marked = marked
        self.bare = bare


class _Walk:
    """One walk over the tokens of one file."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.step: int | None = None  # how far a level is indented, once one has shown it
        self.lists_indented: bool | None = None
        self.frames = [_Frame(ROOT, 0)]
        self.line_indent = 0

    def misplaced(self, tokens: Sequence[Token]) -> Iterator[tuple[Token, int | None]]:
        """Tokens that begin their line in the wrong column, and the right one. None: the walk cannot go on here."""
        seen_line = -1
        last = len(tokens) - 1
        frames = self.frames
        for index, token in enumerate(tokens):
            kind = type(token)
            following = tokens[index + 1] if index < last else token
            empty = isinstance(token, ScalarToken) and token.value == ""
            if kind not in _INVISIBLE and not empty:
                mark = token.start_mark
                if mark.line > seen_line:
                    self.line_indent = mark.column
                    expected = self.expected(token)
                    if mark.column != expected:
                        yield token, expected
                seen_line = self.last_line(token) if kind is ScalarToken else token.end_mark.line
            if kind in _OPENS and not self.open(token, following, tokens, index):
                yield token, None
                return
            # Most tokens close nothing, and that can be told from the innermost frame alone.
            if frames[-1].kind is not BLOCK_MAPPING or kind is BlockEndToken:
                self.close(token, following)

    def last_line(self, token: Token) -> int:
        """The line of a text's last character: a block's token ends only where the next one starts."""
        end: int = token.end_mark.line
        if end == token.start_mark.line:
            return end
        written = self.text[token.start_mark.index : token.end_mark.index]
        return end - written.count("\n", len(written.rstrip(_ASCII_SPACES)))

    def expected(self, token: Token) -> int:
        frame = self.frames[-1]
        kind = type(token)
        if kind is FlowMappingEndToken or kind is FlowSequenceEndToken:
            return frame.closing
        if frame.kind is KEY and frame.marked and kind is not ValueToken:
            return self.deeper(frame.column, token)
        return frame.column

    def deeper(self, column: int, token: Token) -> int:
        """The column one level below ``column``; the first level of all, at ``token``, sets how deep levels are."""
        if self.step is None:
            self.step = token.start_mark.column - column
        return column + self.step

    def open(self, token: Token, following: Token, tokens: Sequence[Token], index: int) -> bool:
        """Push what ``token`` begins. False where it stands where nothing of its kind can."""
        kind = type(token)
        frames = self.frames
        at = token.start_mark.column
        same_line = following.start_mark.line == token.start_mark.line
        if kind is KeyToken:
            marked = token.start_mark.index < token.end_mark.index
            frames.append(_Frame(KEY, frames[-1].column, marked=marked))
        elif kind is ValueToken:
            if frames[-1].kind is not KEY:
                return False
            self.open_value(following, tokens, index)
        elif kind is BlockMappingStartToken:
            if type(following) is not KeyToken or not same_line:
                return False
            frames.append(_Frame(BLOCK_MAPPING, at))
        elif kind is BlockSequenceStartToken:
            if type(following) is not BlockEntryToken or not same_line:
                return False
            frames.append(_Frame(BLOCK_SEQUENCE, at))
        elif kind is BlockEntryToken:
            if type(following) is not BlockEntryToken and type(following) is not BlockEndToken:
                if frames[-1].kind is not BLOCK_SEQUENCE:
                    frames.append(_Frame(BLOCK_SEQUENCE, at, bare=True))
                beside = following.start_mark.line == token.end_mark.line or following.start_mark.column == at
                frames.append(_Frame(ITEM, following.start_mark.column if beside else self.deeper(at, following)))
        else:
            column = following.start_mark.column if same_line else self.deeper(self.line_indent, following)
            brackets = FLOW_MAPPING if kind is FlowMappingStartToken else FLOW_SEQUENCE
            frames.append(_Frame(brackets, column, closing=self.line_indent))
        return True

    def open_value(self, following: Token, tokens: Sequence[Token], index: int) -> None:
        key = self.frames[-1]
        line = tokens[index - 1].start_mark.line
        if isinstance(following, _PROPERTY) and index + 2 < len(tokens):
            # A name or type behind the colon, and the value itself on the next line: that one counts.
            value = tokens[index + 2]
            if following.start_mark.line == line and following.start_mark.line < value.start_mark.line:
                following = value
        if isinstance(following, _NO_VALUE):
            return
        column = following.start_mark.column
        if not key.marked and following.start_mark.line == line:
            self.frames.append(_Frame(VALUE, column))
        elif not key.marked and isinstance(following, BlockSequenceStartToken | BlockEntryToken):
            self.frames.append(_Frame(VALUE, self.list_column(key.column, following)))
        else:
            self.frames.append(_Frame(VALUE, self.deeper(key.column, following)))

    def list_column(self, column: int, following: Token) -> int:
        """Where the hyphens of a list below a key in ``column`` stand: as the first list of the file decided."""
        level = following.start_mark.column == column
        if self.lists_indented is None:
            self.lists_indented = not level
        if not self.lists_indented:
            return column
        if level and self.step is None:
            return _UNKNOWN
        return self.deeper(column, following)

    def close(self, token: Token, following: Token) -> None:
        """Pop whatever ends with ``token``."""
        frames = self.frames
        kind, then = type(token), type(following)
        used = False
        while True:
            frame = frames[-1]
            what = frame.kind
            if what is VALUE and kind is not ValueToken and kind not in _PROPERTY:
                del frames[-2:]
            elif what is KEY and then in _NO_VALUE:
                frames.pop()
            elif (
                what is ITEM
                and frames[-2].bare
                and (kind is not BlockEntryToken and kind not in _PROPERTY and then is not BlockEntryToken)
            ):
                del frames[-2:]
            elif what is ITEM and (then is BlockEntryToken or then is BlockEndToken):
                frames.pop()
            elif not used and (
                (what is FLOW_SEQUENCE and kind is FlowSequenceEndToken)
                or (what is FLOW_MAPPING and kind is FlowMappingEndToken)
                or (kind is BlockEndToken and not frame.bare and (what is BLOCK_MAPPING or what is BLOCK_SEQUENCE))
            ):
                used = True
                frames.pop()
            else:
                return


_OPENS = frozenset(
    [
        KeyToken,
        ValueToken,
        BlockEntryToken,
        BlockMappingStartToken,
        BlockSequenceStartToken,
        FlowMappingStartToken,
        FlowSequenceStartToken,
    ]
)
