"""Mending what people most often get wrong in YAML, without changing what they wrote.

Three kinds of faults are most of all that make a submitted leaf unreadable or refused: text below a ``|`` that is not
indented, text with a colon (or a sign that YAML keeps for itself) without quotes, and words that YAML reads as a truth
value, a number or a date. Each is mended where it stands; the rest of the file stays as it was. Spaces at the ends of
lines, blank lines at both ends and tabs between words go too, because the public tools refuse them. A repair counts
only if the file can be read further than before it, so that a guess which does not help leaves no trace.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from taxonomy_repo.leaf_reader import KNOWLEDGE_KEYS, SKILL_KEYS
from taxonomy_repo.leaf_writer import text_lines
from taxonomy_repo.problem import Problem, excerpt
from taxonomy_repo.yaml_source import YamlSource, read_source

__all__ = ["Mending", "Repair", "mend_leaf"]

# A repair needs the file to be read again: larger ones get fewer of them, so that a mending takes seconds at most.
_MOST_REPAIRS = 200
_MOST_BYTES_READ = 20_000_000

_INNER_KEYS = ("question", "answer", "context", "questions_and_answers", "repo", "commit", "patterns")
_KEY = "|".join(sorted({*SKILL_KEYS, *KNOWLEDGE_KEYS, *_INNER_KEYS}, key=len, reverse=True))
_KEY_LINE = re.compile(rf"(?P<lead> *(?:- +)*)(?P<key>{_KEY}) *:(?P<rest>$|[ \t].*$)")
_TIGHT_KEY = re.compile(rf"(?P<lead> *(?:- +)*)(?P<key>{_KEY}):(?P<rest>[^\s:].*)$")
# Escapes of YAML 1.1 (section 5.7); a line end may be escaped too.
_UNKNOWN_ESCAPE = re.compile(r"(?<!\\)\\(?![\\0abtnvfre \"/N_LPxuU\t]|$)")
_APOSTROPHE = re.compile(r"''|(?<=\w)'(?=\w)|(?<=s)'(?=\s)")
_NO_LETTER = re.compile(r"[\W\d_]+")
_BLOCK_SIGN = re.compile(r"[|>][0-9+-]{0,2}(?=$|[ \t])")
_GLUED_COMMENT = re.compile(r"(?<=[:-] )([|>][0-9+-]{0,2})#")
_NOT_TEXT = {
    "tag:yaml.org,2002:bool": "a truth value",
    "tag:yaml.org,2002:int": "a number",
    "tag:yaml.org,2002:float": "a number",
    "tag:yaml.org,2002:timestamp": "a date",
}


@dataclass(frozen=True)
class Repair:
    """One thing that was mended; ``line`` counts from 1 in the file as it is after the mending of all before it."""

    line: int
    message: str


@dataclass(frozen=True)
class Mending:
    """What became of mending a file: its bytes, the same as before where ``repairs`` is empty."""

    data: bytes
    repairs: tuple[Repair, ...]


def mend_leaf(data: bytes) -> Mending:
    """Mend the ``qna.yaml`` ``data`` as far as it can be done safely. Never raises for what is in it.

    What cannot be read at all (another encoding, control characters, far too large) is given back as it is. Mending a
    file that was mended changes nothing.
    """
    source = read_source(data)
    if not source.text or _first_error(source, ("control-character", "yaml-too-deep", "yaml-alias-loop")) is not None:
        return Mending(data, ())
    repairs: list[Repair] = []
    for _ in range(max(3, min(_MOST_REPAIRS, _MOST_BYTES_READ // len(data)))):
        problem = _first_error(source, ("yaml-syntax", "yaml-tab"))
        if problem is None:
            break
        step = _step(source, problem)
        if step is None:
            break
        source, repair = step
        repairs.append(repair)
    text = source.text
    if source.root is not None:
        text, quoted = _quote_values(text, source.root)
        repairs += quoted
    text, tidied = _tidy(text)
    repairs += tidied
    if not repairs:
        return Mending(data, ())
    return Mending(text.encode("utf-8"), tuple(repairs))


def _first_error(source: YamlSource, codes: tuple[str, ...]) -> Problem | None:
    return next((problem for problem in source.problems if problem.code in codes), None)


def _step(source: YamlSource, problem: Problem) -> tuple[YamlSource, Repair] | None:
    """The file after the first repair by which it can be read further, or None where none helps."""
    lines = source.text.split("\n")
    at = min(problem.line or 1, len(lines)) - 1
    before = (problem.line or 1, problem.column or 1)
    tried = set()
    for repair in _REPAIRS:
        for near in (at, at - 1, at - 2):
            made = repair(lines, near) if near >= 0 else None
            if made is None:
                continue
            start, end, new, message = made
            mended = "\n".join([*lines[:start], *new, *lines[end:]])
            if mended in tried or mended == source.text:
                continue
            tried.add(mended)
            if _words(mended) != _words(source.text):
                continue
            after = read_source(mended.encode("utf-8"))
            left = _first_error(after, ("yaml-syntax", "yaml-tab"))
            # Lines may have become fewer or more: what follows the repair counts from its end.
            moved = len(new) - (end - start)
            if left is None or ((left.line or 1) - moved, left.column or 1) > before:
                return after, Repair(start + 1, message)
    return None


def _words(text: str) -> str:
    """What a mending must keep: every letter, in order. Digits may go, because a block's sign may have one."""
    return _NO_LETTER.sub("", text)


