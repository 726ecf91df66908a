"""The form of the YAML text, as strict as the public tools are when told to be strict.

They run yamllint with its relaxed rules, without the one about long lines, from version 2 on, and refuse what it says;
so it is an error here. Version 1 is not linted by them, so there it is only told. Indentation has a file of its own.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from yaml.tokens import (
    AliasToken,
    BlockEntryToken,
    FlowEntryToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    KeyToken,
    Token,
    ValueToken,
)

from taxonomy_repo.checks.registry import GOOD_SKILL, Check, Example, LintCheck, Subject, register
from taxonomy_repo.problem import Problem

_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_ODD_SPACING = (" :", ":  ", "-  ", "?  ")
_BLANK_RUN = re.compile(r"\n{4,}")
_FLOW_START = frozenset([FlowSequenceStartToken, FlowMappingStartToken])
_FLOW_END = frozenset([FlowSequenceEndToken, FlowMappingEndToken])
_SPACED_BEHIND = frozenset([ValueToken, KeyToken, BlockEntryToken, FlowEntryToken, *_FLOW_START])
_SPACED_BEFORE = frozenset([ValueToken, FlowEntryToken, *_FLOW_END])


@register
class TrailingSpaces(LintCheck):
    code = "lint-trailing-spaces"
    rule = "trailing-spaces"
    severity = "error"
    explanation = (
        "Spaces at the end of a line are not seen, and the public tools refuse them. Saving here removes them."
    )
    example = Example(GOOD_SKILL.replace("created_by: ann", "created_by: ann  "))

    def find_lint(self, subject: Subject) -> Iterator[Problem]:
        text = subject.source.text
        if not (" \n" in text or "\t\n" in text or text.endswith((" ", "\t"))):
            return
        line, counted = 1, 0
        for match in _TRAILING.finditer(text):
            start = match.start()
            line += text.count("\n", counted, start)
            counted = start
            column = start - text.rfind("\n", 0, start)
            severity = subject.lint_severity
            yield Problem(self.code, severity, "There are spaces at the end of this line. Remove them.", line, column)


@register
class FinalNewline(LintCheck):
    code = "lint-final-newline"
    rule = "new-line-at-end-of-file"
    severity = "error"
    explanation = "The last line of a file ends like every other, with a line end. Saving here adds it."
    example = Example(GOOD_SKILL.removesuffix("\n"))

    def find_lint(self, subject: Subject) -> Iterator[Problem]:
        text = subject.source.text
        if text and not text.endswith("\n"):
            line = text.count("\n") + 1
            column = len(text) - text.rfind("\n")
            severity = subject.lint_severity
            yield Problem(self.code, severity, "The last line is not ended. Press Enter at its end.", line, column)


@register
class BlankLines(LintCheck):
    code = "lint-blank-lines"
    rule = "empty-lines"
    severity = "error"
    explanation = "Two blank lines in a row are enough, and none are needed at the start or the end of a file."
    example = Example(GOOD_SKILL.replace("seed_examples:", "\n\n\nseed_examples:"))

    def find_lint(self, subject: Subject) -> Iterator[Problem]:
        text = subject.source.text
        severity = subject.lint_severity
        if text.startswith("\n"):
            yield Problem(self.code, severity, "The file starts with a blank line. Remove it.", 1, 1)
        for match in _BLANK_RUN.finditer(text) if "\n\n\n\n" in text else ():
            if match.end() < len(text):
                line = text.count("\n", 0, match.end() - 1) + 1
                message = "There are more than two blank lines in a row. Remove some."
                yield Problem(self.code, severity, message, line, 1)
        if text.endswith("\n\n"):
            line = text.count("\n")
            yield Problem(self.code, severity, "The file ends with a blank line. Remove it.", line, 1)


@register
class Spacing(Check):
    code = "lint-spacing"
    severity = "error"
    explanation = "One space follows a colon, a hyphen or a comma, and none goes before a colon or a comma."
    example = Example(GOOD_SKILL.replace("created_by: ann", "created_by:  ann"))

    def find(self, subject: Subject) -> Iterator[Problem]:
        if subject.reading.leaf is None:
            return
        text = subject.source.text
        # Most leaves have nothing like it anywhere, and then their thousands of tokens need no look.
        if "[" not in text and "{" not in text and not any(odd in text for odd in _ODD_SPACING):
            return
        for previous, token in itertools.pairwise(subject.source.tokens):
            if type(previous) in _SPACED_BEHIND or type(token) in _SPACED_BEFORE:
                wrong = _badly_spaced(previous, token, text)
                mark = token.start_mark
                if wrong is not None and not subject.is_silent(wrong[0], mark.line + 1):
                    message = wrong[1]
                    yield Problem(self.code, subject.lint_severity, message, mark.line + 1, max(mark.column, 1))


def _badly_spaced(previous: Token, token: Token, text: str) -> tuple[str, str] | None:
    """The rule that the space between two tokens breaks and what is wrong with it, or None."""
    before, after = type(previous), type(token)
    if after is FlowEntryToken and previous.end_mark.line < token.start_mark.line:
        return "commas", "The comma stands on a line of its own. Put it at the end of the line above."
    if previous.end_mark.line != token.start_mark.line:
        return None
    gap = token.start_mark.index - previous.end_mark.index
    # A block of text ends where the next token begins, at the start of a line.
    beside = previous.end_mark.index == 0 or text[previous.end_mark.index - 1] != "\n"
    if after in (ValueToken, FlowEntryToken) and beside and gap > (1 if before is AliasToken else 0):
        rule = "commas" if after is FlowEntryToken else "colons"
        return rule, "There is a space before the colon or comma. Remove it."
    marked_key = before is KeyToken and previous.start_mark.index < previous.end_mark.index
    if gap > 1 and (marked_key or before in (ValueToken, BlockEntryToken, FlowEntryToken)):
        rule = "hyphens" if before is BlockEntryToken else "commas" if before is FlowEntryToken else "colons"
        return rule, "There is more than one space here. Leave one."
    if before is FlowEntryToken and gap == 0:
        return "commas", "A space is missing after the comma. Add it."
    if gap > 1 and (before in _FLOW_START or (after in _FLOW_END and beside)):
        braces = before is FlowMappingStartToken or after is FlowMappingEndToken
        return "braces" if braces else "brackets", "There is more than one space inside the brackets. Leave one."
    return None
