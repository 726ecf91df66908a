"""A leaf changed in its own text: only the lines of what is different are written anew.

People keep comments in their files, an order of keys, a style of quoting, wide lines or narrow ones. An editor that
gives all this up because a comma was added is one that nobody trusts with a file; and in the history a small change
must look small. So the wanted leaf is compared with the one in the text, and each difference replaces the text of its
own value, seed or pair. Whatever this cannot do safely (anchors, flow style, a file that cannot be read) it leaves to
:func:`taxonomy_repo.leaf.write_leaf`; and what it has done is read again and must be the wanted leaf.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from taxonomy_repo.leaf import CURRENT_VERSION, KnowledgeSeed, Leaf, QuestionAnswer, Seed, read_leaf, write_leaf
from taxonomy_repo.leaf_writer import document_lines, pair_lines, seed_lines, text_lines
from taxonomy_repo.yaml_source import read_source

_BLOCK_HEADER = re.compile(r"[|>](?P<signs>[+\-0-9]{0,2})[ \t]*(?P<comment>#[^\n]*)?\n")
_BLANK_OR_COMMENT = re.compile(r"[ \t]*(#.*)?\Z")
T = TypeVar("T", Seed, QuestionAnswer)


class _TooOwnAWay(Exception):
    """The text is written in a way that is not edited here."""


@dataclass(frozen=True)
class _Change:
    """The characters from ``start`` to ``end`` of the text become ``text``."""

    start: int
    end: int
    text: str


def edit_leaf(data: bytes, path: str, wanted: Leaf) -> bytes:
    """``data`` with the least changed that makes it say ``wanted``; written anew where that cannot be done.

    A file that says ``wanted`` already (whatever version it is written in) comes back as it is, byte for byte.

    Args:
        data: the file as it stands; empty or unreadable for a leaf that is new.
        path: the leaf's place, as for :func:`taxonomy_repo.leaf.read_leaf`.

    Raises:
        UnwritableText: as :func:`taxonomy_repo.leaf.write_leaf` does.
    """
    fresh = write_leaf(wanted)  # also says what no file can hold
    current = read_leaf(data, path).leaf
    if current is None:
        return fresh
    if _same(current, wanted):
        return data
    try:
        text = _Editing(data, current).edited(wanted)
    except _TooOwnAWay:
        return fresh
    made = text.encode("utf-8")
    # Read as it will be read: a wrong guess about the text must never become a wrong leaf.
    again = read_leaf(made, path).leaf
    return made if again is not None and again == replace(wanted, version=CURRENT_VERSION) else fresh


def _same(current: Leaf, wanted: Leaf) -> bool:
    return replace(current, version=wanted.version) == wanted


class _Editing:
    """The text of one leaf with its nodes, and the changes gathered so far."""

    def __init__(self, data: bytes, leaf: Leaf) -> None:
        source = read_source(data)
        if not isinstance(source.root, MappingNode) or any(p.code == "yaml-anchor" for p in source.problems):
            raise _TooOwnAWay
        # A last line without its end gets one here, and loses it again at the end.
        self.unended = not source.text.endswith("\n")
        self.text = source.text + "\n" * self.unended
        self.root = source.root
        self.leaf = leaf
        self.changes: list[_Change] = []
        if self.root.flow_style:
            raise _TooOwnAWay

    def edited(self, wanted: Leaf) -> str:
        """The text that says ``wanted``."""
        self._version()
        for key in ("created_by", "task_description", "domain", "document_outline"):
            self._value(self.root, key, getattr(self.leaf, key), getattr(wanted, key), key)
        if self.leaf.document != wanted.document:
            self._document(wanted)
        if self.leaf.seed_examples != wanted.seed_examples:
            _, node = self._pair(self.root, "seed_examples")
            self._items(
                node,
                self.leaf.seed_examples,
                wanted.seed_examples,
                seed_lines,
                self._seed,
                likeness=_seed_likeness,
                written_at=2,
            )
        text = self._applied(0, len(self.text))
        return text.removesuffix("\n") if self.unended else text

    # -- the parts

    def _version(self) -> None:
        if self.leaf.version == CURRENT_VERSION:
            return
        node = next((value for key, value in self.root.value if key.value == "version"), None)
        if node is None:
            self._insert_line(self.root.start_mark.index, f"version: {CURRENT_VERSION}")
        else:
            self.changes.append(_Change(node.start_mark.index, node.end_mark.index, str(CURRENT_VERSION)))

    def _document(self, wanted: Leaf) -> None:
        lines = document_lines(wanted.document) if wanted.document is not None else []
        found = [at for at, (key, _) in enumerate(self.root.value) if key.value == "document"]
        if not found:
            key, _ = self._pair(self.root, "seed_examples")
            self._insert_line(key.start_mark.index, *lines)
            return
        key, value = self.root.value[found[0]]
        start, end = self._line_start(key.start_mark.index), self._content_end(value)
        self.changes.append(_Change(start, end, "".join(f"{line}\n" for line in lines)))

    def _seed(self, node: Node, old: Seed, new: Seed, field: str) -> None:
        """Change one seed inside its own text."""
        if isinstance(old, KnowledgeSeed) != isinstance(new, KnowledgeSeed) or not isinstance(node, MappingNode):
            raise _TooOwnAWay
        if isinstance(old, KnowledgeSeed) and isinstance(new, KnowledgeSeed):
            self._value(node, "context", old.context, new.context, f"{field}.context")
            if old.questions_and_answers != new.questions_and_answers:
                self._items(
                    self._pair(node, "questions_and_answers")[1],
                    old.questions_and_answers,
                    new.questions_and_answers,
                    pair_lines,
                    self._question,
                    likeness=lambda one, other: (one.question == other.question) + (one.answer == other.answer),
                    written_at=6,
                )
            return
        assert not isinstance(old, KnowledgeSeed)  # both are of one kind  # noqa: S101
        assert not isinstance(new, KnowledgeSeed)  # as the old one  # noqa: S101
        if (old.context is None) != (new.context is None):
            raise _TooOwnAWay
        self._value(node, "context", old.context or "", new.context or "", f"{field}.context")
        self._question(node, old, new, field)

    def _question(self, node: Node, old: QuestionAnswer | Seed, new: QuestionAnswer | Seed, field: str) -> None:
        if not isinstance(node, MappingNode):
            raise _TooOwnAWay
        for key in ("question", "answer"):
            self._value(node, key, getattr(old, key), getattr(new, key), f"{field}.{key}")

    def _value(self, node: MappingNode, key_name: str, old: str, new: str, field: str) -> None:
        """Put ``new`` in the place of a text."""
        if old == new:
            return
        if node.flow_style:
            raise _TooOwnAWay
        found = [(key, value) for key, value in node.value if key.value == key_name]
        if not found:
            # A key that nobody has written yet stands before all others of its mapping.
            column = node.start_mark.column
            lines = text_lines(f"{key_name}: ", new, column + 2, field)
            rest = "".join(f"\n{line}" for line in lines[1:])
            self.changes.append(
                _Change(node.start_mark.index, node.start_mark.index, f"{lines[0]}{rest}\n{' ' * column}")
            )
            return
        key, value = found[-1]
        if not isinstance(value, ScalarNode):
            raise _TooOwnAWay
        start, end = value.start_mark.index, value.end_mark.index
        head = self.text[self._line_start(key.start_mark.index) : key.start_mark.index] + f"{key_name}: "
        indent = key.start_mark.column + 2
        if start == end:  # nothing at all stands behind the colon
            start = end = self.text.index(":", key.end_mark.index) + 1
            lines = text_lines(head, new, indent, field)
            lines[0] = " " + lines[0][len(head) :]
        elif value.style in ("|", ">"):
            end = self._block_end(start, end)
            lines = self._block(head, start, end, value.style, new, indent, field)
        elif value.style == "'" and "\n" not in new and len(head) + len(new) <= 110 and new.isprintable():
            lines = ["'" + new.replace("'", "''") + "'"]
        else:
            lines = text_lines(head, new, indent, field)
            if value.style == '"' and len(lines) == 1 and not lines[0].endswith('"'):
                escaped = new.replace("\\", "\\\\").replace('"', '\\"')
                lines = [f'{head}"{escaped}"']
            lines[0] = lines[0][len(head) :]
        if self.text[start:end].count("\n") == 0 and len(lines) > 1 and not self.text[end:].startswith("\n"):
            raise _TooOwnAWay  # a comment behind a value that becomes a block of lines
        self.changes.append(_Change(start, end, "\n".join(lines)))

    def _block(self, head: str, start: int, end: int, style: str, new: str, indent: int, field: str) -> list[str]:
        """The lines of a text that stood in a block: in a block again where the text can stand in one."""
        header = _BLOCK_HEADER.match(self.text, start)
        if header is None or "+" in header["signs"]:
            raise _TooOwnAWay
        content = next((line for line in self.text[header.end() : end].split("\n") if line.strip()), "")
        own = len(content) - len(content.lstrip(" "))
        if own >= indent - 1 and not re.search(r"\d", header["signs"]):
            indent = own
        one_line = new.removesuffix("\n")
        if "\n" not in one_line and one_line.strip() == one_line and one_line:
            sign = "" if new.endswith("\n") else "-"
            if (style == "|" and not one_line.startswith(("#", "%"))) or len(one_line) <= 60:
                lines = [f"{style}{sign}", " " * indent + one_line]
            else:
                lines = text_lines(head, one_line, indent, field)
                lines[0] = lines[0][len(head) :]
                if lines[0] != ">-":
                    lines = [f"{style}{sign}", " " * indent + one_line]
                else:
                    lines[0] = f">{sign}"
        else:
            lines = text_lines(head, new, indent, field)
            lines[0] = lines[0][len(head) :]
        if lines[0] == style + header["signs"]:
            lines[0] = header.group().removesuffix("\n")
        elif header["comment"] and lines[0][:1] in "|>":
            lines[0] += f" {header['comment'].rstrip()}"
        return lines

    def _items(
        self,
        node: Node,
        old: Sequence[T],
        new: Sequence[T],
        write: Callable[[T, int], list[str]],
        change: Callable[[Node, T, T, str], None],
        *,
        likeness: Callable[[T, T], int],
        written_at: int,
    ) -> None:
        """Change a list of seeds or pairs: each new one from the old one that it was, or written anew.

        Args:
            write: the lines of an item, its hyphen at column ``written_at``.
            change: changes one item in its place.
            likeness: how many parts two items have in common.
        """
        if not isinstance(node, SequenceNode) or node.flow_style or not node.value or len(node.value) != len(old):
            raise _TooOwnAWay
        segments = self._segments(node)
        column = self._hyphen(node.value[0]) - self._line_start(node.value[0].start_mark.index)
        origins = _origins(old, new, likeness)
        outer, self.changes = self.changes, []
        pieces = []
        for at, item in enumerate(new):
            origin = origins[at]
            if origin is not None:
                start, end = segments[origin]
                before = list(self.changes)
                try:
                    if old[origin] != item:
                        change(node.value[origin], old[origin], item, f"seed_examples[{at}]")
                    pieces.append(self._applied(start, end))
                except _TooOwnAWay:
                    self.changes = before
                    pieces.append(_moved(write(item, at), column - written_at))
            else:
                pieces.append(_moved(write(item, at), column - written_at))
        self.changes = outer
        self.changes.append(_Change(segments[0][0], segments[-1][1], "".join(pieces)))

    # -- places in the text

    def _pair(self, node: MappingNode, name: str) -> tuple[Node, Node]:
        found = [(key, value) for key, value in node.value if key.value == name]
        if not found:
            raise _TooOwnAWay
        return found[-1]

    def _line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1

    def _hyphen(self, item: Node) -> int:
        """Where the hyphen of a list's item stands: on the item's own line, with nothing but spaces before it."""
        start = self._line_start(item.start_mark.index)
        before = self.text[start : item.start_mark.index]
        if before.strip(" ") != "-":
            raise _TooOwnAWay
        return start + before.index("-")

    def _content_end(self, node: Node) -> int:
        """The end of the last line with content of a node, its line end included."""
        while isinstance(node, MappingNode | SequenceNode) and node.value and not node.flow_style:
            last = node.value[-1]
            node = last[1] if isinstance(last, tuple) else last
        end = node.end_mark.index
        if isinstance(node, ScalarNode):
            if node.style in ("|", ">"):
                end = self._block_end(node.start_mark.index, end)
            elif node.start_mark.index == end:
                raise _TooOwnAWay  # where a value that is not there ends, nobody can say
        line_end = self.text.find("\n", end)
        return len(self.text) if line_end < 0 else line_end + 1

    def _block_end(self, start: int, end: int) -> int:
        """The end of a block's last line with text, without its line end."""
        return start + len(self.text[start:end].rstrip("\n"))

    def _segments(self, node: SequenceNode) -> list[tuple[int, int]]:
        """Each item's part of the text: whole lines, comments right above its hyphen included; without gaps."""
        starts = []
        floor = 0
        for item in node.value:
            start = self._line_start(self._hyphen(item))
            while start > floor:
                above = self._line_start(start - 1)
                line = self.text[above : start - 1]
                if above < floor or not line.strip() or not _BLANK_OR_COMMENT.match(line):
                    break
                start = above
            starts.append(start)
            floor = self._content_end(item)
        return list(zip(starts, [*starts[1:], floor], strict=True))

    def _insert_line(self, before: int, *lines: str) -> None:
        start = self._line_start(before)
        self.changes.append(_Change(start, start, "".join(f"{line}\n" for line in lines)))

    def _applied(self, start: int, end: int) -> str:
        """The text from ``start`` to ``end`` with the changes that lie in it."""
        pieces, at = [], start
        for one in sorted(self.changes, key=lambda one: (one.start, one.end)):
            if start <= one.start and one.end <= end:
                pieces += [self.text[at : one.start], one.text]
                at = one.end
        return "".join([*pieces, self.text[at:end]])