Made = tuple[int, int, list[str], str]  # lines from, lines to, what stands there instead, what was done


def _owner(lines: list[str], at: int) -> tuple[int, re.Match[str]] | None:
    """The nearest line at or above ``at`` that starts with a key that leaves have."""
    for number in range(at, -1, -1):
        match = _KEY_LINE.match(lines[number])
        if match is not None:
            return number, match
    return None


def _text_below(lines: list[str], start: int, column: int) -> int:
    """Where the text that began above line ``start`` ends: at the next key that is not further in than ``column``."""
    end = start
    while end < len(lines):
        match = _KEY_LINE.match(lines[end])
        if match is not None and len(match["lead"]) <= column:
            break
        end += 1
    while end > start and not lines[end - 1].strip():
        end -= 1
    return end


def _indent_block(lines: list[str], at: int) -> Made | None:
    """Indent all lines of text below the nearest ``|`` or ``>``, and move text that stands behind it below it."""
    for number in range(at, -1, -1):
        match = _KEY_LINE.match(lines[number])
        value = "" if match is None else match["rest"].strip()
        if match is None or not value.startswith(("|", ">")):
            continue
        whole = _BLOCK_SIGN.match(value)
        sign = whole.group() if whole else value[0]
        behind = value[len(sign) :].strip()
        column = len(match["lead"])
        end = _text_below(lines, number + 1, column)
        body = lines[number + 1 : end]
        first = next((line for line in body if line.strip()), "")
        depth = len(first) - len(first.lstrip(" "))
        indent = " " * (column + 2)
        moved = [f"{indent}{behind}"] if behind and not behind.startswith("#") else []
        for line in body:
            own = len(line) - len(line.lstrip(" "))
            moved.append(f"{indent}{' ' * max(0, own - depth)}{line.strip(' ')}" if line.strip() else "")
        # How far a block is indented is told by its first line now, not by a number behind its sign.
        head = f"{match['lead']}{match['key']}: {sign.rstrip('0123456789')}"
        return number, end, [head, *moved], f"Indented the text below {match['key']}."
    return None


def _quote_text(lines: list[str], at: int) -> Made | None:
    """Put the value of the nearest key into quotes, or below it, with all lines that belong to it."""
    owner = _owner(lines, at)
    if owner is None:
        return None
    number, match = owner
    value = match["rest"].strip()
    if not value or value.startswith(("|", ">")):
        return None
    end = _text_below(lines, number + 1, len(match["lead"]))
    if any(_KEY_LINE.match(line) for line in lines[number + 1 : end]):
        return None  # keys further in: this is no text
    text = _unquoted("\n".join(_paragraphs([value, *lines[number + 1 : end]])))
    head = f"{match['lead']}{match['key']}: "
    new = text_lines(head, text, len(match["lead"]) + 2, match["key"])
    return number, end, new, f"Put the text of {match['key']} so that YAML takes its signs for text."


def _unquoted(text: str) -> str:
    """``text`` without the quotes around it, where they were meant so and an apostrophe in it ended them too early."""
    inner = text[1:-1].strip()
    if len(text) > 1 and text[0] == text[-1] == "'" and "'" not in _APOSTROPHE.sub("", inner):
        return inner.replace("''", "'")
    return text


