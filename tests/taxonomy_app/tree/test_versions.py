"""What each step of a leaf's history changed, field by field."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import reverse

from taxonomy_app.contributions.models import Submission
from taxonomy_app.people.models import User
from taxonomy_app.tree import services
from taxonomy_app.tree.models import Leaf, LeafVersion
from taxonomy_app.tree.versions import change_shown, history_of
from tests.conftest import Taxonomy
from tests.leaves import FREEFORM, GROUNDED
from tests.taxonomy_app.tree.test_leaf_states import submit
from tests.taxonomy_app.tree.test_services import commit, document, move

pytestmark = pytest.mark.django_db
VISITOR = AnonymousUser()


@pytest.fixture
def leaf(taxonomy: Taxonomy, now: datetime) -> Leaf:
    """A leaf that was added, changed, re-sourced, moved, broken and taken out."""
    new = "compositional_skills/writing/odes"
    commit(taxonomy, {f"{new}/qna.yaml": document("Write an ode"), f"{new}/attribution.txt": b"Title of work: A log\n"})
    commit(taxonomy, {f"{new}/qna.yaml": document("Write a long ode", seeds=6)}, day=1)
    commit(taxonomy, {f"{new}/attribution.txt": b"Title of work: A diary\n"}, day=2)
    move(taxonomy, new, "compositional_skills/poems/odes", day=3)
    commit(taxonomy, {"compositional_skills/poems/odes/qna.yaml": b"version: 3\nseed_examples: [\n"}, day=4)
    commit(
        taxonomy,
        {"compositional_skills/poems/odes/qna.yaml": None, "compositional_skills/poems/odes/attribution.txt": None},
        day=5,
    )
    services.index_update(now=now)
    return Leaf.objects.get(path="compositional_skills/poems/odes")


def steps(leaf: Leaf) -> list[Any]:
    """Every step in full, the oldest first."""
    return [change_shown(leaf, version.position, VISITOR) for version in leaf.versions.order_by("position")]


def test_each_step_is_compared_with_the_one_before_it(leaf: Leaf) -> None:
    added, changed, sourced, moved, broken, removed = steps(leaf)
    assert added.earlier is None
    assert added.comparison.counts["added"] == 5
    assert [field.label for field in added.head_shown] == ["Task"]
    assert changed.comparison.counts["added"] == 1
    assert [field.label for field in changed.head_shown] == ["Task"]
    assert not changed.sources_changed
    assert sourced.sources_changed
    assert not sourced.comparison.changed
    assert not sourced.nothing_changed
    assert moved.moved
    assert moved.nothing_changed
    assert broken.comparison is None
    assert broken.unreadable == "after"
    assert removed.unreadable == "before"
    assert (changed.earlier, changed.later) == (added.change.version, sourced.change.version)
    assert removed.later is None


def test_a_removed_leaf_shows_what_was_taken_out(taxonomy: Taxonomy, now: datetime) -> None:
    identity = taxonomy.leaf(GROUNDED).leaf_id
    commit(taxonomy, {f"{GROUNDED}/qna.yaml": None, f"{GROUNDED}/attribution.txt": None})
    services.index_update(now=now)
    removed = steps(Leaf.objects.get(leaf_id=identity))[-1]
    assert removed.comparison.counts["removed"] == 5
    assert all(field.changed and not field.after for source in removed.sources for field in source)


def test_the_pages_of_the_steps_say_what_happened(leaf: Leaf, client: Client) -> None:
    pages = [
        client.get(reverse("tree:version", args=[leaf.leaf_id, version.position])).content.decode()
        for version in leaf.versions.order_by("position")
    ]
    assert "added the leaf" in pages[0]
    assert '<ins class="word-ins">' in pages[1]
    assert "1 added, 5 changed, 0 removed, 0 as before" in pages[1]
    assert '<del class="word-del">log</del>' in pages[2]
    assert "Only its place changed" in pages[3]
    assert "The leaf after this change cannot be read as a leaf" in pages[4]
    assert "The leaf before this change cannot be read" in pages[5]
    assert "lena@example.org" not in "".join(pages)


def test_a_step_that_is_not_there_is_not_found(leaf: Leaf, taxonomy: Taxonomy, client: Client) -> None:
    for position in (99, 10**30):
        assert client.get(f"/taxonomy/leaf/{leaf.leaf_id}/history/{position}/").status_code == 404
    other = LeafVersion.objects.filter(leaf=leaf).first()
    assert other is not None
    # The number is of the leaf: another leaf's step is not shown under its name.
    assert (
        client.get(reverse("tree:version", args=[taxonomy.leaf(FREEFORM).leaf_id, other.position])).status_code == 404
    )


def test_the_history_leads_to_each_change_and_asks_few_queries(
    leaf: Leaf, client: Client, other_contributor: User, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):
        changes, more = history_of(leaf, 3)
        addresses = [change.version.get_absolute_url() for change in changes]
    assert more
    assert len(addresses) == 3
    page = client.get(reverse("tree:history", args=[leaf.leaf_id])).content.decode()
    for version in leaf.versions.select_related("leaf"):
        assert version.get_absolute_url() in page
    with django_assert_num_queries(4):
        change_shown(leaf, changes[-1].version.position, VISITOR)


def test_a_change_leads_to_the_submission_it_came_from_and_to_no_other(
    taxonomy: Taxonomy, contributor: User, now: datetime
) -> None:
    leaf = taxonomy.leaf(FREEFORM)
    submit(leaf, contributor, now, "committed")
    made = Submission.objects.get()
    for day, named in enumerate((f"S{made.pk}/1", "S99999/1", "from elsewhere")):
        commit(
            taxonomy,
            {f"{FREEFORM}/qna.yaml": document(f"Turn {day}")},
            day=day,
            trailers={"Submission": named},
        )
    commit(taxonomy, {f"{GROUNDED}/qna.yaml": document("Turn")}, trailers={"Submission": f"S{made.pk}/1"}, day=4)
    services.index_update(now=now)
    leaf = taxonomy.leaf(FREEFORM)
    assert [step.submission for step in steps(leaf)] == [None, made, None, None]
    assert [step.submission for step in steps(taxonomy.leaf(GROUNDED))] == [None, None]
