"""Seeds that teach no more than others: the same question or context again, nearly the same seed, a copied answer."""

from __future__ import annotations

from collections.abc import Iterator

from taxonomy_repo.checks.registry import GOOD_KNOWLEDGE, GOOD_SKILL, KNOWLEDGE_PATH, Check, Example, Subject, register
from taxonomy_repo.checks.texts import folded
from taxonomy_repo.leaf import KnowledgeSeed, SeedExample
from taxonomy_repo.near_duplicates import near_duplicates, seed_text
from taxonomy_repo.problem import Problem

# An answer of fewer words may well be a part of its question: "Is it warm or cold?" "Cold."
LEAST_COPIED_WORDS = 8


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
class NearDuplicate(Check):
    code = "near-duplicate"
    severity = "warning"
    explanation = (
        "Question and answer are nearly those of another seed of this leaf. The teacher varies what differs between "
        "seeds: ask about something else, in other words."
    )
    example = Example(
        GOOD_SKILL.replace("    answer: Cold.", "    answer: It is the word cold, which is said of snow and of ice.")
        .replace("What is the opposite of high?", "What's the opposite of hot?")
        .replace("    answer: Low.", "    answer: It is the word cold, which is said of snow and ice.")
    )

    def find(self, subject: Subject) -> Iterator[Problem]:
        leaf = subject.reading.leaf
        if leaf is None or leaf.is_knowledge:
            return
        said = set()
        for pair in near_duplicates([seed_text(seed) for seed in leaf.seed_examples]):
            first, second = leaf.seed_examples[pair.first], leaf.seed_examples[pair.second]
            # The same question again has a check of its own, and one question about many contexts is no repetition.
            same_question = (
                isinstance(first, SeedExample)
                and isinstance(second, SeedExample)
                and folded(first.question) == folded(second.question)
            )
            if same_question or pair.second in said:
                continue
            said.add(pair.second)
            message = f"This is nearly seed {pair.first + 1} ({pair.similarity:.0%} alike). Ask about something else."
            yield subject.problem(self, message, f"seed_examples[{pair.second}]")


@register
class CopiedAnswer(Check):
    code = "copied-answer"
    severity = "warning"
    explanation = "The answer is its question over again, or a piece of it. Write what the model should answer."
    example = Example(GOOD_SKILL.replace("    answer: Cold.", "    answer: What is the opposite of HOT?"))

    def find(self, subject: Subject) -> Iterator[Problem]:
        leaf = subject.reading.leaf
        if leaf is None:
            return
        for index, seed in enumerate(leaf.seed_examples):
            place = f"seed_examples[{index}]"
            if isinstance(seed, SeedExample):
                asked = [(f"{place}.answer", seed.question, seed.answer)]
            else:
                asked = [
                    (f"{place}.questions_and_answers[{number}].answer", pair.question, pair.answer)
                    for number, pair in enumerate(seed.questions_and_answers)
                ]
            for field, question, answer in asked:
                asked_words, answered = folded(question), folded(answer)
                long = answered.count(" ") + 1 >= LEAST_COPIED_WORDS
                if answered and (answered == asked_words or (long and answered in asked_words)):
                    yield subject.problem(self, "The answer is taken from its question. Answer it.", field)
