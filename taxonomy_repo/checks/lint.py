"""The form of the YAML text, as strict as the public tools (yamllint's relaxed rules, from version 2 on).

What those call an error is one here; the rest are warnings. Version 1 is not linted by them, so there it is only told.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from yaml.nodes import MappingNode, Node, SequenceNode
from yaml.tokens import (
    BlockEntryToken,
    FlowEntryToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    Token,
    ValueToken,
)

from taxonomy_repo.checks.registry import GOOD_KNOWLEDGE, GOOD_SKILL, Check, Example, Subject, register
from taxonomy_repo.problem import Problem, Severity

_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_ODD_SPACING = (" :", ":  ", "-  ")
_BLANK_RUN = re.compile(r"\n{4,}")
_FLOW_START = (FlowSequenceStartToken, FlowMappingStartToken)
_FLOW_END = (FlowSequenceEndToken, FlowMappingEndToken)
_SPACED_BEHIND = frozenset([ValueToken, BlockEntryToken, FlowEntryToken, *_FLOW_START])
_SPACED_BEFORE = frozenset([ValueToken, FlowEntryToken, *_FLOW_END])


def _severity(subject: Subject, severity: Severity) -> Severity:
    return severity if subject.linted else "info"


@register
class TrailingSpaces(Check):
    code = "lint-trailing-spaces"
    severity = "error"
    explanation = (
        "Spaces at the end of a line are not seen, and the public tools refuse them. Saving here removes them."
    )
    example = Example(GOOD_SKILL.replace("created_by: ann", "created_by: ann  "))

    def find(self, subject: Subject) -> Iterator[Problem]:
        text = subject.source.text
        if subject.reading.leaf is None or not (" \n" in text or "\t\n" in text or text.endswith((" ", "\t"))):
            return
        line, counted = 1, 0
        for match in _TRAILING.finditer(text):
            start = match.start()
            line += text.count("\n", counted, start)
            counted = start
            column = start - text.rfind("\n", 0, start)
            severity = _severity(subject, self.severity)
            yield Problem(self.code, severity, "There are spaces at the end of this line. Remove them.", line, column)


@register
class FinalNewline(Check):
    code = "lint-final-newline"
    severity = "error"
    explanation = "The last line of a file ends like every other, with a line end. Saving here adds it."
    example = Example(GOOD_SKILL.removesuffix("\n"))

    def find(self, subject: Subject) -> Iterator[Problem]:
        text = subject.source.text
        if subject.reading.leaf is not None and text and not text.endswith("\n"):
            line = text.count("\n") + 1
            column = len(text) - text.rfind("\n")
            severity = _severity(subject, self.severity)
            yield Problem(self.code, severity, "The last line is not ended. Press Enter at its end.", line, column)


@register
class BlankLines(Check):
    code = "lint-blank-lines"
    severity = "warning"
    explanation = "Two blank lines in a row are enough, and none are needed at the start or the end of a file."
    example = Example(GOOD_SKILL.replace("seed_examples:", "\n\n\nseed_examples:"))

    def find(self, subject: Subject) -> Iterator[Problem]:
        if subject.reading.leaf is None:
            return
        text = subject.source.text
        severity = _severity(subject, self.severity)
        if text.startswith("\n"):
            yield Problem(self.code, severity, "The file starts with a blank line. Remove it.", 1, 1)
        for match in _BLANK_RUN.finditer(text):
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
    severity = "warning"
    explanation = "One space follows a colon, a hyphen or a comma, and none goes before a colon or a comma."
    example = Example(GOOD_SKILL.replace("created_by: ann", "created_by:  ann"))

    def find(self, subject: Subject) -> Iterator[Problem]:
        if subject.reading.leaf is None:
            return
        tokens = subject.source.tokens
        # Most leaves have nothing like it anywhere, and then their thousands of tokens need no look.
        flow = not frozenset(_FLOW_START).isdisjoint(map(type, tokens))
        if not flow and not any(odd in subject.source.text for odd in _ODD_SPACING):
            return
        severity = _severity(subject, self.severity)
        for previous, token in itertools.pairwise(tokens):
            before, after = type(previous), type(token)
            if before not in _SPACED_BEHIND and after not in _SPACED_BEFORE:
                continue
            gap = _gap(previous, token)
            message = None
            if gap is None:
                continue
            if after in (ValueToken, FlowEntryToken) and gap > 0:
                message = "There is a space before the colon or comma. Remove it."
            elif before in (ValueToken, BlockEntryToken, FlowEntryToken) and gap > 1:
                message = "There is more than one space here. Leave one."
            elif before is FlowEntryToken and gap == 0:
                message = "A space is missing after the comma. Add it."
            elif (before in _FLOW_START or after in _FLOW_END) and gap > 1:
                message = "There is more than one space inside the brackets. Leave one."
            if message is not None:
                mark = token.start_mark
                yield Problem(self.code, severity, message, mark.line + 1, max(mark.column, 1))


def _gap(previous: Token, token: Token) -> int | None:
    """How many characters lie between two tokens of the same line; None where they are on different lines."""
    if previous.end_mark.line != token.start_mark.line:
        return None
    if previous.end_mark.column == 0 and previous.start_mark.line != previous.end_mark.line:
        return None  # a block of text that ended with the line before
    if previous.start_mark.index == previous.end_mark.index and not isinstance(previous, ValueToken):
        return None  # a token without characters of its own, such as the start of a mapping
    return int(token.start_mark.index - previous.end_mark.index)


@register
class Indentation(Check):
    code = "lint-indentation"
    severity = "warning"
    explanation = "Every level is indented by the same number of spaces, and lists either all or none of them."
    example = Example(GOOD_KNOWLEDGE.replace("    - osk.md", "      - osk.md"), "knowledge/places/osk")

    def find(self, subject: Subject) -> Iterator[Problem]:
        root = subject.source.root
        if subject.reading.leaf is None or root is None:
            return
        severity = _severity(subject, self.severity)
        for node, expected, found in _misplaced(root):
            message = f"This is indented by {found} spaces where {expected} are expected. Make all levels alike."
            yield Problem(self.code, severity, message, node.start_mark.line + 1, node.start_mark.column + 1)


def _misplaced(root: Node) -> Iterator[tuple[Node, int, int]]:
    """Block collections that are not indented like the first of their kind: node, expected column, found column."""
    step: int | None = None
    indented: bool | None = None
    if root.start_mark.column != 0:
        yield root, 0, root.start_mark.column
    stack: list[Node] = [root]
    while stack:
        parent = stack.pop()
        column = parent.start_mark.column
        children: list[Node] = []
        if isinstance(parent, MappingNode) and not parent.flow_style:
            children = [value for key, value in parent.value if value.start_mark.line > key.start_mark.line]
        elif isinstance(parent, SequenceNode) and not parent.flow_style:
            children = list(parent.value)
        for child in children:
            if (
                isinstance(child, MappingNode | SequenceNode)
                and not child.flow_style
                and isinstance(parent, MappingNode)
            ):
                depth = child.start_mark.column - column
                if isinstance(child, SequenceNode):
                    if indented is None:
                        indented = depth > 0
                    wanted = (step or depth) if indented else 0
                else:
                    wanted = step or depth
                if step is None and depth > 0:
                    step = depth
                if depth != wanted:
                    yield child, column + wanted, child.start_mark.column
        stack += [child for child in reversed(children) if isinstance(child, MappingNode | SequenceNode)]
