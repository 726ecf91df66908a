"""Joining two changes of a leaf."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taxonomy_repo.leaf import KnowledgeSeed, Leaf, QuestionAnswer, Seed, SeedExample, read_leaf, write_leaf
from taxonomy_repo.merge import MergeConflict, merge_leaf_bytes, merge_leaves

PATH = "compositional_skills/writing/haiku"
# How long one takes says something of the machine only.
MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Few letters, so that items meet often.
WORDS = st.sampled_from(["a", "b", "c", "d"])
SKILL_SEEDS = st.lists(st.builds(SeedExample, WORDS, WORDS, st.none() | WORDS), max_size=6)
PAIRS = st.lists(st.builds(QuestionAnswer, WORDS, WORDS), max_size=3).map(tuple)
KNOWLEDGE_SEEDS = st.lists(st.builds(KnowledgeSeed, WORDS, PAIRS), max_size=4)


def leaf_of(seeds: list[Seed] | list[SeedExample] | list[KnowledgeSeed], task: str = "t") -> Leaf:
    return Leaf(3, "ann", task, tuple(seeds))


def once(seeds: list[Seed]) -> list[Seed]:
    """The first seed of each context (knowledge) or of each question and context, with each pair once."""
    found: dict[object, Seed] = {}
    for seed in seeds:
        if isinstance(seed, KnowledgeSeed):
            pairs = {
                pair.question: QuestionAnswer(f"{seed.context[0]} {pair.question[-1]}", pair.answer)
                for pair in seed.questions_and_answers
            }
            found.setdefault(seed.context, KnowledgeSeed(seed.context, tuple(pairs.values())))
        else:
            found.setdefault((seed.context, seed.question), seed)
    return list(found.values())


LEAVES = st.builds(leaf_of, SKILL_SEEDS | KNOWLEDGE_SEEDS, WORDS)


@st.composite
def histories(draw: st.DrawFn, distinct: bool = False) -> tuple[Leaf, Leaf, Leaf]:
    """A base and two changes of it: items edited, taken away, moved and added.

    ``distinct``: no version asks one thing twice, as the checks want it; else anything goes.
    """
    seeds = draw(st.sampled_from([SKILL_SEEDS, KNOWLEDGE_SEEDS]))
    if distinct:
        seeds = seeds.map(once)
    base = draw(st.builds(leaf_of, seeds))
    sides = []
    for _ in range(2):
        items = [item for item in base.seed_examples if draw(st.integers(0, 5))]
        for new in draw(seeds):
            items.insert(draw(st.integers(0, len(items))), new)
        if draw(st.booleans()):
            items = draw(st.permutations(items))
        items = once(items) if distinct else items
        sides.append(leaf_of(items, draw(st.just("t") | WORDS)))
    return base, sides[0], sides[1]


def merged_or_none(base: Leaf | None, ours: Leaf, theirs: Leaf) -> Leaf | None:
    try:
        return merge_leaves(base, ours, theirs)
    except MergeConflict as conflict:
        # However odd the leaves, a conflict can be told in a sentence.
        if not str(conflict).endswith("."):
            pytest.fail(f"{conflict} is no sentence")
        return None


@MANY
@given(histories())
def test_the_sides_may_be_exchanged(history: tuple[Leaf, Leaf, Leaf]) -> None:
    base, ours, theirs = history
    assert merged_or_none(base, ours, theirs) == merged_or_none(base, theirs, ours)


@MANY
@given(LEAVES, LEAVES)
def test_what_only_one_side_changed_is_taken_as_it_is(base: Leaf, changed: Leaf) -> None:
    assert merge_leaves(base, base, changed) == changed
    assert merge_leaves(base, changed, base) == changed
    assert merge_leaves(base, changed, changed) == changed


@MANY
@given(histories(distinct=True))
def test_nothing_is_dropped_that_no_side_took_away_and_nothing_is_invented(
    history: tuple[Leaf, Leaf, Leaf],
) -> None:
    base, ours, theirs = history
    merged = merged_or_none(base, ours, theirs)
    if merged is None:
        return
    have, before, here, there = (set(leaf.pairs()) for leaf in (merged, base, ours, theirs))
    assert have <= here | there
    assert (here - before) | (there - before) <= have
    assert before & here & there <= have
    assert len(merged.seed_examples) <= len(ours.seed_examples) + len(theirs.seed_examples)


@MANY
@given(histories())
def test_copies_of_one_seed_are_counted_too(history: tuple[Leaf, Leaf, Leaf]) -> None:
    """Leaves that ask the same thing twice are told off by the checks, but nobody's copy may vanish or multiply."""
    base, ours, theirs = history
    merged = merged_or_none(base, ours, theirs)
    if merged is None or merged.is_knowledge:
        return  # the pairs of one context may be joined from both sides: that seed is in neither
    have, before, here, there = (Counter(leaf.seed_examples) for leaf in (merged, base, ours, theirs))
    for seed in have | before | here | there:
        assert have[seed] <= here[seed] + there[seed]
        if min(here[seed], there[seed]) >= before[seed]:
            assert have[seed] >= max(here[seed], there[seed])


