"""Searching: the same answers on SQLite and PostgreSQL, kept right by every way in which the index changes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taxonomy_app.contributions.models import Submission
from taxonomy_app.people.models import User
from taxonomy_app.tree import searching, services
from taxonomy_app.tree.models import Leaf, LeafText
from taxonomy_app.tree.searching import Wanted, excerpts, search
from taxonomy_repo.store import FileChange, Person
from tests.conftest import Taxonomy
from tests.leaves import FOUNDATIONAL, FREEFORM, GROUNDED, KNOWLEDGE, TINY_LEAVES
from tests.taxonomy_app.tree.test_services import WHEN, commit, document, move

pytestmark = pytest.mark.django_db
VISITOR = AnonymousUser()


def found(words: str = "", *, user: Any = VISITOR, **narrowed: str) -> list[str]:
    """The paths that a search finds, in its order."""
    keys = search(Wanted(words, **narrowed), user=user).leaves
    return [leaf.path for leaf in searching.in_order(keys)]


def texts() -> list[tuple[str, ...]]:
    rows = LeafText.objects.values_list("leaf__leaf_id", "place", "about", "seeds", "people")
    return sorted(tuple(map(str, row)) for row in rows)


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        ("rhymes", [FREEFORM]),
        ("RHYME plant", [FREEFORM]),
        ("kal", [FREEFORM]),
        ("row March", [GROUNDED]),
        ("gardening", [KNOWLEDGE]),
        ("seed_banks", [KNOWLEDGE]),
        ("kale gardening", []),
        ("hymes", []),
        ("ka", []),
        ("in", [FOUNDATIONAL, GROUNDED, FREEFORM]),
        ('"kale" OR NOT (NEAR/', []),
        ("kale:* & | !", [FREEFORM]),
        ("'; DROP TABLE tree_leaf; --", []),
        ("%", []),
    ],
)
def test_each_word_must_begin_a_word_of_the_leaf(words: str, paths: list[str], taxonomy: Taxonomy) -> None:
    assert found(words) == paths


def test_accents_and_capitals_do_not_matter_and_signs_without_spaces_are_found(
    taxonomy: Taxonomy, now: datetime
) -> None:
    commit(taxonomy, {"compositional_skills/writing/essai/qna.yaml": document("Écrire un ESSAI sur 俳句を書く")})
    services.index_update(now=now)
    for words in ("ecrire", "ÉCRIRE", "essai", "俳句", "書く"):
        assert found(words) == ["compositional_skills/writing/essai"], words


def test_names_come_before_tasks_and_tasks_before_seeds(taxonomy: Taxonomy, now: datetime) -> None:
    commit(
        taxonomy,
        {
            "compositional_skills/a/in_a_seed/qna.yaml": document("Tell of something").replace(b"Answer 0", b"Osprey"),
            "compositional_skills/b/in_the_task/qna.yaml": document("Tell of an osprey"),
            "compositional_skills/c/osprey/qna.yaml": document("Tell of a bird"),
        },
    )
    services.index_update(now=now)
    assert found("osprey") == [
        "compositional_skills/c/osprey",
        "compositional_skills/b/in_the_task",
        "compositional_skills/a/in_a_seed",
    ]


def test_a_search_is_narrowed_by_branch_place_kind_and_author(taxonomy: Taxonomy, now: datetime) -> None:
    commit(taxonomy, {f"{FREEFORM}/qna.yaml": document("Rhyme anew")})
    services.index_update(now=now)
    assert found(branch="knowledge") == [KNOWLEDGE]
    assert found(kind="grounded") == [GROUNDED]
    assert found(place="compositional_skills/extr") == [GROUNDED]
    assert found(place="/compositional_skills/writing/") == [FREEFORM]
    assert found(place="Compositional_skills") == []
    assert found(place="compositional%") == []
    assert found(author="lena") == [FREEFORM]
    assert found(author="weil tomas") == sorted(TINY_LEAVES)
    assert found("rhyme", author="lena", kind="freeform", place="compositional") == [FREEFORM]
    assert found("rhyme", author="nobody") == []
    # People are not found by a word that is looked for in the leaf.
    assert found("lena") == []


def test_a_search_is_narrowed_by_state(
    taxonomy: Taxonomy, now: datetime, contributor: User, django_assert_num_queries: Any
) -> None:
    Submission.objects.create(
        author=contributor,
        kind="freeform",
        path=FREEFORM,
        branch="compositional_skills",
        leaf_id=taxonomy.leaf(FREEFORM).leaf_id,
        state="changes_requested",
        created_at=now,
        submitted_at=now,
        updated_at=now,
    )
    commit(taxonomy, {f"{GROUNDED}/qna.yaml": b"version: 3\ntask_description: [unclosed\n"})
    services.index_update(now=now)
    assert found(state="open", user=contributor) == [FREEFORM]
    assert found("kale", state="open", user=contributor) == [FREEFORM]
    with django_assert_num_queries(0):
        assert found(state="open") == []
    assert found(state="problem") == [GROUNDED]
    assert found(state="scored") == []
    assert found(state="unscored") == sorted(TINY_LEAVES)
    assert found(state="forgotten") == []


def test_a_word_that_very_many_leaves_have_is_cut_off_and_says_so(
    taxonomy: Taxonomy, now: datetime, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    monkeypatch.setattr(searching, "MOST_FOUND", 3)
    names = [f"compositional_skills/many/other_{n}" for n in range(6)] + ["compositional_skills/zoo/named_otter"]
    taxonomy.store.commit(
        [FileChange(f"{name}/qna.yaml", document("Tell of an otter"), None) for name in names],
        author=Person("Lena Moss", "lena@example.org"),
        message="Add many",
        when=WHEN,
    )
    services.index_update(now=now)
    with django_assert_num_queries(2):
        result = search(Wanted("otter"), user=VISITOR)
    assert (len(result.leaves), result.more) == (3, True)
    # The one that is named so comes first, however many others there are.
    assert searching.in_order(result.leaves)[0].path == "compositional_skills/zoo/named_otter"
    assert not search(Wanted("seed banks"), user=VISITOR).more
    assert search(Wanted(branch="compositional_skills"), user=VISITOR).more


def test_the_words_follow_every_change_and_are_the_same_made_from_nothing(taxonomy: Taxonomy, now: datetime) -> None:
    new = "compositional_skills/writing/odes"
    steps = (
        lambda: commit(taxonomy, {f"{new}/qna.yaml": document("Write an ode")}),
        lambda: commit(taxonomy, {f"{new}/qna.yaml": document("Write a hymn")}, day=1),
        lambda: move(taxonomy, new, "compositional_skills/poems/praise", day=2),
        lambda: commit(taxonomy, {f"{FREEFORM}/qna.yaml": None, f"{FREEFORM}/attribution.txt": None}, day=3),
        lambda: commit(taxonomy, {f"{GROUNDED}/qna.yaml": b"\xff not text"}, day=4),
    )
    expected = {
        "ode": [[new], [new], [], [], []],
        "hymn": [[], [new], *[["compositional_skills/poems/praise"]] * 3],
        "praise": [[], [], *[["compositional_skills/poems/praise"]] * 3],
        "kale": [[FREEFORM], [FREEFORM], [FREEFORM], [], []],
        "march": [*[[GROUNDED]] * 4, []],
    }
    for at, step in enumerate(steps):
        step()
        services.index_update(now=now)
        assert {word: found(word) for word in expected} == {word: paths[at] for word, paths in expected.items()}
    followed = texts()
    services.index_rebuild(now=now)
    assert texts() == followed
    assert {word: found(word) for word in expected} == {word: paths[-1] for word, paths in expected.items()}
    assert found("kale") == []


def test_a_leaf_with_more_words_than_an_index_holds_is_indexed_and_found(taxonomy: Taxonomy, now: datetime) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = (f"{a}{b}{c}{d}" for a in letters for b in letters for c in letters for d in letters)
    endless = " ".join(next(words) for _ in range(130_000)).encode()
    path = "compositional_skills/a/endless"
    commit(taxonomy, {f"{path}/qna.yaml": document("Tell").replace(b"Answer 1.", endless)})
    services.index_update(now=now)
    assert taxonomy.leaf(path).problem == ""
    assert found("aaaa aabz") == [path]
    assert found("tell") == [path]


def test_a_leaf_that_comes_back_is_found_again(taxonomy: Taxonomy, now: datetime) -> None:
    head = taxonomy.store.head()
    files = {
        f"{GROUNDED}/{name}": taxonomy.store.file_at(head, f"{GROUNDED}/{name}")
        for name in ("qna.yaml", "attribution.txt")
    }
    commit(taxonomy, dict.fromkeys(files, None))
    services.index_update(now=now)
    assert found("march") == []
    commit(taxonomy, files, day=1)
    services.index_update(now=now)
    assert found("march") == [GROUNDED]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps its index itself; SQLite's has triggers")
def test_the_index_of_sqlite_agrees_with_its_table_after_all_kinds_of_writes(taxonomy: Taxonomy) -> None:
    def check() -> None:
        with connection.cursor() as cursor:
            # rank 1 compares the index with the table that it is made of, and fails where they differ.
            cursor.execute("INSERT INTO tree_leaftext_index(tree_leaftext_index, rank) VALUES ('integrity-check', 1)")

    check()
    text = LeafText.objects.get(leaf__path=FREEFORM)
    text.about = "something else"
    text.save()
    check()
    LeafText.objects.filter(leaf__path=GROUNDED).update(place="elsewhere")
    check()
    Leaf.objects.filter(path=KNOWLEDGE).delete()
    check()
    assert found("elsewhere") == [GROUNDED]
    assert found("gardening") == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60) | st.sampled_from("kale march seed rhyme").map(lambda word: f"{word}*"))
def test_no_text_breaks_the_search(text: str, taxonomy: Taxonomy) -> None:
    for path in found(text):
        assert path in TINY_LEAVES
    found(author=text, place=text)


def test_a_result_shows_the_seed_that_has_the_word(taxonomy: Taxonomy, django_assert_num_queries: Any) -> None:
    leaves = [taxonomy.leaf(path) for path in (FREEFORM, GROUNDED, FOUNDATIONAL)]
    with django_assert_num_queries(1):
        pieces = excerpts(leaves, "kale")
    assert pieces == {leaves[0].pk: "Write a rhyme about <mark>kale</mark>."}
    assert excerpts(leaves, "***") == {}


def test_a_long_text_is_cut_around_the_word(taxonomy: Taxonomy, now: datetime) -> None:
    long = document("Tell").replace(b"Answer 3.", b"word " * 100 + b"osprey " + b"<b>more</b> " * 100)
    commit(taxonomy, {"compositional_skills/a/long/qna.yaml": long})
    services.index_update(now=now)
    leaf = taxonomy.leaf("compositional_skills/a/long")
    piece = excerpts([leaf], "OSPREY")[leaf.pk]
    assert piece.startswith("…")
    assert piece.endswith("…")
    assert "<mark>osprey</mark>" in piece
    assert "<b>" not in piece
    assert len(piece) < 600
