"""YAML text on its way to being a leaf: decoded, guarded, and composed into nodes that know their lines.

Nothing here knows what a leaf is. libyaml does the parsing; this module keeps it away from what could hurt (size,
depth, anchors that multiply, control characters) and turns its complaints into sentences. Where libyaml accepts
what PyYAML's own parser refuses (tabs between tokens), the stricter one is followed, because the public tools use it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.tokens import (
    AliasToken,
    AnchorToken,
    BlockEndToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    ScalarToken,
    Token,
)

from taxonomy_repo.problem import Problem, Severity

MOST_BYTES = 1_000_000
MOST_DEPTH = 20
MOST_NODES = 50_000
MOST_TOKENS = 4 * MOST_NODES

MERGE = "tag:yaml.org,2002:merge"

# What YAML 1.1 lets a text hold as it is (section 5.1, c-printable), turned round.
UNPRINTABLE = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Depth(dict[type[Token], int]):
    """How a token changes the depth of what follows; most do not."""

    def __missing__(self, kind: type[Token]) -> int:
        return 0


_DEPTH = _Depth(
    {
        BlockMappingStartToken: 1,
        BlockSequenceStartToken: 1,
        FlowMappingStartToken: 1,
        FlowSequenceStartToken: 1,
        BlockEndToken: -1,
        FlowMappingEndToken: -1,
        FlowSequenceEndToken: -1,
    }
)
_NAMES = frozenset([AnchorToken, AliasToken])
# Tokens are taken so many at a time: enough for speed, few enough to stop soon.
_AT_ONCE = 500

# libyaml's words, and ours for them. The first that is found in its message is used.
_EXPLANATIONS = (
    (
        "mapping values are not allowed",
        "A colon followed by a space starts a new value here. Put the text in quotes, or write it below the key "
        "after a |.",
    ),
    (
        "did not find expected comment or line break",
        "After | or > the text must start on the next line, indented. Move it there.",
    ),
    (
        "did not find expected '-' indicator",
        "This line is neither a new item of the list nor part of the one above. Check how far it is indented.",
    ),
    (
        "did not find expected key",
        "A key such as answer: was expected here. Check the indentation and the quotes just above.",
    ),
    (
        "could not find expected ':'",
        "This line is not part of the text above and no key either. Indent it like the text, or put a : after the key.",
    ),
    ("found a tab character", "A tab cannot be used to indent. Use spaces."),
    (
        "found character that cannot start any token",
        "A value cannot start with this character (such as @, `, % or a tab). Put the text in quotes.",
    ),
    ("found unexpected end of stream", "A quote opened above is never closed. Add the closing quote."),
    (
        "found unknown escape character",
        "Inside double quotes a \\ must be followed by a known letter. Write \\\\ or use single quotes.",
    ),
    ("found undefined alias", "A value that starts with * refers to a name. Put the text in quotes."),
    ("found duplicate anchor", "The same &name is given twice. Remove both, or put the text in quotes."),
    ("expected a single document", "A line of --- starts a second document. A leaf is one document: remove it."),
    ("block sequence entries are not allowed", "A list cannot start here. Put the - on a new line below the key."),
    ("did not find expected node content", "A value is missing here, or a bracket is not closed."),
    ("did not find expected ',' or", "A bracket opened above is not closed. Close it, or put the text in quotes."),
    (
        "did not find expected <document start>",
        "Text stands outside of everything else here. Check the indentation above.",
    ),
    ("found undefined tag handle", "A value cannot start with !. Put the text in quotes."),
)


class YamlSource(NamedTuple):
    """The text of a file, its tokens and its tree; ``root`` is None when a problem prevents it.

    ``text`` has ``\\n`` for every line end and no byte order mark, as the public tools see it.
    """

    text: str
    tokens: tuple[Token, ...]
    root: Node | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Place:
    """A line and column, counting from 1."""

    line: int
    column: int


def node_place(node: Node) -> Place:
    """Where a node starts."""
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def node_lines(node: Node) -> tuple[int, int]:
    """First and last line of a node, counting from 1; blank lines after it are not part of it."""
    first = node.start_mark.line + 1
    # A block collection ends where the next token starts, so its last value tells where its text ends.
    while isinstance(node, MappingNode | SequenceNode) and not node.flow_style and node.value:
        last_child = node.value[-1]
        node = last_child[1] if isinstance(last_child, tuple) else last_child
    last = node.end_mark.line + (1 if node.end_mark.column > 0 else 0)
    return first, max(first, last)


def merged_pairs(node: MappingNode) -> tuple[list[tuple[Node, Node]], ScalarNode | None]:
    """The pairs of ``node``, those that a ``<<`` takes from elsewhere first, and the first ``<<`` if there is one.

    Of pairs with the same key the last one counts, so that what stands here itself wins (YAML's merge key, type
    repository of YAML 1.1). Raises ValueError where ``<<`` names something without keys.
    """
    sign = next((key for key, _ in node.value if key.tag == MERGE), None)
    if sign is None:
        return node.value, None
    taken: list[tuple[Node, Node]] = []
    for key, value in node.value:
        if key.tag != MERGE:
            continue
        sources = list(reversed(value.value)) if isinstance(value, SequenceNode) else [value]
        for source in sources:
            if not isinstance(source, MappingNode):
                raise ValueError("<< names something without keys")  # noqa: TRY004 - the file is wrong, not the program
            taken += merged_pairs(source)[0]
    return taken + [(key, value) for key, value in node.value if key.tag != MERGE], sign


def plain_value(node: Node) -> object:
    """What the public tools make of ``node``, such as a number. Raises ValueError for what they cannot read."""
    reader = yaml.SafeLoader("")
    try:
        return reader.construct_document(node)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ValueError(str(error)) from error
    finally:
        reader.dispose()


def read_source(data: bytes) -> YamlSource:
    """Decode and compose ``data``. Never raises: what is wrong is in ``problems``."""
    if len(data) > MOST_BYTES:
        return YamlSource("", (), None, (too_large(len(data)),))
    problems: list[Problem] = []
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        message = "The file is not written in UTF-8. Save it again with the encoding UTF-8."
        return YamlSource("", (), None, (Problem("not-utf8", "error", message, line, column),))
    if text.startswith("\ufeff"):
        text = text[1:]
        message = "The file starts with a byte order mark. It is not needed; saving here removes it."
        problems.append(Problem("byte-order-mark", "warning", message, 1, 1))
    if "\r" in text:
        line = text[: text.index("\r")].count("\n") + 1
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        message = "Lines end in the manner of Windows. It does no harm; saving here changes it."
        problems.append(Problem("line-ends", "info", message, line))
    unprintable = UNPRINTABLE.search(text)
    if unprintable is not None:
        place = _place(text, unprintable.start())
        message = f"There is a control character (U+{ord(unprintable.group()):04X}) here. Remove it."
        problems.append(Problem("control-character", "error", message, place.line, place.column))
        return YamlSource(text, (), None, tuple(problems))
    tokens, broken = _scan(text, problems)
    if any(problem.severity == "error" for problem in problems):
        return YamlSource(text, tokens, None, tuple(problems))
    try:
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError as error:
        return YamlSource(text, tokens, None, (*problems, _syntax_problem(error, text)))
    if broken is not None:
        return YamlSource(text, tokens, None, (*problems, _syntax_problem(broken, text)))
    # Without names every node has tokens of its own, and those were counted.
    if root is not None and any(problem.code == "yaml-anchor" for problem in problems):
        problems += _guard_tree(root)
    if any(problem.severity == "error" for problem in problems):
        root = None
    return YamlSource(text, tokens, root, tuple(problems))


def too_large(size: int, most: int = MOST_BYTES) -> Problem:
    """The problem of a file of ``size`` bytes where ``most`` are read: of this one, none."""
    message = f"The file has {size:,} bytes; {most:,} is the most. Split it into several leaves."
    return Problem("file-too-large", "error", message, 1, 1)


def _place(text: str, index: int) -> Place:
    return Place(text.count("\n", 0, index) + 1, index - (text.rfind("\n", 0, index) + 1) + 1)


def _scan(text: str, problems: list[Problem]) -> tuple[tuple[Token, ...], yaml.YAMLError | None]:
    """All tokens up to the first that cannot be read. Depth is limited here: composing recurses in C.

    The loops run in C where they can: this is half of what a check takes while its author types.
    """
    tokens: list[Token] = []
    broken: yaml.YAMLError | None = None

    def say(code: str, severity: Severity, message: str, token: Token) -> None:
        mark = token.start_mark
        problems.append(Problem(code, severity, message, mark.line + 1, mark.column + 1))

    loader = yaml.CSafeLoader(text)
    rest = iter(loader.get_token, None)
    depth = 0
    while broken is None:
        seen = len(tokens)
        try:
            tokens.extend(islice(rest, _AT_ONCE))
        except yaml.YAMLError as error:
            broken = error  # what came before it is in the list
        if seen == len(tokens):
            break
        steps = list(accumulate((_DEPTH[type(token)] for token in tokens[seen:]), initial=depth))
        depth = steps[-1]
        if max(steps) > MOST_DEPTH:
            first = next(at for at, step in enumerate(steps) if step > MOST_DEPTH)
            message = "The file is nested far deeper than any leaf. Check the brackets."
            say("yaml-too-deep", "error", message, tokens[seen + first - 1])
            return tuple(tokens), broken
        if len(tokens) > MOST_TOKENS:
            message = "The file has far more parts than any leaf. Split it into several."
            say("yaml-too-deep", "error", message, tokens[-1])
            return tuple(tokens), broken
    kinds = frozenset(map(type, tokens))
    if "\t" in text:
        tab = _tab_between(text, tokens)
        if tab is not None:
            place = _place(text, tab)
            message = "A tab stands between the parts of a line. Use spaces."
            problems.append(Problem("yaml-tab", "error", message, place.line, place.column))
            return tuple(tokens), broken
    if not _NAMES.isdisjoint(kinds):
        named = next(token for token in tokens if type(token) in _NAMES)
        message = "Names with & and * are hard to read for others. Write the text out where it is meant."
        say("yaml-anchor", "warning", message, named)
    return tuple(tokens), broken


def _tab_between(text: str, tokens: list[Token]) -> int | None:
    """The index of the first tab where PyYAML's own parser takes none: between tokens, in unquoted text; or None."""
    end = 0
    for token in tokens:
        start = token.start_mark.index
        tab = _tab_outside_comments(text, end, start) if start > end else None
        if tab is None and isinstance(token, ScalarToken):
            if token.plain:
                found = text.find("\t", start, token.end_mark.index)
                tab = None if found < 0 else found
            elif token.style in ("|", ">"):
                # Behind the sign that starts a block of text, only spaces and a comment may follow.
                line_end = text.find("\n", start)
                tab = _tab_outside_comments(text, start, len(text) if line_end < 0 else line_end)
        if tab is not None:
            return tab
        end = max(end, token.end_mark.index)
    return None


