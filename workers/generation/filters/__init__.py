"""Filters: small rules that need no model, each deciding on one ground whether a row may go on.

A new filter is a class with ``name``, ``steps`` and ``check``, added to ``all_filters`` and, with its numbers, to
``workers.pipelines.shape``; a pipeline's file says where it looks. Filters that judge a row by itself are first tried
on the leaf's own seeds: one that would drop many of them does not fit the leaf and is set aside there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from workers.generation.near_duplicates import NearDuplicates
from workers.generation.rows import Dropped, Row, RowPlan, user_text
from workers.pipelines.shape import (
    AnswerBlock,
    AuxiliaryBlock,
    ContextBlock,
    Filters,
    PipelineFile,
    QuestionBlock,
    Step,
)
from workers.specs import GenerationRecipe, LeafKind, PlannedLeaf, SeedPair

# A filter that would drop more than this share of a leaf's own seeds is not applied to the leaf.
MOST_SEEDS_DROPPED = 0.2
# Of a document so much is looked at to tell its language.
MOST_CHARACTERS = 200_000
# However alike the seeds are, this alike is the same.
HIGHEST_THRESHOLD = 0.97


@dataclass(frozen=True)
class LeafLanguage:
    """What a leaf's own texts are written in: scripts, and the commonest words (none where there are too few)."""

    scripts: frozenset[str] = frozenset()
    small_words: frozenset[str] = frozenset()


@dataclass
class LeafMemory:
    """What filters know of a leaf: its seeds, the held-out seeds, and what was asked so far."""

    leaf: PlannedLeaf
    recipe: GenerationRecipe
    held_out: NearDuplicates
    seeds: NearDuplicates = field(default_factory=NearDuplicates)
    asked: NearDuplicates = field(default_factory=NearDuplicates)
    contexts: NearDuplicates = field(default_factory=NearDuplicates)
    benchmarks: frozenset[str] = frozenset()
    set_aside: tuple[str, ...] = ()
    # How like one another the leaf's own seeds are: what is no more so than they are is no duplicate here.
    natural: float = 0.0
    context_words: tuple[int, int] = (1, 500)
    form_words: frozenset[str] = frozenset()
    language: LeafLanguage = LeafLanguage()

    def threshold(self, usual: float) -> float:
        """The similarity from which two rows of this leaf count as the same."""
        return min(max(usual, self.natural + 0.02), HIGHEST_THRESHOLD)

    def remember(self, question: str, context: str | None) -> None:
        """A question that was accepted: another like it is a duplicate, whatever becomes of this one."""
        self.asked.add(user_text(question, context), "an earlier sample")


class Filter(Protocol):
    """``steps``: after which steps it looks. ``alone``: it judges a row by itself, so it can be tried on seeds."""

    name: str
    steps: frozenset[Step]
    alone: bool

    def check(self, row: Row, step: Step, memory: LeafMemory) -> None:
        """Raise Dropped for a row that may not go on."""


def all_filters(numbers: Filters | None = None) -> dict[str, Filter]:
    """Every filter by name, with a pipeline's numbers; the cheap ones first."""
    from workers.generation.filters.condensing import Condensed, Verbatim
    from workers.generation.filters.confidence import Unsure
    from workers.generation.filters.contamination import Benchmark
    from workers.generation.filters.copies import CopiedPrompt
    from workers.generation.filters.duplicates import Duplicate, HeldOut
    from workers.generation.filters.grounding import Grounding
    from workers.generation.filters.language import Language
    from workers.generation.filters.shape import CutOff, Form, Length, Refusal, Repetition

    of = numbers or Filters()
    found: tuple[Filter, ...] = (
        CutOff(),
        Form(),
        Length(of.length),
        Unsure(),
        Language(of.language),
        Refusal(),
        Repetition(of.repetition),
        CopiedPrompt(of.copied_prompt),
        HeldOut(of.held_out),
        Duplicate(),
        Benchmark(),
        Grounding(of.grounding),
        Condensed(of.condensed),
        Verbatim(),
    )
    return {rule.name: rule for rule in found}


