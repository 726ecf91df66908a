"""Nearly the same is found by an index, decided by an exact measure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.generation.near_duplicates import NearDuplicates, folded, shingles, similarity


def test_case_punctuation_and_space_do_not_count() -> None:
    assert folded("Who  built\nthe Ｂrown-Hen?!") == "who built the brown hen"
    assert similarity(shingles("Who built it?"), shingles("who built it")) == 1.0


def test_the_nearest_text_is_found_with_its_name() -> None:
    index = NearDuplicates()
    index.add("Who built the Brown Hen?", "the builder")
    index.add("How wide is the Sound of Wrin?", "the sound")
    score, name = index.nearest("Who was it that built the Brown Hen?")
    assert name == "the builder"
    assert 0.5 < score < 0.9


def test_other_questions_are_not_near() -> None:
    index = NearDuplicates()
    index.add("Who built the Brown Hen?", "the builder")
    assert index.nearest("When does the season open?")[0] < 0.3
    assert NearDuplicates().nearest("anything") == (0.0, "")


def test_pairs_above_the_threshold_are_found_among_thousands() -> None:
    index = NearDuplicates()
    for number in range(3000):
        index.add(f"What happened at mile {number} of the road number {number * 7919 % 1000}?", str(number))
    for number in range(0, 3000, 100):
        text = f"What happened at mile {number} of the road number {number * 7919 % 1000}, please?"
        assert index.nearest(text)[1] == str(number)


@given(st.text(max_size=60), st.text(max_size=60))
def test_similarity_is_symmetric_and_between_nought_and_one(first: str, second: str) -> None:
    one, other = shingles(first), shingles(second)
    assert similarity(one, other) == similarity(other, one)
    assert 0.0 <= similarity(one, other) <= 1.0
    assert similarity(one, one) == 1.0


def test_the_nearest_of_many_is_the_one_that_comparing_with_each_finds() -> None:
    words = ("harbour", "orchard", "library", "workshop", "railway", "kitchen", "archive", "meadow")
    texts = [f"Write a note about the {one} and the {two} of the village." for one in words for two in words]
    index = NearDuplicates()
    for number, text in enumerate(texts):
        index.add(text, str(number))
    for asked in (
        "Write a note on the harbour and a kitchen of the village.",
        "A note about meadow and archive, please.",
    ):
        scores = [similarity(shingles(asked), shingles(text)) for text in texts]
        best = max(scores)
        assert best > 0.3
        assert index.nearest(asked) == (best, str(scores.index(best)))
    assert index.nearest("Quite another thing: 12 × 12.") == (0.0, "")
