"""What each request is shown, drawn before anything is asked and without replacement.

The plan of a leaf is endless and depends on nothing but the leaf, the recipe and the round's random seed: the same
round asks the same again, and one that was interrupted goes on where it was. Held-out seeds are no part of the
material, so no prompt can hold one.
"""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from workers.generation.documents import Chunk, sentences
from workers.generation.near_duplicates import folded
from workers.generation.rows import ExampleGroup, RowPlan
from workers.pipelines import pipeline
from workers.pipelines.shape import AuxiliaryBlock, PipelineFile
from workers.specs import LeafKind, PlannedLeaf, SeedPair

T = TypeVar("T")

PAIRS_OF_A_CONTEXT = 3
# Rows that share their examples are planned one after another: the server has their common beginning in its cache.
ROWS_OF_ONE_DRAW = 3
FACTS_OF_ONE_DRAW = 8


def random_of(*parts: object) -> random.Random:
    """A generator of its own for each purpose, from the round's seed and what it is for."""
    digest = hashlib.sha256("\x00".join(map(str, parts)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))  # noqa: S311  # draws examples, keeps no secret


class Deck(Generic[T]):
    """Cards drawn without replacement; when all are drawn, all are shuffled again."""

    def __init__(self, cards: Sequence[T], rng: random.Random) -> None:
        self._cards = list(cards)
        self._rng = rng
        self._left: list[T] = []

    def draw(self) -> T:
        if not self._left:
            self._left = self._cards[:]
            self._rng.shuffle(self._left)
        return self._left.pop()


@dataclass(frozen=True)
class Material:
    """A leaf's taught seeds by context (of knowledge) or one by one, and the pieces of its documents.

    ``by_sentence``: the pieces are sentences, and each seed stands with the sentence that says its answer.
    ``passages``: what tasks about whole passages are asked about; none where the teacher is not up to them.
    """

    leaf: PlannedLeaf
    position: int
    groups: tuple[ExampleGroup, ...]
    chunks: tuple[Chunk, ...] = ()
    by_sentence: bool = False
    passages: tuple[Chunk, ...] = ()


def material_of(
    leaf: PlannedLeaf,
    position: int,
    chunks: Sequence[Chunk] = (),
    *,
    by_sentence: bool = False,
    passages: Sequence[Chunk] = (),
) -> Material:
    """``leaf.held_out`` is left out here, once and for all."""
    held = {seed.fingerprint for seed in leaf.held_out}
    taught = [seed for seed in leaf.seeds if seed.fingerprint not in held]
    if leaf.kind is LeafKind.KNOWLEDGE and by_sentence:
        facts = tuple(ExampleGroup(_sentence_of(seed), (seed,)) for seed in taught)
        return Material(leaf, position, facts, tuple(chunks), by_sentence=True, passages=tuple(passages))
    groups: dict[str, list[SeedPair]] = {}
    for number, seed in enumerate(taught):
        # Skills are shown pair by pair; the pairs of one knowledge context belong together.
        key = (seed.context or "") if leaf.kind is LeafKind.KNOWLEDGE else str(number)
        groups.setdefault(key, []).append(seed)
    return Material(
        leaf,
        position,
        tuple(ExampleGroup(pairs[0].context, tuple(pairs)) for pairs in groups.values()),
        tuple(chunks),
        passages=tuple(passages),
    )


def _sentence_of(seed: SeedPair) -> str:
    """The sentence of a seed's context that shares most words with its answer, then with its question."""
    answer, question = set(folded(seed.answer).split()), set(folded(seed.question).split())

    def shared(sentence: str) -> tuple[int, int]:
        words = set(folded(sentence).split())
        return len(words & answer), len(words & question)

    return max(sentences(seed.context or "") or [seed.context or ""], key=shared)


def plans_of(
    material: Material,
    *,
    random_seed: int,
    contexts_shown: int = 2,
    examples_shown: int = 3,
    content: PipelineFile | None = None,
) -> Iterator[RowPlan]:
    """The rows of a leaf, in the order in which they are asked for; endless, unless there is nothing to show.

    Args:
        content: the pipeline, for who asks and how; the shipped one where it is left out.
    """
    content = content or pipeline().content
    if not material.groups:
        return
    rng = random_of(random_seed, material.leaf.leaf_id, "rows")
    if material.by_sentence:
        drawn = _sentence_draws(material, rng, examples_shown)
    elif material.leaf.kind is LeafKind.KNOWLEDGE:
        drawn = _knowledge_draws(material, rng, contexts_shown)
    else:
        drawn = _skill_draws(material, rng, examples_shown)
    openings = Deck(content.openings, rng)
    personas = Deck(content.personas, rng)
    text_openings: Deck[str] | None = None
    if material.leaf.kind is LeafKind.GROUNDED:
        # A new text begins as one of the seeds' does: left to itself a weak model writes the same few beginnings.
        text_openings = Deck([" ".join((group.context or "").split()[:2]) for group in material.groups], rng)
    auxiliary = _auxiliary_draws(material, random_seed, content)
    index = 0
    for number, (examples, target, own) in enumerate(drawn, 1):
        opening, persona = openings.draw(), personas.draw()
        if text_openings is not None:
            opening = text_openings.draw()
        yield RowPlan(
            leaf_position=material.position,
            index=index,
            examples=examples,
            target=target,
            own=own,
            opening="" if opening == "-" else opening,
            persona=persona,
            manner=_alternating(("precise", "creative"), number - 1),
            length=_alternating(("short", "long"), number - 1),
            seed=rng.getrandbits(31),
        )
        index += 1
        for block, due in auxiliary:
            if number % block.every == 0 and (passage := next(due, None)) is not None:
                yield _auxiliary_row(material, index, block, *passage)
                index += 1