def _tab_outside_comments(text: str, start: int, end: int) -> int | None:
    """The index of a tab in the gap between two tokens that is not in a comment nor on a blank line, or None."""
    position = start
    while position < end:
        character = text[position]
        if character == "#":
            line_end = text.find("\n", position, end)
            if line_end < 0:
                return None
            position = line_end
        elif character == "\t":
            return position
        position += 1
    return None


def _syntax_problem(error: yaml.YAMLError, text: str) -> Problem:
    words = str(getattr(error, "problem", None) or error)
    explanation = next((ours for theirs, ours in _EXPLANATIONS if theirs in words), None)
    message = explanation or f"The file cannot be read as YAML here ({words}). Check the line and the one above."
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    context = getattr(error, "context_mark", None)
    if "end of stream" in words and context is not None:
        mark = context  # the opening quote says more than the end of the file
    if mark is None:
        return Problem("yaml-syntax", "error", message, 1, 1)
    last_line = text.count("\n", 0, max(len(text) - 1, 0)) + 1
    return Problem("yaml-syntax", "error", message, min(mark.line + 1, last_line), mark.column + 1)


def _guard_tree(root: Node) -> list[Problem]:
    """Refuse trees that an alias makes endless or huge: each visit counts, shared or not."""
    visits = 0
    open_nodes: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, leaving = stack.pop()
        if leaving:
            open_nodes.discard(id(node))
            continue
        visits += 1
        place = node_place(node)
        if visits > MOST_NODES:
            message = "Names with & and * make the file far larger than it looks. Write the text out."
            return [Problem("yaml-alias-loop", "error", message, place.line, place.column)]
        if isinstance(node, ScalarNode):
            continue
        if id(node) in open_nodes:
            message = "A value contains itself through & and *. Write the text out."
            return [Problem("yaml-alias-loop", "error", message, place.line, place.column)]
        open_nodes.add(id(node))
        stack.append((node, True))
        if isinstance(node, MappingNode):
            for key, value in node.value:
                stack += ((value, False), (key, False))
        elif isinstance(node, SequenceNode):
            stack += ((item, False) for item in node.value)
    return []
