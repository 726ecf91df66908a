"""Two versions of a leaf side by side."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taxonomy_repo.attribution import AttributionEntry
from taxonomy_repo.comparison import leaf_compare, sources_compare, words_compare
from taxonomy_repo.leaf import DocumentReference, KnowledgeSeed, Leaf, QuestionAnswer, SeedExample

texts = st.text(st.sampled_from("ab .,\n-é_1"), max_size=40)
seeds = st.lists(st.builds(SeedExample, texts, texts, st.none() | texts), max_size=7)


def skill(*numbers, answer="It grows.", task="Make a riddle."):
    """A leaf with one seed for each number."""
    plants = ("bean", "pea", "beet", "kale", "chard", "leek", "onion")
    examples = tuple(
        SeedExample(f"Make a riddle about the {plants[number]}.", f"My name is {plants[number]}. {answer}")
        for number in numbers
    )
    return Leaf(version=3, created_by="rosa", task_description=task, seed_examples=examples)


def knowledge(changed=""):
    """A leaf of five passages with three pairs each; ``changed`` is the second answer of the fourth."""
    passages = ("smells of earth", "is turned every two weeks", "needs air", "stays damp", "is kept in the shade")

    def answer(at, number):
        return changed if changed and (at, number) == (3, 2) else f"It {passages[at]}."

    return Leaf(
        version=3,
        created_by="rosa",
        task_description="",
        domain="gardening",
        document_outline="How compost is made.",
        seed_examples=tuple(
            KnowledgeSeed(
                f"Good compost {passage}.",
                tuple(
                    QuestionAnswer(f"What about it, number {number}, {passage}?", answer(at, number))
                    for number in (1, 2, 3)
                ),
            )
            for at, passage in enumerate(passages)
        ),
    )


def holding(examples):
    return Leaf(version=3, created_by="", task_description="", seed_examples=tuple(examples))


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
    comparison = leaf_compare(holding(old), holding(new))
    shown_new = [seed.position for seed in comparison.seeds if seed.change != "removed"]
    removed = [seed.position for seed in comparison.seeds if seed.change == "removed"]
    assert shown_new == list(range(len(new)))
    assert len(removed) == len(set(removed))
    assert len(removed) + comparison.counts["same"] + comparison.counts["changed"] == len(old)


@given(seeds)
def test_a_version_compared_with_itself_is_all_as_before(both):
    comparison = leaf_compare(holding(both), holding(both))
    assert comparison.counts["same"] == len(both)
    assert not comparison.changed


def test_a_seed_taken_out_does_not_make_those_below_it_moved():
    comparison = leaf_compare(skill(0, 1, 2, 3, 4), skill(0, 2, 3, 4))
    assert [(seed.change, seed.moved_from) for seed in comparison.seeds] == [
        ("same", None),
        ("removed", None),
        ("same", None),
        ("same", None),
        ("same", None),
    ]


def test_a_seed_that_asks_the_same_is_changed_however_other_its_answer():
    before = skill(0, 1, 2, 3, 4)
    examples = list(before.seed_examples)
    examples[1] = SeedExample(examples[1].question, "Nothing of what stood here.")
    found = leaf_compare(before, holding(examples))
    assert [seed.change for seed in found.seeds] == ["same", "changed", "same", "same", "same"]


def test_a_seed_put_elsewhere_is_moved_and_alone():
    comparison = leaf_compare(skill(0, 1, 2, 3, 4), skill(1, 2, 3, 4, 0))
    assert [seed.moved_from for seed in comparison.seeds] == [None, None, None, None, 0]
    assert comparison.changed


def test_one_changed_pair_of_a_passage_is_told_by_its_number():
    comparison = leaf_compare(knowledge(), knowledge("It stays as damp as a sponge."))
    changed = [seed for seed in comparison.seeds if seed.change == "changed"]
    assert [(seed.position, [field.label for field in seed.fields if field.changed]) for seed in changed] == [
        (3, ["Answer 2"])
    ]


def test_a_new_leaf_has_only_new_seeds_and_a_removed_one_only_removed_ones():
    assert leaf_compare(None, skill(0, 1, 2)).counts == {"added": 3, "changed": 0, "removed": 0, "same": 0}
    assert leaf_compare(skill(0, 1, 2), None).counts == {"added": 0, "changed": 0, "removed": 3, "same": 0}


def test_a_changed_task_is_told_field_by_field():
    comparison = leaf_compare(skill(0, task="Make a riddle."), skill(0, task="Make a hard riddle."))
    assert [(field.label, field.changed) for field in comparison.head] == [("Task", True)]
    assert "".join(run.text for run in comparison.head[0].after if run.changed).strip() == "hard"


def test_another_version_of_the_same_document_is_a_change_and_one_to_come_has_no_version():
    def with_document(commit):
        leaf = knowledge()
        return Leaf(**{**vars(leaf), "document": DocumentReference("seedbed:documents", commit, ("compost.md",))})

    comparison = leaf_compare(with_document("a" * 40), with_document("b" * 40))
    assert [field.label for field in comparison.head if field.changed] == ["Document"]
    to_come = leaf_compare(None, with_document("0" * 40)).head[-1]
    assert "".join(run.text for run in to_come.after) == "compost.md"


def test_sources_are_compared_field_by_field():
    old = AttributionEntry(title="A notebook", link="", revision="", licence="CC-BY-4.0", creators="Rosa Lind")
    new = AttributionEntry(title="A notebook", link="", revision="", licence="CC0-1.0", creators="Rosa Lind")
    (source,) = sources_compare([old], [new])
    assert [(field.label, field.changed) for field in source] == [
        ("Title", False),
        ("Licence", True),
        ("Made by", False),
    ]
    assert all(field.changed for source in sources_compare([], [new]) for field in source)
