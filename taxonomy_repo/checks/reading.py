"""Problems found while reading: the file, its YAML, the public schema. Reading says them; here they are explained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from taxonomy_repo.checks.registry import (
    GOOD_KNOWLEDGE,
    GOOD_SKILL,
    KNOWLEDGE_PATH,
    Check,
    Example,
    Subject,
    register,
)
from taxonomy_repo.problem import Problem


def _changed(old: str, new: str, count: int = 1) -> Example:
    assert old in GOOD_SKILL  # noqa: S101 - a wrong example shall fail when it is imported
    return Example(GOOD_SKILL.replace(old, new, count))


class ReadingCheck(Check):
    """A check whose problems reading has found already."""

    def find(self, subject: Subject) -> Iterator[Problem]:
        return (problem for problem in subject.reading.problems if problem.code == self.code)


@register
class FileTooLarge(ReadingCheck):
    code = "file-too-large"
    severity = "error"
    explanation = "A leaf is read by people. A file of more than a million bytes is not, and is not read here either."
    example = Example(b"# " + b"x" * 1_000_001)


@register
class NotUtf8(ReadingCheck):
    code = "not-utf8"
    severity = "error"
    explanation = "Leaves are written in UTF-8, the encoding that holds every script. Save the file again in it."
    example = Example(GOOD_SKILL.replace("Cold", "Kälte").encode("latin-1"))


@register
class ByteOrderMark(ReadingCheck):
    code = "byte-order-mark"
    severity = "warning"
    explanation = "Some editors put an invisible mark at the start of a file. Nothing needs it."
    example = Example("\ufeff" + GOOD_SKILL)


@register
class LineEnds(ReadingCheck):
    code = "line-ends"
    severity = "info"
    explanation = "Lines end with two characters, as on Windows. Saving a leaf here makes it one."
    example = Example(GOOD_SKILL.replace("\n", "\r\n"))


@register
class ControlCharacter(ReadingCheck):
    code = "control-character"
    severity = "error"
    explanation = "Text copied from documents may carry characters that are not seen and not allowed in YAML."
    example = _changed("Cold", "Co\x07ld")


@register
class YamlSyntax(ReadingCheck):
    code = "yaml-syntax"
    severity = "error"
    explanation = (
        "The file is not YAML at this line. Most often a text with a colon needs quotes, or a line is indented wrongly."
    )
    example = _changed("Answer in one word.", "Answer: in one word.")


@register
class YamlTab(ReadingCheck):
    code = "yaml-tab"
    severity = "error"
    explanation = "YAML allows tabs inside texts, not between keys, colons and values."
    example = _changed("answer: Cold", "answer:\tCold")


@register
class YamlAnchor(ReadingCheck):
    code = "yaml-anchor"
    severity = "warning"
    explanation = "A name (&) that is used again (*) saves typing and costs every reader. Write the text out."
    example = Example(
        GOOD_SKILL.replace("answer: Cold.", "answer: &cold Cold.").replace("answer: Low.", "answer: *cold")
    )


@register
class YamlTooDeep(ReadingCheck):
    code = "yaml-too-deep"
    severity = "error"
    explanation = "A leaf has four levels. A file with many more is a mistake or an attack."
    example = _changed("Cold.", "[" * 30 + "]" * 30)


@register
class YamlAliasLoop(ReadingCheck):
    code = "yaml-alias-loop"
    severity = "error"
    explanation = "A name (&, *) that contains itself, or multiplies a text thousands of times, is refused."
    # It cannot help having the warning about anchors too; the test knows.
    example = _changed("Cold.", "&x [*x]")


@register
class YamlMergeKey(ReadingCheck):
    code = "yaml-merge-key"
    severity = "warning"
    explanation = "<< copies keys from elsewhere in the file. Leaves are read one by one by people: write the keys out."
    example = _changed("    answer: Cold.\n", "    answer: Cold.\n    <<: {answer: Warm.}\n")


@register
class YamlMergeNothing(ReadingCheck):
    code = "yaml-merge-nothing"
    severity = "error"
    explanation = "Behind << stands something that has no keys which could be copied. Write the keys out."
    example = _changed("    answer: Cold.\n", "    answer: Cold.\n    <<: Warm.\n")


@register
class YamlValue(ReadingCheck):
    code = "yaml-value"
    severity = "error"
    explanation = (
        "A value that is not kept is read all the same, and this one (a day that does not exist, say) cannot be."
    )
    example = Example(
        GOOD_KNOWLEDGE.replace(
            "        answer: There is.\n", "        answer: There is.\n        day: 2024-02-31\n", 1
        ),
        KNOWLEDGE_PATH,
    )


@register
class YamlTag(ReadingCheck):
    code = "yaml-tag"
    severity = "error"
    explanation = "A ! at the start of a value names a type. Leaves hold texts only: put the text in quotes."
    example = _changed("Cold.", "!cold Cold.")


@register
class EmptyFile(ReadingCheck):
    code = "empty-file"
    severity = "warning"
    explanation = "A leaf without anything in it teaches nothing. The public tools let it pass; it cannot be submitted."
    example = Example("# nothing yet\n")


@register
class NotAMapping(ReadingCheck):
    code = "not-a-mapping"
    severity = "error"
    explanation = "A leaf is a list of keys (created_by, seed_examples ...) with values, not one text or one list."
    example = Example("- question: What?\n  answer: That.\n")


@register
class VersionUnknown(ReadingCheck):
    code = "version-unknown"
    severity = "error"
    explanation = "The version says which form the leaf has. 3 is the current one; 1 and 2 are read for skills."
    example = _changed("version: 3", "version: 4")


@register
class VersionNotWanted(ReadingCheck):
    code = "version-not-wanted"
    severity = "error"
    explanation = "The check was asked for one version (--schema-version), and the file is written in another."
    example = Example(GOOD_SKILL.replace("version: 3", "version: 2"), schema_version=3)


@register
class VersionOld(ReadingCheck):
    code = "version-old"
    severity = "info"
    explanation = "Versions 1 and 2 of skills are still read; the next edit saves the leaf as version 3."
    example = _changed("version: 3", "version: 2")


@register
class KnowledgeVersion(ReadingCheck):
    code = "knowledge-version"
    severity = "error"
    explanation = "Knowledge before version 3 had no contexts. It cannot be used, and cannot be converted by itself."
    example = Example(GOOD_KNOWLEDGE.replace("version: 3", "version: 2"), KNOWLEDGE_PATH)


@register
class MissingKey(ReadingCheck):
    code = "missing-key"
    severity = "error"
    explanation = "Something that every leaf of this kind has is not there."
    example = _changed("created_by: ann\n", "")


@register
class UnknownKey(ReadingCheck):
    code = "unknown-key"
    severity = "error"
    explanation = "A key that the form does not have is a slip of the pen, or text in the wrong place."
    example = _changed("created_by: ann\n", "created_by: ann\nlicense: MIT\n")


@register
class UnknownPairKey(ReadingCheck):
    code = "unknown-pair-key"
    severity = "warning"
    explanation = "A pair has a question and an answer. The public form tolerates more, but nothing uses it."
    example = Example(
        GOOD_KNOWLEDGE.replace("        answer: There is.\n", "        answer: There is.\n        source: Ann\n", 1),
        KNOWLEDGE_PATH,
    )


@register
class DuplicateKey(ReadingCheck):
    code = "duplicate-key"
    severity = "error"
    explanation = "Of two values under one key YAML keeps the last and silently drops the first."
    example = _changed("    answer: Cold.\n", "    answer: Warm.\n    answer: Cold.\n")

    def find(self, subject: Subject) -> Iterator[Problem]:
        for problem in super().find(subject):
            # The public linter refuses it. Where that is told to be silent, a value is lost all the same.
            silent = subject.is_silent("key-duplicates", problem.line)
            yield replace(problem, severity="warning") if silent else problem


@register
class WrongKind(ReadingCheck):
    code = "wrong-kind"
    severity = "error"
    explanation = "A list, a text or keys were expected here, and something else is there."
    example = _changed("answer: Cold.", "answer: [Cold.]")


@register
class NotText(ReadingCheck):
    code = "not-text"
    severity = "error"
    explanation = "YAML reads words such as yes, numbers and dates as something other than text. Quotes keep them text."
    example = _changed("Cold.", "no")


@register
class EmptyText(ReadingCheck):
    code = "empty-text"
    severity = "error"
    explanation = "A field with nothing in it teaches nothing. Write the text, or take the field away."
    example = _changed("Cold.", '""')


@register
class TooFew(ReadingCheck):
    code = "too-few"
    severity = "error"
    explanation = (
        "A leaf needs five seeds, a context three questions, so that the teacher sees what they have in common."
    )
    example = _changed("  - question: What is the opposite of heavy?\n    answer: Light.\n", "")


@register
class DuplicateItem(ReadingCheck):
    code = "duplicate-item"
    severity = "error"
    explanation = "Two seeds that are the same teach no more than one."
    example = _changed(
        "  - question: What is the opposite of high?\n    answer: Low.\n",
        "  - question: What is the opposite of hot?\n    answer: Cold.\n" + "  - question: Up?\n    answer: Down.\n",
    )