def test_a_passage_without_pairs_is_not_taken_for_another_one() -> None:
    base = leaf_of([KnowledgeSeed("a", ()), KnowledgeSeed("b", ())])
    ours = leaf_of([KnowledgeSeed("b", (QuestionAnswer("About b?", "Yes."),))])
    theirs = leaf_of([KnowledgeSeed("a", ())])
    with pytest.raises(MergeConflict, match="taken away on one side and changed on the other"):
        merge_leaves(base, ours, theirs)


BASE = leaf_of([SeedExample(f"q{n}", f"a{n}") for n in range(5)])


def edited(leaf: Leaf, number: int, **changes: str) -> Leaf:
    seeds = list(leaf.seed_examples)
    seeds[number] = replace(seeds[number], **changes)  # type: ignore[arg-type]
    return replace(leaf, seed_examples=tuple(seeds))


def test_edits_of_different_seeds_are_both_kept() -> None:
    merged = merge_leaves(BASE, edited(BASE, 1, answer="new"), edited(BASE, 3, question="other"))
    assert [seed.answer for seed in merged.pairs()] == ["a0", "new", "a2", "a3", "a4"]
    assert merged.pairs()[3].question == "other"


def test_two_answers_to_one_question_are_a_conflict_that_names_the_field() -> None:
    with pytest.raises(MergeConflict) as caught:
        merge_leaves(BASE, edited(BASE, 1, answer="mine"), edited(BASE, 1, answer="yours"))
    (conflict,) = caught.value.conflicts
    assert (conflict.field, conflict.base, conflict.ours, conflict.theirs) == (
        "seed_examples[1].answer",
        "a1",
        "mine",
        "yours",
    )


def test_a_seed_taken_away_here_and_changed_there_is_a_conflict() -> None:
    ours = replace(BASE, seed_examples=BASE.seed_examples[1:])
    with pytest.raises(MergeConflict, match="taken away"):
        merge_leaves(BASE, ours, edited(BASE, 0, answer="better"))


def test_a_question_and_its_answer_changed_apart_are_never_mixed() -> None:
    with pytest.raises(MergeConflict) as caught:
        merge_leaves(BASE, edited(BASE, 1, answer="mine"), edited(BASE, 1, question="yours"))
    assert {conflict.field for conflict in caught.value.conflicts} == {
        "seed_examples[1].question",
        "seed_examples[1].answer",
    }


def test_pairs_added_to_one_context_on_both_sides_are_all_there() -> None:
    def leaf(*pairs: str) -> Leaf:
        return leaf_of([KnowledgeSeed("ctx", tuple(QuestionAnswer(p, p.upper()) for p in pairs))])

    merged = merge_leaves(leaf("x"), leaf("x", "y"), leaf("x", "z"))
    assert [pair.question for pair in merged.pairs()] == ["x", "y", "z"]


def test_the_same_question_added_with_two_answers_is_a_conflict() -> None:
    ours = leaf_of([*BASE.seed_examples, SeedExample("new", "one")])
    theirs = leaf_of([*BASE.seed_examples, SeedExample("new", "two")])
    with pytest.raises(MergeConflict, match=r"^The answer of seed 6 was changed on both sides, in different ways\.$"):
        merge_leaves(BASE, ours, theirs)


def test_a_leaf_made_on_both_sides_at_once_keeps_the_seeds_of_both() -> None:
    merged = merge_leaves(None, leaf_of([SeedExample("x", "1")]), leaf_of([SeedExample("y", "2")]))
    assert {seed.question for seed in merged.pairs()} == {"x", "y"}


def test_files_are_joined_like_leaves_and_an_unchanged_side_gives_the_other_byte_for_byte() -> None:
    base = write_leaf(BASE)
    ours, theirs = write_leaf(edited(BASE, 0, answer="mine")), write_leaf(edited(BASE, 4, answer="yours"))
    merged = read_leaf(merge_leaf_bytes(base, ours, theirs, PATH), PATH).leaf
    assert merged is not None
    assert [seed.answer for seed in merged.pairs()] == ["mine", "a1", "a2", "a3", "yours"]
    strange = theirs.replace(b"seed_examples:", b"# kept\nseed_examples:")
    assert merge_leaf_bytes(base, base, strange, PATH) == strange
    with pytest.raises(ValueError, match="cannot be read"):
        merge_leaf_bytes(base, ours, b"- not: [a leaf", PATH)
