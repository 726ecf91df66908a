"""What makes seeds good beyond their form: lengths, contexts, what of them reaches the teacher, pinned documents."""

from __future__ import annotations

import re
from collections.abc import Iterator

from taxonomy_repo.checks.registry import GOOD_KNOWLEDGE, GOOD_SKILL, KNOWLEDGE_PATH, Check, Example, Subject, register
from taxonomy_repo.checks.texts import seed_texts
from taxonomy_repo.leaf import KnowledgeSeed, SeedExample
from taxonomy_repo.problem import Problem

# InstructLab's limits in prose, in words.
MOST_CONTEXT_WORDS = 500
MOST_TEXT_WORDS = 250
# Pairs of a context that InstructLab's pipelines put into the teacher's prompt.
PAIRS_SHOWN = 3

_FULL_COMMIT = re.compile(r"[0-9a-f]{40}\Z")


@register
class TextTooLong(Check):
    code = "text-too-long"
    severity = "warning"
    explanation = (
        f"Knowledge is taught in small pieces: a context of at most {MOST_CONTEXT_WORDS} words, questions and answers "
        f"of at most {MOST_TEXT_WORDS}. More does not fit beside the document in the teacher's view."
    )
    example = Example(
        GOOD_KNOWLEDGE.replace("answer: There is.", "answer: There is" + " and is" * 125 + ".", 1), KNOWLEDGE_PATH
    )

    def find(self, subject: Subject) -> Iterator[Problem]:
        if subject.kind != "knowledge":
            return
        for field, text in seed_texts(subject):
            most = MOST_CONTEXT_WORDS if field.endswith(".context") else MOST_TEXT_WORDS
            words = len(text.split())
            if words > most:
                name = field.rsplit(".", 1)[1]
                yield subject.problem(self, f"The {name} has {words} words; {most} is the most. Shorten it.", field)


@register
class BeyondTeacher(Check):
    code = "beyond-teacher"
    severity = "info"
    explanation = (
        f"The teacher sees the first {PAIRS_SHOWN} questions of a context with their answers. Later ones still teach "
        "the student and may be held out for scoring; put the three that show best what you want first."
    )
    example = Example(
        GOOD_KNOWLEDGE.replace(
            "        answer: There is.\n",
            "        answer: There is.\n      - question: Who keeps it?\n        answer: The harbour of Osk does.\n",
            1,
        ),
        KNOWLEDGE_PATH,
    )

    def find(self, subject: Subject) -> Iterator[Problem]:
        leaf = subject.reading.leaf
        for index, seed in enumerate(leaf.seed_examples if leaf is not None else ()):
            if isinstance(seed, KnowledgeSeed) and len(seed.questions_and_answers) > PAIRS_SHOWN:
                message = f"From here on the teacher does not see the questions: the first {PAIRS_SHOWN} reach it."
                field = f"seed_examples[{index}].questions_and_answers[{PAIRS_SHOWN}]"
                yield subject.problem(self, message, field)


@register
class BlankText(Check):
    code = "blank-text"
    severity = "warning"
    explanation = "A text of nothing but spaces passes the public tools and teaches nothing."
    example = Example(GOOD_SKILL.replace("Cold.", '" "'))

    def find(self, subject: Subject) -> Iterator[Problem]:
        leaf = subject.reading.leaf
        if leaf is None:
            return
        whole = [
            ("created_by", leaf.created_by),
            ("task_description", leaf.task_description),
            ("domain", leaf.domain),
            ("document_outline", leaf.document_outline),
        ]
        for field, text in (*whole, *seed_texts(subject)):
            if text and not text.strip():
                yield subject.problem(self, "There is nothing but white space here. Write the text.", field)


@register
class ContextsMixed(Check):
    code = "contexts-mixed"
    severity = "warning"
    explanation = (
        "A skill is either asked about a given text or without one. All seeds of a leaf have a context, or none has."
    )
    example = Example(GOOD_SKILL.replace("    answer: Cold.", "    answer: Cold.\n    context: It is a warm day."))

    def find(self, subject: Subject) -> Iterator[Problem]:
        leaf = subject.reading.leaf
        if leaf is None:
            return
        seeds = [seed for seed in leaf.seed_examples if isinstance(seed, SeedExample)]
        having = sum(seed.context is not None for seed in seeds)
        if 0 < having < len(seeds):
            rarer = having <= len(seeds) - having
            index = next(i for i, seed in enumerate(seeds) if (seed.context is not None) == rarer)
            message = f"{having} of {len(seeds)} seeds have a context. Give one to all of them, or to none."
            yield subject.problem(self, message, f"seed_examples[{index}]")


@register
class DocumentNotPinned(Check):
    code = "document-not-pinned"
    severity = "warning"
    explanation = "A document is found again only by the full name of its version: 40 digits from 0 to f."
    example = Example(GOOD_KNOWLEDGE.replace("4f2a9c0d3b1e5f60718293a4b5c6d7e8f9012345", "main"), KNOWLEDGE_PATH)

    def find(self, subject: Subject) -> Iterator[Problem]:
        leaf = subject.reading.leaf
        if leaf is None or leaf.document is None or not leaf.document.commit:
            return
        if not _FULL_COMMIT.match(leaf.document.commit):
            message = "The document's version may change or be ambiguous. Give all 40 digits of it."
            yield subject.problem(self, message, "document.commit")
