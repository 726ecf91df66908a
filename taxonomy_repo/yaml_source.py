"""YAML text on its way to being a leaf: decoded, guarded, and composed into nodes that know their lines.

Nothing here knows what a leaf is. libyaml does the parsing; this module keeps it away from what could hurt (size,
depth, anchors that multiply, control characters) and turns its complaints into sentences. Where libyaml accepts
what PyYAML's own parser refuses (tabs between tokens), the stricter one is followed, because the public tools use it.
"""

from __future__ import annotations

import functools
import itertools
import re
from dataclasses import dataclass

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode
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

from taxonomy_repo.problem import Problem

MOST_BYTES = 1_000_000
MOST_DEPTH = 20
MOST_NODES = 100_000
# Of every two collections inside each other at least one has a token that opens it (a list that is not indented and a
# pair between brackets have none), and the innermost node may be a text: what is deeper than this has too many tokens.
_MOST_NODE_DEPTH = 2 * MOST_DEPTH + 1

MERGE = "tag:yaml.org,2002:merge"

# What YAML 1.1 lets a text hold as it is (section 5.1, c-printable), turned round.
UNPRINTABLE = re.compile("[^\x09\x0a\x0d\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The ASCII among it, as bytes: what is left of a file without these is looked for, and mostly there is nothing.
_PRINTABLE_ASCII = bytes([0x09, 0x0A, 0x0D, *range(0x20, 0x7F)])
# What the sign of a name looks like: it follows nothing that could be part of a word. Texts may have it too.
_NAME_SIGN = re.compile(r"[&*](?<![0-9A-Za-z*&].)[0-9A-Za-z_-]")
# A comment right behind the sign of a block of text, which PyYAML's own parser refuses and libyaml takes.
_GLUED_COMMENT = re.compile(r"[|>][0-9+-]{0,2}#")

_OPENING = frozenset([BlockMappingStartToken, BlockSequenceStartToken, FlowMappingStartToken, FlowSequenceStartToken])
_CLOSING = frozenset([BlockEndToken, FlowMappingEndToken, FlowSequenceEndToken])
_NAMES = frozenset([AnchorToken, AliasToken])

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


@dataclass(frozen=True)
class YamlSource:
    """The text of a file, its tree and its tokens; ``root`` is None when a problem prevents it.

    ``text`` has ``\\n`` for every line end and no byte order mark, as the public tools see it.
    """

    text: str
    root: Node | None
    problems: tuple[Problem, ...]

    @functools.cached_property
    def tokens(self) -> tuple[Token, ...]:
        """All tokens; none where there is no tree. Taken when they are first asked for: only linters do."""
        return () if self.root is None else tuple(_tokens(self.text))


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
    first: int = node.start_mark.line + 1
    # A block collection ends where the next token starts, so its last value tells where its text ends.
    while isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last_child = node.value[-1]
        node = last_child[1] if isinstance(last_child, tuple) else last_child
    end = node.end_mark
    last: int = end.line + 1 if end.column else end.line
    return (first, last) if last > first else (first, first)


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
        return YamlSource("", None, (too_large(len(data)),))
    problems: list[Problem] = []
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        message = "The file is not written in UTF-8. Save it again with the encoding UTF-8."
        return YamlSource("", None, (Problem("not-utf8", "error", message, line, column),))
    if text.startswith("\ufeff"):
        text = text[1:]
        message = "The file starts with a byte order mark. It is not needed; saving here removes it."
        problems.append(Problem("byte-order-mark", "warning", message, 1, 1))
    if "\r" in text:
        line = text[: text.index("\r")].count("\n") + 1
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        message = "Lines end in the manner of Windows. It does no harm; saving here changes it."
        problems.append(Problem("line-ends", "info", message, line))
    unprintable = UNPRINTABLE.search(text) if data.translate(None, _PRINTABLE_ASCII) else None
    if unprintable is not None:
        place = _place(text, unprintable.start())
        message = f"There is a control character (U+{ord(unprintable.group()):04X}) here. Remove it."
        problems.append(Problem("control-character", "error", message, place.line, place.column))
        return YamlSource(text, None, tuple(problems))
    root = _compose(text, problems)
    if any(problem.severity == "error" for problem in problems):
        root = None
    return YamlSource(text, root, tuple(problems))


def _compose(text: str, problems: list[Problem]) -> Node | None:
    """The tree of ``text``, or None for none; what is wrong with it goes into ``problems``."""
    composer = _Composer(text)
    root: Node | None = None
    broken: yaml.YAMLError | None = None
    try:
        root = composer.get_single_node()
    except _TooDeep as error:
        problems.append(_too_deep(text) or _at(error.place, "yaml-too-deep", _TOO_DEEP))
        return None
    except _TooMany as error:
        message = "The file has far more parts than any leaf. Split it into several."
        problems.append(_at(error.place, "yaml-too-deep", message))
        return None
    except yaml.YAMLError as error:
        broken = error
    finally:
        composer.dispose()
    if composer.deepest > MOST_DEPTH:
        problem = _too_deep(text)
        if problem is not None:
            problems.append(problem)
            return None
    # These need the tokens, which most leaves can do without.
    has_tab = "\t" in text
    may_have_name = ("&" in text or "*" in text) and _NAME_SIGN.search(text) is not None
    may_have_glued = "#" in text and _GLUED_COMMENT.search(text) is not None
    if has_tab or may_have_name or may_have_glued:
        tokens = _tokens(text, until=None if broken is None else _mark_of(broken))
        tab = _tab_between(text, tokens) if has_tab else None
        if tab is not None:
            place = _place(text, tab)
            message = "A tab stands between the parts of a line. Use spaces."
            problems.append(Problem("yaml-tab", "error", message, place.line, place.column))
            return None
        glued = next((token for token in tokens if may_have_glued and _is_glued(text, token)), None)
        if glued is not None:
            message = "A comment stands right behind the | or >. Put a space before its #."
            problems.append(_at(_place(text, glued.start_mark.index), "yaml-syntax", message))
            return None
        named = next((token for token in tokens if type(token) in _NAMES), None)
        if named is not None:
            message = "Names with & and * are hard to read for others. Write the text out where it is meant."
            mark = named.start_mark
            problems.append(Problem("yaml-anchor", "warning", message, mark.line + 1, mark.column + 1))
            # Without names every node has a place of its own in the text, and those were counted.
            if root is not None:
                problems += _guard_tree(root)
    if broken is not None:
        problems.append(_syntax_problem(broken, text))
    return root


class _Stopped(Exception):
    """Composing was given up at ``place``."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place


class _TooDeep(_Stopped):
    """Nodes lie in one another deeper than in any leaf: composing them recurses in C."""


class _TooMany(_Stopped):
    """There are more nodes than in any leaf."""


_TOO_DEEP = "The file is nested far deeper than any leaf. Check the brackets."


class _Composer(yaml.CSafeLoader):
    """libyaml's composer, stopped before what it makes is too deep or too much.

    It calls ``descend_resolver`` and ``ascend_resolver`` around each node, and ``resolve`` for each without a type.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = self.deepest = self.nodes = 0

    def descend_resolver(self, parent: Node | None, index: object) -> None:
        self.nodes += 1
        self.depth = depth = self.depth + 1
        if depth > self.deepest:
            self.deepest = depth
            if depth > _MOST_NODE_DEPTH:
                raise _TooDeep(_latest(parent))
        if self.nodes > MOST_NODES:
            raise _TooMany(_latest(parent))

    def ascend_resolver(self) -> None:
        self.depth -= 1

    def resolve(self, kind: type[Node], value: str | None, implicit: tuple[bool, bool]) -> str:
        """As the loader's own does it, without looking for rules by path, of which there are none."""
        if kind is not ScalarNode:
            return _SEQUENCE if kind is SequenceNode else _MAPPING
        if value is not None and implicit[0]:
            for tag, form in _FORMS.get(value[:1], ()):
                if form.match(value):
                    return tag
        return _STRING


_STRING = yaml.CSafeLoader.DEFAULT_SCALAR_TAG
_SEQUENCE = yaml.CSafeLoader.DEFAULT_SEQUENCE_TAG
_MAPPING = yaml.CSafeLoader.DEFAULT_MAPPING_TAG
# By its first sign, what a text without quotes may be other than a text.
_FORMS: dict[str, list[tuple[str, re.Pattern[str]]]] = yaml.CSafeLoader.yaml_implicit_resolvers


def _latest(parent: Node | None) -> Place:
    """Where the newest node below ``parent`` is, or ``parent`` itself."""
    if not isinstance(parent, MappingNode | SequenceNode):
        return Place(1, 1)
    last = parent.value[-1] if parent.value else parent
    return node_place(last[1] if isinstance(last, tuple) else last)


def _at(place: Place, code: str, message: str) -> Problem:
    return Problem(code, "error", message, place.line, place.column)


def _mark_of(error: yaml.YAMLError) -> yaml.Mark | None:
    """Where libyaml stopped, if it says."""
    return getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)


