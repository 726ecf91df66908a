"""The pages that people work on ask the database as often for much as for little."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from taxonomy_app.contributions import deciding, talking
from taxonomy_app.contributions.models import Submission
from taxonomy_app.people.models import User
from taxonomy_app.tree.services import index_update
from taxonomy_repo.store import FileChange, Person
from tests.conftest import Taxonomy
from tests.leaves import FREEFORM
from tests.taxonomy_app.contributions.making import make_improvement, make_submission, skill_form

pytestmark = pytest.mark.django_db


def _grow(taxonomy: Taxonomy, people: list[User], reviewer: User, numbers: range, *, now: datetime) -> None:
    """For each number a leaf and a folder in the taxonomy, and submissions of new leaves and of improvements."""
    store = taxonomy.store
    data = store.repository.read_blob(taxonomy.leaf(FREEFORM).blob)
    store.commit(
        [
            FileChange(f"compositional_skills/{folder}/rhymes_{number}/qna.yaml", data, None)
            for number in numbers
            for folder in ("writing", f"writing_{number}")
        ],
        author=Person("Rosa Lind", f"rosa{numbers.start}@example.org"),
        message="Add rhymes",
        when=now,
    )
    index_update(now=now)
    for number in numbers:
        when = now + timedelta(minutes=number)
        for person in people:
            path = f"compositional_skills/writing/riddles_{person.username}_{number}"
            form = skill_form(f"Make riddle {number} about a plant.")
            made = make_submission(person, now=when, path=path, form=form)
            make_improvement(person, taxonomy.leaf(FREEFORM), now=when, seed=0, answer=f"Beans, row {number}.")
            deciding.submission_claim(submission=made, reviewer=reviewer, now=when)
    for waiting in Submission.objects.all():
        talking.comment_add(
            submission=waiting, author=reviewer, text="Is it so?", revision_number=1, seed_position=1, now=now
        )


def test_pages_ask_the_database_as_often_for_three_times_as_much(
    taxonomy: Taxonomy,
    contributor: User,
    other_contributor: User,
    reviewer: User,
    client_for: Callable[[User | None], Client],
    now: datetime,
) -> None:
    people = [contributor, other_contributor]
    _grow(taxonomy, people, reviewer, range(2), now=now)
    first = Submission.objects.order_by("pk").get(path__endswith=f"riddles_{contributor.username}_0")
    leaf = taxonomy.leaf(FREEFORM)
    home, queue = reverse("tree:home"), reverse("contributions:queue")
    pages: dict[str, tuple[User | None, str]] = {
        "tree": (reviewer, home),
        "tree, a visitor": (None, home),
        "folder": (reviewer, f"{home}?at=compositional_skills/writing"),
        "folder opened": (reviewer, reverse("tree:folder") + "?path=compositional_skills/writing"),
        "search": (reviewer, f"{home}?q=rhyme"),
        "search, by state": (reviewer, f"{home}?state=unscored"),
        "leaf": (reviewer, leaf.get_absolute_url()),
        "leaf, a visitor": (None, leaf.get_absolute_url()),
        "history": (reviewer, reverse("tree:history", args=[leaf.leaf_id])),
        "queue": (reviewer, queue),
        "queue, words": (reviewer, f"{queue}?state=all&q=riddle"),
        "queue, all by place": (reviewer, f"{queue}?state=all&sort=place"),
        "desk": (reviewer, reverse("contributions:review", args=[first.pk])),
        "desk, similar seeds": (reviewer, reverse("contributions:alike", args=[first.pk])),
        "submission": (contributor, first.get_absolute_url()),
        "my contributions": (contributor, reverse("contributions:mine")),
        "start page": (contributor, reverse("web:home")),
    }

    def asked() -> dict[str, int]:
        counts = {}
        for page, (person, address) in pages.items():
            client: Any = client_for(person)
            client.get(address)  # what a first visit writes, such as that its notices are read
            with CaptureQueriesContext(connection) as queries:
                assert client.get(address).status_code == 200, page
            counts[page] = len(queries)
        return counts

    little = asked()
    _grow(taxonomy, people, reviewer, range(2, 6), now=now)
    assert asked() == little
