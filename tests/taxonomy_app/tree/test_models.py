"""Reading the index: folders, search, words."""

from __future__ import annotations

import pytest

from taxonomy_app.tree.models import Leaf, folders_above, words
from tests.conftest import Taxonomy
from tests.leaves import FREEFORM, GROUNDED, KNOWLEDGE


def test_names_are_shown_as_words() -> None:
    assert words("plant_rhymes") == "Plant rhymes"
    assert words("two-part_name") == "Two part name"
    assert words("") == ""


def test_the_folders_above_a_leaf_are_named_from_the_branch_down() -> None:
    assert folders_above("a/b/c") == [("a", "a"), ("b", "a/b")]


@pytest.mark.django_db
def test_leaves_under_a_folder_are_those_inside_it_and_not_its_namesakes(taxonomy: Taxonomy) -> None:
    inside = Leaf.objects.get(path=FREEFORM)
    inside.pk, inside.leaf_id, inside.path = (
        None,
        "5eedbed0-0000-4000-8000-000000000001",
        "compositional_skills/writingX/one",
    )
    inside.save()
    found = Leaf.objects.present().under("compositional_skills/writing").values_list("path", flat=True)
    assert list(found) == [FREEFORM]
    assert not Leaf.objects.under("compositional_skills/w_iting").exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rhymes", [FREEFORM]),
        ("RHYME plant", [FREEFORM]),
        ("kale", [FREEFORM]),
        ("row March", [GROUNDED]),
        ("gardening", [KNOWLEDGE]),
        ("kale gardening", []),
        ("100%", []),
        ("seed_banks", [KNOWLEDGE]),
    ],
)
def test_a_search_finds_leaves_that_have_each_word_somewhere(text: str, found: list[str], taxonomy: Taxonomy) -> None:
    paths = Leaf.objects.present().exclude(kind="foundational").matching(text).values_list("path", flat=True)
    assert list(paths) == found
