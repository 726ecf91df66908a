"""The inverted index finds what comparing every seed with every other one finds."""

from __future__ import annotations

from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taxonomy_app.contributions import word_index
from taxonomy_app.contributions.word_index import WordIndex, alike_in_taxonomy, words_of
from taxonomy_app.tree.models import Seed
from tests.leaves import FREEFORM

few_words = st.frozensets(st.sampled_from(["a", "b", "c", "d", "e", "f", "g"]), max_size=6)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(few_words, max_size=12), few_words, st.sampled_from([0.3, 0.6, 1.0]), st.sampled_from([0, 2, 16]))
def test_it_finds_what_comparing_all_finds(seeds, words, least, rare):
    wanted = {
        key: len(words & other) / len(words | other)
        for key, other in enumerate(seeds, start=5)
        if words & other and len(words & other) / len(words | other) >= least
    }
    # Every word counts as rare, some, or (of so few seeds) none.
    with mock.patch.object(word_index, "_RARE", rare):
        assert dict(WordIndex(enumerate(seeds, start=5)).alike(words, least)) == pytest.approx(wanted)


@pytest.fixture(autouse=True)
def _nothing_held(monkeypatch):
    """What another test's database had, which is gone, is not held in this process."""
    monkeypatch.setattr(word_index, "_held", word_index._Held())


def _seed(leaf, question: str) -> Seed:
    """One more seed of a leaf, written as the index writes it."""
    position = 90 + Seed.objects.filter(leaf=leaf).count()
    return Seed.objects.create(
        leaf=leaf, position=position, group=position, fingerprint="f" * 16, question=question, answer="There."
    )


def _keys(question: str) -> list[int]:
    return [key for key, _ in alike_in_taxonomy([words_of(question, None)], 0.6)[0]]


@pytest.mark.django_db
def test_a_seed_that_came_since_is_found_and_no_other_is_read_again(taxonomy, django_assert_num_queries, monkeypatch):
    leaf = taxonomy.leaf(FREEFORM)
    assert not _keys("Where do the otters sleep at noon?")
    read = []
    made = word_index.WordIndex
    monkeypatch.setattr(word_index, "WordIndex", lambda seeds: read.append(list(seeds)) or made(read[-1]))
    one = _seed(leaf, "Where do the otters sleep?")
    assert _keys("Where do the otters sleep at noon?") == [one.pk]
    other = _seed(leaf, "Where do the otters sleep at night?")
    assert _keys("Where do the otters sleep at noon?") == [one.pk, other.pk]
    assert [[key for key, _ in part] for part in read] == [[one.pk], [other.pk]]
    with django_assert_num_queries(2):
        assert _keys("Where do the otters sleep at noon?") == [one.pk, other.pk]


@pytest.mark.django_db
def test_many_small_changes_leave_nothing_out_and_nothing_twice(taxonomy):
    leaf = taxonomy.leaf(FREEFORM)
    keys = []
    for number in range(40):
        keys.append(_seed(leaf, f"Where do the otters of bay {number} sleep?").pk)
        assert _keys("Where do the otters of the bay sleep?") == keys
    assert len(word_index._held.parts) <= word_index._MOST_PARTS


@pytest.mark.django_db
def test_an_index_that_was_made_anew_is_read_anew(taxonomy):
    leaf = taxonomy.leaf(FREEFORM)
    for number in range(30):
        _seed(leaf, f"Where do the otters of bay {number} sleep?")
    assert len(_keys("Where do the otters of the bay sleep?")) == 30
    Seed.objects.all().delete()
    kept = _seed(leaf, "Where do the otters of the bay sleep?")
    assert _keys("Where do the otters of the bay sleep?") == [kept.pk]
    assert sum(map(len, word_index._held.parts)) == 1