def _moved(lines: Sequence[str], by: int) -> str:
    """Lines further to the right (or left) by so many columns, each with its line end."""
    if by >= 0:
        return "".join(f"{' ' * by}{line}\n" if line else "\n" for line in lines)
    return "".join(f"{line[-by:]}\n" if line else "\n" for line in lines)


def _seed_likeness(one: Seed, other: Seed) -> int:
    if isinstance(one, KnowledgeSeed) and isinstance(other, KnowledgeSeed):
        pairs = set(one.questions_and_answers) & set(other.questions_and_answers)
        return (one.context == other.context) + len(pairs)
    if isinstance(one, KnowledgeSeed) or isinstance(other, KnowledgeSeed):
        return 0
    return (one.question == other.question) + (one.answer == other.answer)


def _origins(old: Sequence[T], new: Sequence[T], likeness: Callable[[T, T], int]) -> list[int | None]:
    """For each new item which old one it was: the same, else one that has something in common, else its place."""
    origins: list[int | None] = [None] * len(new)
    free = dict.fromkeys(range(len(old)))

    def take(at: int, origin: int) -> None:
        origins[at] = origin
        del free[origin]

    for at, item in enumerate(new):
        if at in free and old[at] == item:
            take(at, at)
    for at, item in enumerate(new):
        if origins[at] is None:
            same = next((origin for origin in free if old[origin] == item), None)
            if same is not None:
                take(at, same)
    for at, item in enumerate(new):
        if origins[at] is None and free:
            nearest = max(free, key=lambda origin: (likeness(old[origin], item), origin == at))
            if likeness(old[nearest], item):
                take(at, nearest)
    if len(old) == len(new):
        for at in range(len(new)):
            if origins[at] is None and at in free:
                take(at, at)
    return origins