def filters_of(content: PipelineFile, kind: LeafKind) -> dict[Step, tuple[Filter, ...]]:
    """The filters that a pipeline names for each step of a kind of leaf, in its order."""
    known = all_filters(content.filters)
    return {
        block.block: tuple(known[name] for name in block.filters)
        for block in content.blocks(kind)
        if isinstance(block, ContextBlock | QuestionBlock | AnswerBlock | AuxiliaryBlock)
    }


def new_memory(
    leaf: PlannedLeaf,
    recipe: GenerationRecipe,
    *,
    held_out: NearDuplicates,
    benchmarks: frozenset[str] = frozenset(),
    filters: Sequence[Filter] = (),
) -> LeafMemory:
    """The memory of a leaf before its first row. ``held_out`` holds the held-out seeds of all leaves."""
    from workers.generation.filters.copies import form_words
    from workers.generation.filters.language import leaf_language

    memory = LeafMemory(leaf, recipe, held_out, benchmarks=benchmarks)
    held = {seed.fingerprint for seed in leaf.held_out}
    taught = [seed for seed in leaf.seeds if seed.fingerprint not in held]
    memory.form_words = form_words([seed.answer for seed in taught])
    memory.language = leaf_language(_own_texts(leaf, taught))
    words = []
    for seed in taught:
        text = asked_text(leaf, seed)
        memory.natural = max(memory.natural, memory.seeds.nearest(text)[0])
        memory.seeds.add(text, "a seed")
        if leaf.kind is LeafKind.GROUNDED and seed.context:
            memory.contexts.add(seed.context, "a seed")
            words.append(len(seed.context.split()))
    for seed in leaf.held_out:
        memory.natural = max(memory.natural, memory.seeds.nearest(asked_text(leaf, seed))[0])
    if words:
        memory.context_words = (max(min(words) // 2, 3), max(2 * max(words), 40))
    memory.set_aside = tuple(rule.name for rule in filters if rule.alone and not _fits(rule, taught, memory))
    return memory


def _own_texts(leaf: PlannedLeaf, taught: Sequence[SeedPair]) -> Iterator[str]:
    for seed in taught:
        yield f"{seed.question} {seed.answer}"
    yield from dict.fromkeys(seed.context for seed in taught if seed.context)
    # The beginning of a book tells its language as well as the whole.
    yield from (document.text[:MOST_CHARACTERS] for document in leaf.documents)


def asked_text(leaf: PlannedLeaf, seed: SeedPair) -> str:
    """A seed as the student is asked it: with its text where reading the text is the task."""
    return user_text(seed.question, seed.context if leaf.kind is LeafKind.GROUNDED else None)


def held_out_index(leaves: Sequence[PlannedLeaf]) -> NearDuplicates:
    """The held-out seeds of all leaves, as they would be asked."""
    index = NearDuplicates()
    for leaf in leaves:
        for seed in leaf.held_out:
            index.add(asked_text(leaf, seed), f"a held-out seed of {leaf.path}")
    return index


def apply(filters: Sequence[Filter], row: Row, step: Step, memory: LeafMemory) -> None:
    """Raise Dropped at the first filter of this step that objects."""
    for rule in filters:
        if step in rule.steps and rule.name not in memory.set_aside:
            rule.check(row, step, memory)


def seed_row(leaf: PlannedLeaf, seed: SeedPair) -> Row:
    """A seed as if it had been generated."""
    plan = RowPlan(0, 0, (), None, (), "", "", "precise", "short", 0)
    grounded = leaf.kind is LeafKind.GROUNDED
    return Row(
        leaf,
        plan,
        context=seed.context if grounded else None,
        source=seed.context or "",
        question=seed.question,
        answer=seed.answer,
    )


def _fits(rule: Filter, seeds: Sequence[SeedPair], memory: LeafMemory) -> bool:
    dropped = 0
    for seed in seeds:
        row = seed_row(memory.leaf, seed)
        try:
            for step in ("question", "answer"):
                if step in rule.steps:
                    rule.check(row, step, memory)
        except Dropped:
            dropped += 1
    return dropped <= MOST_SEEDS_DROPPED * len(seeds)
