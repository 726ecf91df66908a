"""What makes seeds good beyond their form: lengths, repetitions, contexts, documents, personal data."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from taxonomy_repo.checks.registry import GOOD_KNOWLEDGE, GOOD_SKILL, Check, Example, Subject, register
from taxonomy_repo.leaf import KnowledgeSeed, SeedExample
from taxonomy_repo.problem import Problem, excerpt

KNOWLEDGE_PATH = "knowledge/places/osk"
# InstructLab's limits in prose, in words.
MOST_CONTEXT_WORDS = 500
MOST_TEXT_WORDS = 250

_EMAIL = re.compile(r"[\w.+-]{1,64}@([\w-]+(?:\.[\w-]+)+)")
# Names kept for examples (RFC 2606, RFC 6761).
_EXAMPLE_HOST = re.compile(r"(^|\.)(example(\.(com|net|org))?|test|invalid|localhost)$", re.IGNORECASE)
_FULL_COMMIT = re.compile(r"[0-9a-f]{40}\Z")


def texts(subject: Subject) -> Iterator[tuple[str, str]]:
    """Every text of a leaf's seeds with the name of its field."""
    leaf = subject.reading.leaf
    if leaf is None:
        return
    for index, seed in enumerate(leaf.seed_examples):
        field = f"seed_examples[{index}]"
        if seed.context is not None:
            yield f"{field}.context", seed.context
        if isinstance(seed, SeedExample):
            yield f"{field}.question", seed.question
            yield f"{field}.answer", seed.answer
        else:
            for number, pair in enumerate(seed.questions_and_answers):
                yield f"{field}.questions_and_answers[{number}].question", pair.question
                yield f"{field}.questions_and_answers[{number}].answer", pair.answer


def folded(text: str) -> str:
    """A text for comparison: Unicode normalised, white space and case folded."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


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
        for field, text in texts(subject):
            most = MOST_CONTEXT_WORDS if field.endswith(".context") else MOST_TEXT_WORDS
            words = len(text.split())
            if words > most:
                name = field.rsplit(".", 1)[1]
                yield subject.problem(self, f"The {name} has {words} words; {most} is the most. Shorten it.", field)


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
        for field, text in (*whole, *texts(subject)):
            if text and not text.strip():
                yield subject.problem(self, "There is nothing but white space here. Write the text.", field)


@register
class RepeatedQuestion(Check):
    code = "repeated-question"
    severity = "warning"
    explanation = (
        "The same question about the same context was asked before. Ask something else, or keep the better answer."
    )
    example = Example(GOOD_SKILL.replace("What is the opposite of high?", "what is the opposite of  hot?"))

    def find(self, subject: Subject) -> Iterator[Problem]:
        leaf = subject.reading.leaf
        if leaf is None:
            return
        seen: dict[tuple[str, str], int] = {}
        for index, seed in enumerate(leaf.seed_examples):
            place = f"seed_examples[{index}]"
            context = folded(seed.context or "")
            if isinstance(seed, SeedExample):
                asked = [(f"{place}.question", seed.question)]
            else:
                asked = [
                    (f"{place}.questions_and_answers[{number}].question", pair.question)
                    for number, pair in enumerate(seed.questions_and_answers)
                ]
            for field, question in asked:
                key = (context, folded(question))
                if key[1] and key in seen:
                    message = f"This question was asked in seed {seen[key] + 1} already. Ask something else."
                    yield subject.problem(self, message, field)
                seen.setdefault(key, index)


@register
class RepeatedContext(Check):
    code = "repeated-context"
    severity = "warning"
    explanation = "Questions about one context belong together below it; five different contexts teach more than one."
    example = Example(GOOD_KNOWLEDGE.replace("has pier number 2.", "has pier number 1."), KNOWLEDGE_PATH)

    def find(self, subject: Subject) -> Iterator[Problem]:
        leaf = subject.reading.leaf
        if leaf is None:
            return
        seen: dict[str, int] = {}
        for index, seed in enumerate(leaf.seed_examples):
            if isinstance(seed, KnowledgeSeed) and seed.context.strip():
                key = folded(seed.context)
                if key in seen:
                    message = f"This is the context of seed {seen[key] + 1}. Put its questions there."
                    yield subject.problem(self, message, f"seed_examples[{index}].context")
                seen.setdefault(key, index)


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


@register
class PersonalData(Check):
    code = "personal-data"
    severity = "warning"
    explanation = "What is taught cannot be taken back. Use invented addresses that end in example.org."
    example = Example(GOOD_SKILL.replace("Cold.", "Write to ann@osk-harbour.eu."))

    def find(self, subject: Subject) -> Iterator[Problem]:
        for field, text in texts(subject):
            if "@" not in text:
                continue
            for match in _EMAIL.finditer(text):
                if not _EXAMPLE_HOST.search(match.group(1)):
                    message = f"{excerpt(match.group(), 60)} looks like someone's address. Use one in example.org."
                    yield subject.problem(self, message, field)
                    break
