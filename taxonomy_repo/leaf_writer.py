"""From a leaf to text that the public linters have nothing to say about.

Multi-line text becomes a literal block, a long line a folded one, a short one stands as it is or in double quotes.
What a block cannot carry exactly (trailing spaces, several blank lines, unusual line ends) is quoted and escaped, so
that reading gives back the same characters.
"""

from __future__ import annotations

import re

from taxonomy_repo.leaf import (
    CURRENT_VERSION,
    DocumentReference,
    KnowledgeSeed,
    Leaf,
    QuestionAnswer,
    Seed,
    SeedExample,
    UnwritableText,
)

LINE_WIDTH = 100

# A text that may stand without quotes: starts with a letter, has nothing that YAML could take for a sign.
_PLAIN = re.compile(r"[^\W\d_][\w ,.;()?!'’“”–—/+=%$€£°-]*\Z")
# Words that some YAML reader takes for a truth value, a number or nothing.
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"])
# Line ends other than \n, and signs that make text run in another direction than it looks.
_ESCAPED = re.compile("[\r\x85\u2028\u2029\ufeff\u202a-\u202e\u2066-\u2069]")
_REFUSED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\x85": "\\N",
    "\u2028": "\\L",
    "\u2029": "\\P",
}


def leaf_text(leaf: Leaf) -> str:
    """The whole file. Raises UnwritableText, see :func:`taxonomy_repo.leaf.write_leaf`."""
    lines = [f"version: {CURRENT_VERSION}", *_entry("created_by", leaf.created_by, 0, "created_by")]
    if leaf.is_knowledge:
        if leaf.task_description:
            raise UnwritableText(
                "task_description", "Knowledge leaves have no task description. Use the domain and the outline."
            )
        lines += _entry("domain", leaf.domain, 0, "domain")
        lines += _entry("document_outline", leaf.document_outline, 0, "document_outline")
        if leaf.document is not None:
            lines += document_lines(leaf.document)
    else:
        lines += _entry("task_description", leaf.task_description, 0, "task_description")
    if not leaf.seed_examples:
        lines.append("seed_examples: []")
    else:
        lines.append("seed_examples:")
        for index, seed in enumerate(leaf.seed_examples):
            if isinstance(seed, KnowledgeSeed) != leaf.is_knowledge:
                raise UnwritableText(
                    f"seed_examples[{index}]",
                    "Seeds of knowledge (a context with pairs) and of skills cannot stand in one leaf.",
                )
            lines += seed_lines(seed, index)
    return "\n".join(lines) + "\n"


def document_lines(document: DocumentReference) -> list[str]:
    """The key ``document`` with what belongs below it."""
    lines = ["document:", *_entry("repo", document.repo, 2, "document.repo")]
    lines += _entry("commit", document.commit, 2, "document.commit")
    if not document.patterns:
        return [*lines, "  patterns: []"]
    lines.append("  patterns:")
    for index, pattern in enumerate(document.patterns):
        lines += text_lines("    - ", pattern, 6, f"document.patterns[{index}]")
    return lines


def seed_lines(seed: Seed, index: int) -> list[str]:
    """A seed as an item of the list, its hyphen at column 2."""
    block = _knowledge_seed(seed, index) if isinstance(seed, KnowledgeSeed) else _skill_seed(seed, index)
    return _as_item(block, 2)


def pair_lines(pair: QuestionAnswer, place: str | int) -> list[str]:
    """A pair of a knowledge seed as an item of its list, its hyphen at column 6."""
    block = _entry("question", pair.question, 8, f"{place}.question")
    return _as_item(block + _entry("answer", pair.answer, 8, f"{place}.answer"), 6)


def _skill_seed(seed: SeedExample, index: int) -> list[str]:
    field = f"seed_examples[{index}]"
    lines = [] if seed.context is None else _entry("context", seed.context, 4, f"{field}.context")
    lines += _entry("question", seed.question, 4, f"{field}.question")
    return lines + _entry("answer", seed.answer, 4, f"{field}.answer")


def _knowledge_seed(seed: KnowledgeSeed, index: int) -> list[str]:
    field = f"seed_examples[{index}]"
    lines = _entry("context", seed.context, 4, f"{field}.context")
    if not seed.questions_and_answers:
        return [*lines, "    questions_and_answers: []"]
    lines.append("    questions_and_answers:")
    for number, pair in enumerate(seed.questions_and_answers):
        lines += pair_lines(pair, f"{field}.questions_and_answers[{number}]")
    return lines


def _as_item(lines: list[str], indent: int) -> list[str]:
    """A mapping's lines with a hyphen before the first."""
    return [f"{' ' * indent}- {lines[0][indent + 2 :]}", *lines[1:]]


def _entry(key: str, text: str, indent: int, field: str) -> list[str]:
    return text_lines(f"{' ' * indent}{key}: ", text, indent + 2, field)


def text_lines(head: str, text: str, indent: int, field: str) -> list[str]:
    """``head`` and ``text`` in the plainest style that keeps every character; ``indent`` is that of a block's lines."""
    refused = _REFUSED.search(text)
    if refused is not None:
        raise UnwritableText(
            field, f"There is a character here (U+{ord(refused.group()):04X}) that a leaf cannot hold. Remove it."
        )
    if not _ESCAPED.search(text):
        if "\n" in text:
            block = _literal(text, indent)
            if block is not None:
                return [head + block[0], *block[1:]]
        elif len(head) + len(text) > LINE_WIDTH + 10:
            block = _folded(text, indent)
            if block is not None:
                return [head + block[0], *block[1:]]
        elif _PLAIN.match(text) and not text.endswith(" ") and text.lower() not in _WORDS:
            return [head + text]
    return [head + _quoted(text)]


def _literal(text: str, indent: int) -> list[str] | None:
    """``text`` as a ``|`` block, or None where a block would lose or mark something."""
    lines = text.split("\n")
    chomp = "-"
    if lines[-1] == "":
        chomp = ""
        lines.pop()
    blank = re.search(r"(^|\n)\n\n\n", text)  # the linters allow two blank lines in a row
    if not lines or lines[-1] == "" or lines[0] == "" or blank or any(line[-1:] in (" ", "\t") for line in lines):
        return None
    # A block whose first line is indented must say how far its own indentation goes.
    indicator = "2" if lines[0][0] in " \t" else ""
    return [f"|{indicator}{chomp}", *(" " * indent + line if line else "" for line in lines)]


def _folded(text: str, indent: int) -> list[str] | None:
    """``text``, one line, as a ``>-`` block broken at single spaces, or None where it cannot be broken so."""
    if text != text.strip() or "\t" in text or len(text.split(" ")) < 2:
        return None
    words: list[str] = []
    for word in re.split(r"(?<=[^ ]) (?=[^ ])", text):
        words.append(word)
    lines, line = [], words[0]
    for word in words[1:]:
        if len(line) + 1 + len(word) > LINE_WIDTH - indent:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}"
    lines.append(line)
    return [">-", *(" " * indent + part for part in lines)]


def _quoted(text: str) -> str:
    pieces = []
    for character in text:
        if character in _ESCAPES:
            pieces.append(_ESCAPES[character])
        elif _ESCAPED.match(character):
            pieces.append(f"\\u{ord(character):04X}")
        else:
            pieces.append(character)
    return '"' + "".join(pieces) + '"'
