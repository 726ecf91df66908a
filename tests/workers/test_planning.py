"""Which seeds are held out, and how a seed is known again."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxonomy_repo.leaf import KnowledgeSeed, Leaf, QuestionAnswer
from tests.workers.planning_data import pair
from workers.planning import choose_held_out, data_pairs, seed_fingerprint, seed_pairs
from workers.specs import SeedPair

numbers = st.integers(min_value=0, max_value=40)
shares = st.floats(min_value=0.0, max_value=0.9)


def seeds_of(count: int) -> list[SeedPair]:
    return [pair(f"Question {n}?", f"Answer {n}.") for n in range(count)]


@given(st.text(), st.text())
def test_wrapping_and_unicode_form_do_not_make_another_seed(question: str, context: str) -> None:
    wrapped = "\n  ".join(question.split()) + " \n"
    assert seed_fingerprint(wrapped, context) == seed_fingerprint(question, context)
    assert seed_fingerprint(unicodedata.normalize("NFD", question)) == seed_fingerprint(question)


def test_another_question_or_context_is_another_seed() -> None:
    found = [
        seed_fingerprint("Who?"),
        seed_fingerprint("Who"),
        seed_fingerprint("Who?", "A text."),
        seed_fingerprint("A text.", "Who?"),
    ]
    assert len(set(found)) == len(found)


@given(numbers, shares, st.integers(min_value=0, max_value=5))
def test_a_seed_is_always_left_to_teach(count: int, share: float, least: int) -> None:
    held = choose_held_out(seeds_of(count), share=share, least=least)
    assert len(held) == min(max(least, round(share * count)), max(count - 1, 0))


@given(numbers, shares, st.data())
def test_history_is_kept(count: int, share: float, data: st.DataObject) -> None:
    names = [seed.fingerprint for seed in seeds_of(count)]
    held_before = data.draw(st.sets(st.sampled_from(names)) if names else st.just(set()))
    taught_before = data.draw(st.sets(st.sampled_from(names)) if names else st.just(set())) - held_before
    held = choose_held_out(seeds_of(count), share=share, least=1, held_before=held_before, taught_before=taught_before)
    assert not set(held) & taught_before
    if len(held_before) < count:
        assert held_before <= set(held)
    assert list(held) == [name for name in names if name in held]


@given(st.permutations(range(12)))
def test_the_order_of_the_seeds_decides_nothing(order: list[int]) -> None:
    seeds = seeds_of(12)
    shuffled = [seeds[n] for n in order]
    assert set(choose_held_out(shuffled, share=0.3, least=2)) == set(choose_held_out(seeds, share=0.3, least=2))


def test_a_leaf_that_grows_keeps_what_it_held_out() -> None:
    first = choose_held_out(seeds_of(6), share=0.3, least=2)
    taught = {seed.fingerprint for seed in seeds_of(6)} - set(first)
    later = choose_held_out(seeds_of(20), share=0.3, least=2, held_before=first, taught_before=taught)
    assert set(first) <= set(later)
    assert not taught & set(later)


def test_the_pairs_of_one_knowledge_context_share_its_index() -> None:
    seeds = tuple(
        KnowledgeSeed(f"context {i}", (QuestionAnswer(f"{i}a?", "a"), QuestionAnswer(f"{i}b?", "b"))) for i in range(2)
    )
    pairs = seed_pairs(Leaf(version=3, created_by="x", task_description="", seed_examples=seeds))
    assert [(pair.question, pair.context_index) for pair in pairs] == [("0a?", 0), ("0b?", 0), ("1a?", 1), ("1b?", 1)]
    assert pairs[0].fingerprint == seed_fingerprint("0a?", "context 0")


@pytest.mark.parametrize(
    "line", [b"not json", b'{"question": "2 + 2?"}', b'["2 + 2?", "4"]', b'{"question": 4, "answer": "4"}', b'"\xff"']
)
def test_a_line_of_data_that_is_no_pair_is_named(line: bytes) -> None:
    good = b'{"question": "2 + 2?", "answer": "4"}'
    assert [pair.answer for pair in data_pairs(good + b"\n\n" + good, "data.jsonl")] == ["4", "4"]
    with pytest.raises(ValueError, match=r"Line 2 of sums/data.jsonl is not a question with its answer"):
        data_pairs(good + b"\n" + line, "sums/data.jsonl")
