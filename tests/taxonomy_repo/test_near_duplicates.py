"""Near-duplicates: all that are alike are found, and nothing else."""

from __future__ import annotations

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from taxonomy_repo.near_duplicates import Alike, _folded, near_duplicates

WORDS = ["osk", "pier", "harbour", "boat", "peat", "island", "tide", "rope", "sack", "wind", "west", "north"]


def sentence(choose: random.Random, count: int = 25) -> str:
    return " ".join(choose.choices(WORDS, k=count))


def trigrams(text: str) -> set[str]:
    folded = re.sub(r"\W+", " ", text.casefold())
    return {folded[at : at + 3] for at in range(len(folded) - 2)}


def test_they_are_those_that_comparing_every_pair_finds() -> None:
    choose = random.Random(5)
    texts = [sentence(choose) + f" {choose.random()}" for _ in range(300)]
    for number in range(0, 300, 3):
        words = texts[number].split()
        for _ in range(choose.randrange(1, 5)):
            words[choose.randrange(len(words))] = choose.choice(WORDS)
        texts.append(" ".join(words))
    sets = [trigrams(text) for text in texts]
    expected = {
        (one, other): len(sets[one] & sets[other]) / len(sets[one] | sets[other])
        for one in range(len(texts))
        for other in range(one + 1, len(texts))
        if len(sets[one] & sets[other]) / len(sets[one] | sets[other]) >= 0.85
    }
    assert len(expected) > 50
    found = near_duplicates(texts)
    assert {(pair.first, pair.second): round(pair.similarity, 9) for pair in found} == {
        places: round(similarity, 9) for places, similarity in expected.items()
    }


def test_case_punctuation_and_white_space_do_not_count() -> None:
    one, other = "When did the boat leave the harbour?", "  when did THE boat\nleave -- the harbour"
    assert near_duplicates(["Something else altogether.", one, other]) == [Alike(1, 2, 1.0)]


def test_a_thousand_copies_give_a_few_thousand_pairs_and_every_copy_is_in_one() -> None:
    found = near_duplicates(["The boat left the harbour of Osk at nine."] * 1000)
    assert {pair.second for pair in found} | {pair.first for pair in found} == set(range(1000))
    assert len(found) < 10_000


def test_short_texts_and_few_texts_are_left_alone() -> None:
    assert near_duplicates([]) == []
    assert near_duplicates(["one text only, and a long one at that"]) == []
    assert near_duplicates(["", "", "yes", "yes", "\0", "12"]) == []


def test_other_scripts_are_compared_as_well() -> None:
    assert near_duplicates(["島の港から船が九時に出ました。風は西から吹いていた。"] * 2) == [Alike(0, 1, 1.0)]


@given(st.text(st.characters(max_codepoint=127, exclude_characters="\0")))
def test_a_text_of_ascii_is_folded_as_any_other(text: str) -> None:
    assert _folded(f"{text} é") == f"{_folded(text)} é".lstrip(" ")
