"""Two versions of a leaf side by side."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taxonomy_app.contributions.comparison import leaf_compare, words_compare
from tests.taxonomy_app.contributions.making import knowledge_form, skill_form

texts = st.text(st.sampled_from("ab .,\n-é_1"), max_size=40)
seeds = st.lists(st.fixed_dictionaries({"context": texts, "question": texts, "answer": texts}), max_size=7)


@given(texts, texts)
def test_both_texts_are_shown_whole_and_marked_only_where_they_differ(before, after):
    left, right = words_compare(before, after)
    assert "".join(run.text for run in left) == before
    assert "".join(run.text for run in right) == after
    kept = [run.text for run in left if not run.changed]
    assert "".join(kept) == "".join(run.text for run in right if not run.changed)
    assert any(run.changed for run in (*left, *right)) == (before != after)


def test_a_changed_word_is_marked_and_the_rest_is_not():
    left, right = words_compare("Peas climb the fence.", "Peas climb the string.")
    assert [run.text for run in left if run.changed] == ["fence"]
    assert [run.text for run in right if run.changed] == ["string"]


@given(seeds, seeds)
def test_every_seed_of_both_versions_is_shown_exactly_once(old, new):
    comparison = leaf_compare({"seed_examples": old}, {"seed_examples": new})
    shown_new = [seed.position for seed in comparison.seeds if seed.change != "removed"]
    removed = [seed.position for seed in comparison.seeds if seed.change == "removed"]
    assert shown_new == list(range(len(new)))
    assert len(removed) == len(set(removed))
    assert len(removed) + comparison.counts["same"] + comparison.counts["changed"] == len(old)


@given(seeds)
def test_a_version_compared_with_itself_is_all_as_before(both):
    comparison = leaf_compare({"seed_examples": both}, {"seed_examples": both})
    assert comparison.counts["same"] == len(both)
    assert not any(seed.moved_from for seed in comparison.seeds)


def test_a_seed_taken_out_does_not_make_those_below_it_moved():
    before, after = skill_form(), skill_form()
    del after["seed_examples"][1]
    comparison = leaf_compare(before, after)
    assert [(seed.change, seed.moved_from) for seed in comparison.seeds] == [
        ("same", None),
        ("removed", None),
        ("same", None),
        ("same", None),
        ("same", None),
    ]


def test_a_seed_that_asks_the_same_is_changed_however_other_its_answer():
    before, after = skill_form(), skill_form()
    after["seed_examples"][1]["answer"] = "Nothing of what stood here."
    found = leaf_compare(before, after)
    assert [seed.change for seed in found.seeds] == ["same", "changed", "same", "same", "same"]


def test_a_seed_put_elsewhere_is_moved_and_alone():
    before, after = skill_form(), skill_form()
    after["seed_examples"].append(after["seed_examples"].pop(0))
    comparison = leaf_compare(before, after)
    assert [seed.moved_from for seed in comparison.seeds] == [None, None, None, None, 0]


def test_one_changed_pair_of_a_passage_is_told_by_its_number():
    before, after = knowledge_form(), knowledge_form()
    after["seed_examples"][3]["questions_and_answers"][1]["answer"] = "It stays as damp as a sponge."
    comparison = leaf_compare(before, after)
    changed = [seed for seed in comparison.seeds if seed.change == "changed"]
    assert [(seed.position, [field.label for field in seed.fields if field.changed]) for seed in changed] == [
        (3, ["Answer 2"])
    ]


def test_a_new_leaf_has_only_new_seeds():
    comparison = leaf_compare(None, skill_form())
    assert comparison.counts == {"added": 5, "changed": 0, "removed": 0, "same": 0}
