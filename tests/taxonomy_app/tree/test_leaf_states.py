"""How leaves stand: what waits, and what the newest release says of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser

from taxonomy_app.contributions.models import Submission
from taxonomy_app.people.models import User
from taxonomy_app.releases.forgetting import METRIC
from taxonomy_app.releases.models import LeafComparison, LeafScore, Release, Retention, Subject
from taxonomy_app.rounds.models import Round
from taxonomy_app.tree.leaf_states import in_state, states_of
from taxonomy_app.tree.models import Leaf
from tests.conftest import Taxonomy
from tests.leaves import FREEFORM, GROUNDED, KNOWLEDGE

pytestmark = pytest.mark.django_db
VISITOR = AnonymousUser()


def release(number: int, owner: User, now: datetime, *, state: str = "published") -> Release:
    made = Round.objects.create(
        number=number,
        title=f"Round {number}",
        plan={},
        plan_hash=f"{number:064}",
        taxonomy_commit="c" * 40,
        state="done",
        created_by=owner,
        created_at=now,
        started_at=now,
        ended_at=now,
    )
    return Release.objects.create(
        number=number,
        name=f"Release {number}",
        round=made,
        student_artifact="student",
        taxonomy_commit="c" * 40,
        plan_hash=f"{number:064}",
        state=state,
        created_at=now,
    )


def score(release: Release, leaf: Leaf, mean: float, *, low: float | None = None, forgets: bool = False) -> None:
    of = {"release": release, "leaf_id": leaf.leaf_id, "path": leaf.path, "metric": METRIC}
    LeafScore.objects.create(**of, subject=Subject.AFTER, mean=mean, n=5)
    if low is not None:
        ends = {"difference": low + 0.1, "low": low, "high": low + 0.2}
        LeafComparison.objects.create(**of, first=Subject.BEFORE, second=Subject.AFTER, n=5, method="t", **ends)
    if forgets:
        Retention.objects.create(
            **of, taught_by=release, n=5, difference=-1.0, method="t", margin=0.1, verdict=Retention.Verdict.FORGETS
        )


def submit(leaf: Leaf, author: User, now: datetime, state: str) -> None:
    Submission.objects.create(
        author=author,
        kind=leaf.kind,
        path=leaf.path,
        branch=leaf.branch,
        leaf_id=leaf.leaf_id,
        state=state,
        created_at=now,
        submitted_at=now,
        updated_at=now,
    )


def paths(state: str, user: Any) -> list[str]:
    return list(in_state(Leaf.objects.present(), state, user).order_by("path").values_list("path", flat=True))


def test_open_submissions_are_counted_for_people_and_not_told_to_visitors(
    taxonomy: Taxonomy, contributor: User, other_contributor: User, now: datetime
) -> None:
    leaf = taxonomy.leaf(FREEFORM)
    for state in ("submitted", "changes_requested", "conflict", "approved", "committed", "rejected", "withdrawn"):
        submit(leaf, contributor, now, state)
    assert states_of([leaf], other_contributor)[leaf.leaf_id].open_submissions == 4
    assert states_of([leaf], VISITOR)[leaf.leaf_id].open_submissions == 0


def test_the_last_score_is_that_of_the_newest_release_which_the_person_may_see(
    taxonomy: Taxonomy, contributor: User, now: datetime
) -> None:
    leaf, other = taxonomy.leaf(FREEFORM), taxonomy.leaf(GROUNDED)
    score(release(1, contributor, now), leaf, -2.0, low=0.1)
    score(release(2, contributor, now), other, -1.0)
    score(release(3, contributor, now, state="candidate"), leaf, -1.5, low=-0.4, forgets=True)
    seen = states_of([leaf, other], VISITOR)
    shown = seen[leaf.leaf_id].score
    assert shown is not None
    assert (shown.release.number, shown.outcome, shown.forgotten) == (1, "certain better", False)
    unsure = seen[other.leaf_id].score
    assert unsure is not None
    assert (unsure.release.number, unsure.outcome) == (2, "")
    inside = states_of([leaf], contributor)[leaf.leaf_id].score
    assert inside is not None
    assert (inside.release.number, inside.outcome, inside.forgotten) == (3, "certain worse", True)


def test_leaves_are_found_by_their_scores(taxonomy: Taxonomy, contributor: User, now: datetime) -> None:
    score(release(1, contributor, now), taxonomy.leaf(FREEFORM), -2.0, forgets=True)
    candidate = release(2, contributor, now, state="candidate")
    score(candidate, taxonomy.leaf(GROUNDED), -2.0, forgets=True)
    assert paths("scored", VISITOR) == [FREEFORM]
    assert paths("scored", contributor) == [GROUNDED, FREEFORM]
    assert KNOWLEDGE in paths("unscored", contributor)
    assert GROUNDED in paths("unscored", VISITOR)
    assert paths("forgotten", VISITOR) == [FREEFORM]
    assert paths("forgotten", contributor) == [GROUNDED]


def test_many_leaves_ask_no_more_queries_than_one(
    taxonomy: Taxonomy, contributor: User, now: datetime, django_assert_max_num_queries: Any
) -> None:
    leaves = list(Leaf.objects.all())
    for number in (1, 2, 3):
        made = release(number, contributor, now)
        for leaf in leaves[:number]:
            score(made, leaf, -1.0, low=0.1)
    for some in (leaves[:1], leaves):
        with django_assert_max_num_queries(5):
            assert len(states_of(some, contributor)) == len(some)
    with django_assert_max_num_queries(0):
        assert states_of([], contributor) == {}