def _too_deep(text: str) -> Problem | None:
    """The problem of the first token that opens more than a leaf may have inside one another, or None."""
    depth = 0
    loader = yaml.CSafeLoader(text)
    try:
        while (token := loader.get_token()) is not None:
            depth += 1 if type(token) in _OPENING else -1 if type(token) in _CLOSING else 0
            if depth > MOST_DEPTH:
                mark = token.start_mark
                return _at(Place(mark.line + 1, mark.column + 1), "yaml-too-deep", _TOO_DEEP)
    except yaml.YAMLError:
        return None  # it is said where composing stopped
    finally:
        loader.dispose()
    return None


def _tokens(text: str, until: yaml.Mark | None = None) -> list[Token]:
    """The tokens up to the one at ``until``, or to the first that cannot be read."""
    tokens: list[Token] = []
    loader = yaml.CSafeLoader(text)
    rest = iter(loader.get_token, None)
    try:
        if until is None:
            tokens.extend(rest)
        else:
            tokens.extend(itertools.takewhile(lambda token: token.start_mark.index <= until.index, rest))
    except yaml.YAMLError:
        pass  # composing has stopped there, too; what came before it is in the list
    finally:
        loader.dispose()
    return tokens


def too_large(size: int, most: int = MOST_BYTES) -> Problem:
    """The problem of a file of ``size`` bytes where ``most`` are read: of this one, none."""
    message = f"The file has {size:,} bytes; {most:,} is the most. Split it into several leaves."
    return Problem("file-too-large", "error", message, 1, 1)


def _place(text: str, index: int) -> Place:
    return Place(text.count("\n", 0, index) + 1, index - (text.rfind("\n", 0, index) + 1) + 1)


def _is_glued(text: str, token: Token) -> bool:
    """Whether ``token`` is a block of text with a comment right behind its sign."""
    block = isinstance(token, ScalarToken) and token.style in ("|", ">")
    return block and _GLUED_COMMENT.match(text, token.start_mark.index) is not None


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
    mark = _mark_of(error)
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
        if visits > MOST_NODES:
            message = "Names with & and * make the file far larger than it looks. Write the text out."
            return [_at(node_place(node), "yaml-alias-loop", message)]
        if isinstance(node, ScalarNode):
            continue
        if id(node) in open_nodes:
            message = "A value contains itself through & and *. Write the text out."
            return [_at(node_place(node), "yaml-alias-loop", message)]
        open_nodes.add(id(node))
        stack.append((node, True))
        if isinstance(node, MappingNode):
            for key, value in node.value:
                stack += ((value, False), (key, False))
        elif isinstance(node, SequenceNode):
            stack += ((item, False) for item in node.value)
    return []
