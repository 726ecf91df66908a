"""Which seeds are held out, and how a seed is known again."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tests.workers.planning_data import pair
from workers.planning import choose_held_out, seed_fingerprint
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