def _auxiliary_draws(
    material: Material, random_seed: int, content: PipelineFile
) -> list[tuple[AuxiliaryBlock, Iterator[tuple[Chunk, str, int]]]]:
    """For each task about passages: every passage once, with how the student is asked and a seed of its own.

    Drawn apart from the questions, so that a pipeline without such tasks asks the same questions.
    """
    found = []
    for block in content.auxiliary if material.passages else ():
        rng = random_of(random_seed, material.leaf.leaf_id, block.block)
        passages, asks = Deck(material.passages, rng), Deck(block.asks, rng)
        drawn = [(passages.draw(), asks.draw(), rng.getrandbits(31)) for _ in material.passages]
        found.append((block, iter(drawn)))
    return found


def _auxiliary_row(
    material: Material, index: int, block: AuxiliaryBlock, passage: Chunk, ask: str, seed: int
) -> RowPlan:
    return RowPlan(
        leaf_position=material.position,
        index=index,
        examples=(),
        target=passage,
        own=(),
        opening=ask,
        persona="",
        manner="precise",
        length="long",
        seed=seed,
        task=block.block,
    )


Draw = tuple[tuple[ExampleGroup, ...], Chunk | None, tuple[SeedPair, ...]]
_A = TypeVar("_A", Literal["precise", "creative"], Literal["short", "long"])


def _alternating(values: tuple[_A, _A], index: int) -> _A:
    return values[index % 2]


def _knowledge_draws(material: Material, rng: random.Random, contexts_shown: int) -> Iterator[Draw]:
    """Every set of example contexts with every chunk, before any comes again."""
    targets = list(material.chunks) or [
        Chunk("", 0, len(group.context or ""), group.context or "") for group in material.groups
    ]
    near = {id(chunk): _pairs_within(chunk, material.groups) for chunk in targets}
    shown = min(contexts_shown, max(len(material.groups) - 1, 0))
    # The order within a set does not matter for learning from it, but gives other continuations.
    sets = Deck(list(itertools.islice(itertools.permutations(range(len(material.groups)), shown), 5000)), rng)
    own_decks = {id(chunk): Deck(pairs, rng) for chunk in targets if (pairs := near[id(chunk)])}
    pair_decks = [Deck(group.pairs, rng) for group in material.groups]
    while True:
        chosen = sets.draw()
        examples = tuple(
            ExampleGroup(material.groups[number].context, _hand(pair_decks[number], material.groups[number]))
            for number in chosen
        )
        contexts = [" ".join((group.context or "").split()) for group in examples]
        order = targets[:]
        rng.shuffle(order)
        # A target that is itself shown as an example would be asked about what was just answered.
        free = [chunk for chunk in order if not any(_overlap(chunk.text, context) for context in contexts)]
        for chunk in free or order:
            deck = own_decks.get(id(chunk))
            yield examples, chunk, (deck.draw(),) if deck else ()


def _hand(deck: Deck[SeedPair], group: ExampleGroup) -> tuple[SeedPair, ...]:
    """Up to three different pairs of a context."""
    hand: dict[str, SeedPair] = {}
    for _ in range(min(PAIRS_OF_A_CONTEXT, len(group.pairs)) * 2):
        pair = deck.draw()
        hand.setdefault(pair.fingerprint, pair)
        if len(hand) == min(PAIRS_OF_A_CONTEXT, len(group.pairs)):
            break
    return tuple(hand.values())


def _pairs_within(chunk: Chunk, groups: Sequence[ExampleGroup]) -> tuple[SeedPair, ...]:
    """Pairs whose context is the chunk, a part of it, or holds it."""
    return tuple(
        pair
        for group in groups
        if group.context and _overlap(chunk.text, " ".join(group.context.split()))
        for pair in group.pairs
    )


def _overlap(text: str, context: str) -> bool:
    """Whether two texts share a run of words that is most of the shorter one."""
    first, second = _runs(text), _runs(context)
    least = min(len(first), len(second))
    return least > 0 and len(first & second) >= 0.5 * least


def _runs(text: str, length: int = 5) -> set[str]:
    words = text.lower().split()
    return {" ".join(words[i : i + length]) for i in range(max(len(words) - length + 1, 1))}


def _sentence_draws(material: Material, rng: random.Random, examples_shown: int) -> Iterator[Draw]:
    """Every sentence before any comes again, a few for each set of examples."""
    targets = list(material.chunks) or [Chunk("", 0, len(g.context or ""), g.context or "") for g in material.groups]
    seeds, facts = Deck(material.groups, rng), Deck(targets, rng)
    # Of few seeds not all are shown, so that there is a sentence left to ask about.
    shown = min(examples_shown, max(len(material.groups) - 1, 1))
    while True:
        examples = _different(seeds, shown)
        said = {folded(group.context or "") for group in examples}
        drawn = [facts.draw() for _ in range(FACTS_OF_ONE_DRAW)]
        free = [target for target in drawn if not any(fact and fact in folded(target.text) for fact in said)]
        for target in free or drawn[:1]:
            yield examples, target, ()


def _skill_draws(material: Material, rng: random.Random, examples_shown: int) -> Iterator[Draw]:
    """Sets of examples, each for a few rows; every seed before any comes again."""
    seeds = Deck(material.groups, rng)
    while True:
        examples = _different(seeds, min(examples_shown, len(material.groups)))
        for _ in range(ROWS_OF_ONE_DRAW):
            yield examples, None, ()


def _different(deck: Deck[ExampleGroup], count: int) -> tuple[ExampleGroup, ...]:
    hand: list[ExampleGroup] = []
    while len(hand) < count:
        group = deck.draw()
        if group not in hand:
            hand.append(group)
    return tuple(hand)