def _paragraphs(lines: list[str]) -> list[str]:
    """Lines as YAML joins those of a text: one line end becomes a space, blank lines part paragraphs."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            found[-1].append(line.strip())
        elif found[-1]:
            found.append([])
    return [" ".join(words) for words in found if words]


def _space_tabs(lines: list[str], at: int) -> Made | None:
    """Write spaces for the tabs of one line."""
    if "\t" not in lines[at]:
        return None
    key = _KEY_LINE.match(lines[at].expandtabs(2).rstrip())
    new = lines[at].expandtabs(2).rstrip()
    if key is not None:
        new = f"{key['lead']}{key['key']}: {key['rest'].strip()}".rstrip()
    return at, at + 1, [new], "Wrote spaces for tabs."


def _space_after_colon(lines: list[str], at: int) -> Made | None:
    """Put a space between a key's colon and its value."""
    for number in range(at, -1, -1):
        match = _TIGHT_KEY.match(lines[number])
        if match is not None:
            new = f"{match['lead']}{match['key']}: {match['rest']}"
            return number, number + 1, [new], f"Put a space behind {match['key']}:."
        if _KEY_LINE.match(lines[number]) and number < at:
            break
    return None


def _space_before_comment(lines: list[str], at: int) -> Made | None:
    """Put a space between the sign of a block of text and a comment behind it."""
    new = _GLUED_COMMENT.sub(r"\1 #", lines[at])
    return (at, at + 1, [new], "Put a space before the #.") if new != lines[at] else None


def _escape_backslashes(lines: list[str], at: int) -> Made | None:
    """Double the backslashes that start no known escape, in a line of a text in double quotes."""
    new = _UNKNOWN_ESCAPE.sub(r"\\\\", lines[at])
    return (at, at + 1, [new], "Doubled a \\ inside double quotes.") if new != lines[at] else None


# Tried in this order: the first that lets the file be read further is taken.
_REPAIRS: tuple[Callable[[list[str], int], Made | None], ...] = (
    _space_tabs,
    _space_after_colon,
    _space_before_comment,
    _escape_backslashes,
    _quote_text,
    _indent_block,
)


def _quote_values(text: str, root: Node) -> tuple[str, list[Repair]]:
    """``text`` with quotes around the values that are texts in a leaf and something else to YAML."""
    repairs: list[Repair] = []
    spans: list[tuple[int, int, str]] = []
    for key, node in _texts(root):
        if node.tag in _NOT_TEXT and not node.style:  # unquoted
            start, end = node.start_mark.index, node.end_mark.index
            if text[start:end] == node.value:
                spans.append((start, end, node.value))
                what = _NOT_TEXT[node.tag]
                message = f"Put quotes around the {key} {excerpt(node.value)}, which YAML reads as {what}."
                repairs.append(Repair(node.start_mark.line + 1, message))
    for start, end, value in sorted(spans, reverse=True):
        text = f'{text[:start]}"{value}"{text[end:]}'
    return text, repairs


def _texts(root: Node) -> Iterator[tuple[str, ScalarNode]]:
    """The values of a leaf that are texts by its form, with their keys."""
    if not isinstance(root, MappingNode):
        return
    for key, value in root.value:
        if key.value in ("created_by", "task_description", "domain", "document_outline") and isinstance(
            value, ScalarNode
        ):
            yield key.value, value
        elif key.value == "document":
            yield from _texts_of(value, ("repo", "commit"))
            for name, inner in value.value if isinstance(value, MappingNode) else ():
                if name.value == "patterns" and isinstance(inner, SequenceNode):
                    yield from (("pattern", item) for item in inner.value if isinstance(item, ScalarNode))
        elif key.value == "seed_examples" and isinstance(value, SequenceNode):
            for seed in value.value:
                yield from _texts_of(seed, ("context", "question", "answer"))
                for name, inner in seed.value if isinstance(seed, MappingNode) else ():
                    if name.value == "questions_and_answers" and isinstance(inner, SequenceNode):
                        for pair in inner.value:
                            yield from _texts_of(pair, ("question", "answer"))


def _texts_of(node: Node, names: tuple[str, ...]) -> Iterator[tuple[str, ScalarNode]]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value in names and isinstance(value, ScalarNode):
                yield key.value, value


def _tidy(text: str) -> tuple[str, list[Repair]]:
    """``text`` without what only linters see: spaces at ends of lines, blank lines at both ends, a missing line end."""
    repairs: list[Repair] = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line != line.rstrip(" \t"):
            repairs.append(Repair(number + 1, "Took away the spaces at the end of the line."))
            lines[number] = line.rstrip(" \t")
    start = next((number for number, line in enumerate(lines) if line), len(lines))
    if start:
        repairs.append(Repair(1, "Took away the blank lines at the start."))
    whole = "\n".join(lines[start:])
    if not whole.strip("\n"):
        return text, []
    if not whole.endswith("\n"):
        repairs.append(Repair(len(lines), "Ended the last line."))
    elif whole.endswith("\n\n"):
        repairs.append(Repair(len(lines) - 1, "Took away the blank lines at the end."))
    return whole.rstrip("\n") + "\n", repairs
