"""Browsing, searching and reading the taxonomy, with as many queries for many leaves as for few."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from taxonomy_app.contributions.models import Submission
from taxonomy_app.people.models import User
from taxonomy_app.tree import queries, services
from taxonomy_app.tree.models import Leaf
from taxonomy_app.tree.similarity import nearest
from taxonomy_app.tree.similarity.vectors import vectors_update
from taxonomy_repo.store import FileChange, Person
from tests.conftest import Taxonomy
from tests.leaves import DOCUMENT_NAME, FREEFORM, GROUNDED, KNOWLEDGE
from tests.taxonomy_app.tree.test_leaf_states import submit
from tests.taxonomy_app.tree.test_services import commit, document

pytestmark = pytest.mark.django_db


def text_of(client: Client, url: str, **query: str) -> str:
    answer = client.get(url, query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_first_page_shows_the_branches_with_their_counts(taxonomy: Taxonomy, client: Client) -> None:
    page = text_of(client, reverse("tree:home"))
    assert "4 leaves with 20 seeds." in page
    assert "Foundational skills" in page
    assert "Gardening" in page


def test_an_empty_taxonomy_is_no_error(taxonomy_repository: Any, client: Client) -> None:
    assert "Nothing here yet." in text_of(client, reverse("tree:home"))


def test_a_folder_opens_as_a_fragment_and_as_a_page(taxonomy: Taxonomy, client: Client) -> None:
    fragment = text_of(client, reverse("tree:folder"), path="compositional_skills/writing")
    assert "Plant rhymes" in fragment
    assert "<html" not in fragment
    page = text_of(client, reverse("tree:home"), at="compositional_skills/writing")
    assert "Plant rhymes" in page
    assert 'aria-current="page"' in page


@pytest.mark.parametrize("path", ["nowhere", "../etc", "compositional_skills/w%", "know\0ledge", ""])
def test_a_folder_that_is_not_there_is_not_found(path: str, taxonomy: Taxonomy, client: Client) -> None:
    assert client.get(reverse("tree:folder"), {"path": path}).status_code == 404
    if path:
        assert client.get(reverse("tree:home"), {"at": path}).status_code == 404
        assert client.get(reverse("tree:at_path", args=[path])).status_code == 404
    assert client.get(reverse("tree:home"), {"q": "a\0b"}).status_code == 200


def test_a_search_keeps_its_words_and_says_when_nothing_is_found(taxonomy: Taxonomy, client: Client) -> None:
    page = text_of(client, reverse("tree:home"), q="kale")
    assert "1 leaf found." in page
    assert 'value="kale"' in page
    assert "No leaf has these words" in text_of(client, reverse("tree:home"), q="submarine")
    assert "Seed banks" in text_of(client, reverse("tree:home"), kind="knowledge")
    assert "Plant rhymes" not in text_of(client, reverse("tree:home"), branch="knowledge")


def test_a_search_without_a_result_shows_leaves_that_are_about_it(
    taxonomy: Taxonomy, client: Client, now: datetime
) -> None:
    vectors_update(now=now)
    nearest.forget()
    page = text_of(client, reverse("tree:home"), q="rhyming plantlets submarine")
    assert "No leaf has these words" in page
    assert "About something like it" in page
    assert taxonomy.leaf(FREEFORM).get_absolute_url() in page


def test_a_search_is_narrowed_in_the_address_and_says_what_it_does_not_understand(
    taxonomy: Taxonomy, contributor: User, client_for: Callable[..., Client]
) -> None:
    client = client_for(contributor)
    page = text_of(client, reverse("tree:home"), author="tomás", place="compositional_skills/writing")
    assert "1 leaf found." in page
    assert "<details open>" in page
    assert "No leaf is like that" in text_of(client, reverse("tree:home"), state="open")
    wrong = text_of(client, reverse("tree:home"), kind="tree", q="kale")
    assert "Select a valid choice" in wrong
    assert "found" not in wrong.partition("<main")[2].partition("</form>")[2]
    # What waits for review is not told to visitors, not even by asking for it.
    assert "Select a valid choice" in text_of(client_for(None), reverse("tree:home"), state="open")


def test_a_folder_with_very_many_leaves_is_shown_piece_by_piece(
    taxonomy: Taxonomy, client: Client, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "LEAVES_SHOWN", 3)
    folder = "compositional_skills/many"
    commit(taxonomy, {f"{folder}/leaf_{n}/qna.yaml": document(f"Task {n}") for n in range(7)})
    services.index_update(now=now)
    pieces = [text_of(client, reverse("tree:folder"), path=folder, piece=str(piece)) for piece in (1, 2, 3)]
    assert [piece.count("tree-leaf") - piece.count("Show more") for piece in pieces] == [3, 3, 1]
    assert ["Show more" in piece for piece in pieces] == [True, True, False]
    assert "<ul" not in pieces[1]
    page = text_of(client, reverse("tree:home"), at=folder, piece="2")
    assert "Leaf 3" in page
    assert "Leaf 0" not in page
    for nonsense in ("0", "-1", "x", "9" * 30):
        assert "Leaf 0" in text_of(client, reverse("tree:folder"), path=folder, piece=nonsense)


def test_seeds_are_laid_out_or_shown_as_they_were_typed(taxonomy: Taxonomy, client: Client, now: datetime) -> None:
    commit(taxonomy, {f"{FREEFORM}/qna.yaml": document("Rhyme").replace(b"Answer 1.", b"Some **weight** here.")})
    services.index_update(now=now)
    url = taxonomy.leaf(FREEFORM).get_absolute_url()
    assert "Some <strong>weight</strong> here." in text_of(client, url)
    typed = text_of(client, f"{url}?as=written")
    assert "Some **weight** here." in typed
    assert "<strong>" not in typed


def test_a_leafs_page_says_that_changes_wait_to_people_only(
    taxonomy: Taxonomy, contributor: User, other_contributor: User, client_for: Callable[..., Client], now: datetime
) -> None:
    submit(taxonomy.leaf(FREEFORM), contributor, now, "submitted")
    url = taxonomy.leaf(FREEFORM).get_absolute_url()
    assert "1 change of this leaf waits for a decision." in text_of(client_for(other_contributor), url)
    assert "waits for a decision" not in text_of(client_for(None), url)
    folder = reverse("tree:folder")
    opened = text_of(client_for(other_contributor), folder, path="compositional_skills/writing")
    assert "1 open submission" in opened


def test_related_leaves_are_a_fragment_and_a_page(taxonomy: Taxonomy, client: Client, now: datetime) -> None:
    commit(taxonomy, {"compositional_skills/poems/odes/qna.yaml": document("Write an ode that rhymes about a plant")})
    services.index_update(now=now)
    vectors_update(now=now)
    nearest.forget()
    url = reverse("tree:related", args=[taxonomy.leaf(FREEFORM).leaf_id])
    fragment = client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "Odes" in fragment
    assert "<html" not in fragment
    assert "<html" in text_of(client, url)


def test_places_for_a_text_are_suggested_with_the_leaves_that_are_there(
    taxonomy: Taxonomy, contributor: User, client_for: Callable[..., Client], now: datetime
) -> None:
    vectors_update(now=now)
    nearest.forget()
    client, url = client_for(contributor), reverse("tree:places")
    assert "places-found" in text_of(client, url)
    page = text_of(client, url, text="Rhymes about the plants in my garden")
    start = reverse("contributions:new", query={"folder": "compositional_skills/writing"})
    assert start.replace("&", "&amp;") in page
    assert taxonomy.leaf(FREEFORM).get_absolute_url() in page
    assert reverse("contributions:new") not in text_of(client_for(None), url, text="Rhymes about plants")
    assert "begins a folder of its own" in text_of(client, url, text="zzzz qqqq")
    fragment = client.get(url, {"text": "Rhymes about plants"}, headers={"HX-Request": "true"})
    assert b"<html" not in fragment.content
    empty = client.get(url, {"text": ""}, headers={"HX-Request": "true"})
    assert empty.status_code == 422
    assert client.get(url, {"text": "a" * 2001}).status_code == 422


def test_a_place_leads_to_the_leaf_that_is_there_now(taxonomy: Taxonomy, client: Client) -> None:
    assert client.get(reverse("tree:at_path", args=[FREEFORM])).url == taxonomy.leaf(FREEFORM).get_absolute_url()
    assert client.get(reverse("tree:at_path", args=["knowledge/gardening"])).url.endswith("?at=knowledge%2Fgardening")
    assert client.get(reverse("tree:at_path", args=["knowledge/nothing"])).status_code == 404


def test_a_leafs_page_shows_seeds_documents_sources_people_and_history(
    taxonomy: Taxonomy, client: Client, other_contributor: User
) -> None:
    page = text_of(client, taxonomy.leaf(KNOWLEDGE).get_absolute_url())
    for expected in (
        "A seed bank keeps seeds dry and cold",
        "Question 2 about how seeds are sampled?",
        DOCUMENT_NAME,
        "A garden notebook",
        "CC-BY-4.0",
        "added the leaf",
        reverse("people:person", args=[other_contributor.username]),
    ):
        assert expected in page


def test_what_people_wrote_is_never_markup(taxonomy: Taxonomy, client: Client, now: datetime) -> None:
    commit(taxonomy, {f"{FREEFORM}/qna.yaml": document("<script>alert(1)</script>")})
    services.index_update(now=now)
    for page in (
        text_of(client, taxonomy.leaf(FREEFORM).get_absolute_url()),
        text_of(client, reverse("tree:home"), q="<script>"),
    ):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert" in page or "&lt;script&gt;" in page


def test_a_document_is_shown_by_its_name_and_no_other_file_is(taxonomy: Taxonomy, client: Client) -> None:
    identity = taxonomy.leaf(KNOWLEDGE).leaf_id
    assert "minus eighteen degrees" in text_of(client, reverse("tree:document", args=[identity, DOCUMENT_NAME]))
    for name in ("other.md", "../qna.yaml", "a/b.md"):
        assert client.get(f"/taxonomy/leaf/{identity}/documents/{name}/").status_code == 404


def test_the_file_is_downloaded_byte_for_byte(taxonomy: Taxonomy, client: Client) -> None:
    leaf = taxonomy.leaf(FREEFORM)
    answer = client.get(reverse("tree:download", args=[leaf.leaf_id]))
    assert answer.content == taxonomy.store.read_blob(leaf.blob)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="plant_rhymes.yaml"'
    assert answer.headers["Content-Type"].startswith("application/yaml")


def test_a_removed_leaf_keeps_its_page_but_cannot_be_improved(
    taxonomy: Taxonomy, contributor: User, client_for: Callable[..., Client], now: datetime
) -> None:
    leaf = taxonomy.leaf(GROUNDED)
    improve = reverse("contributions:improve", args=[leaf.leaf_id])
    client = client_for(contributor)
    assert improve in text_of(client, leaf.get_absolute_url())
    commit(taxonomy, {f"{GROUNDED}/qna.yaml": None, f"{GROUNDED}/attribution.txt": None})
    services.index_update(now=now)
    page = text_of(client, leaf.get_absolute_url())
    assert "taken out of the taxonomy" in page
    assert improve not in page
    assert "Sowing dates" not in text_of(client, reverse("tree:home"), q="sowing")


def test_submissions_are_shown_to_those_who_may_see_them(
    taxonomy: Taxonomy,
    contributor: User,
    other_contributor: User,
    reviewer: User,
    client_for: Callable[..., Client],
    now: datetime,
) -> None:
    leaf = taxonomy.leaf(FREEFORM)
    submission = Submission.objects.create(
        author=contributor,
        kind="freeform",
        path=FREEFORM,
        branch="compositional_skills",
        leaf_id=leaf.leaf_id,
        created_at=now,
        submitted_at=now,
        updated_at=now,
    )
    seen = {
        person and person.username: submission.get_absolute_url()
        in text_of(client_for(person), leaf.get_absolute_url())
        for person in (None, contributor, other_contributor, reviewer)
    }
    assert seen == {None: False, "rosa": True, "tomas": False, "emeka": True}


def test_pages_ask_no_more_queries_for_two_hundred_leaves_than_for_four(
    taxonomy: Taxonomy,
    reviewer: User,
    client_for: Callable[..., Client],
    now: datetime,
    django_assert_max_num_queries: Any,
) -> None:
    """The limits hold with the header's own queries (session, account, queue, notices)."""
    client = client_for(reviewer)
    urls = {
        reverse("tree:home"): 8,
        reverse("tree:home") + "?at=compositional_skills/writing": 9,
        reverse("tree:folder") + "?path=compositional_skills/writing": 7,
        reverse("tree:home") + "?q=rhyme": 10,
        reverse("tree:home") + "?q=rhyme&author=lena&state=open&place=compositional": 10,
        taxonomy.leaf(FREEFORM).get_absolute_url(): 17,
    }
    for turn in ("few", "many"):
        for url, limit in urls.items():
            with django_assert_max_num_queries(limit):
                assert client.get(url).status_code == 200, (turn, url)
        if turn == "few":
            taxonomy.store.commit(
                [
                    FileChange(f"compositional_skills/writing/rhyme_{n}/qna.yaml", document(f"Rhyme {n}"), None)
                    for n in range(200)
                ],
                author=Person("Lena Moss", "lena@example.org"),
                message="Add many",
                when=now,
            )
            services.index_update(now=now)
            for n in range(12):
                commit(taxonomy, {f"{FREEFORM}/qna.yaml": document("Rhyme anew", seeds=6 + n)}, day=n)
            services.index_update(now=now)


def test_a_long_history_has_a_page_of_its_own(taxonomy: Taxonomy, client: Client, now: datetime) -> None:
    leaf = taxonomy.leaf(FREEFORM)
    assert "The whole history" not in text_of(client, leaf.get_absolute_url())
    for n in range(9):
        commit(
            taxonomy,
            {f"{FREEFORM}/qna.yaml": document(f"Turn {n}")},
            day=n,
            trailers={"Reviewed-by": "Emeka Obi <emeka@example.org>"},
        )
    services.index_update(now=now)
    assert "The whole history" in text_of(client, leaf.get_absolute_url())
    page = text_of(client, reverse("tree:history", args=[leaf.leaf_id]))
    assert page.count("changed the leaf") == 9
    assert "approved by Emeka Obi" in page
    assert "emeka@example.org" not in page


def test_an_unknown_leaf_is_not_found(taxonomy: Taxonomy, client: Client) -> None:
    for name in ("leaf", "history", "download"):
        assert client.get(reverse(f"tree:{name}", args=[uuid.uuid4()])).status_code == 404
    assert Leaf.objects.count() == 4
