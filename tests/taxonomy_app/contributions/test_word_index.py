"""The inverted index finds what comparing every seed with every other one finds."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taxonomy_app.contributions.word_index import WordIndex, word_index, words_of
from taxonomy_app.tree.models import Seed
from tests.leaves import FREEFORM

few_words = st.frozensets(st.sampled_from(["a", "b", "c", "d", "e", "f", "g"]), max_size=6)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(few_words, max_size=12), few_words, st.sampled_from([0.3, 0.6, 1.0]))
def test_it_finds_what_comparing_all_finds(seeds, words, least):
    wanted = {
        key: len(words & other) / len(words | other)
        for key, other in enumerate(seeds, start=5)
        if words & other and len(words & other) / len(words | other) >= least
    }
    assert dict(WordIndex(enumerate(seeds, start=5)).alike(words, least)) == pytest.approx(wanted)


@pytest.mark.django_db
def test_a_seed_that_came_since_is_found(taxonomy):
    seed = Seed.objects.filter(leaf__path=FREEFORM).first()
    words = words_of("Where do the otters sleep at noon?", None)
    assert not list(word_index().alike(words, 0.6))
    Seed.objects.create(
        leaf=seed.leaf,
        position=99,
        group=99,
        fingerprint="f" * 16,
        question="Where do the otters sleep?",
        answer="There.",
    )
    assert [key for key, _ in word_index().alike(words, 0.6)] == [Seed.objects.latest("pk").pk]
