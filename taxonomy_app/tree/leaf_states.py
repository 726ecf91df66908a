"""How leaves stand: open submissions, the last score, whether they can be used. Reads of other rooms' rows, in bulk."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Q
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.contributions.models import State, Submission
from taxonomy_app.releases.forgetting import METRIC
from taxonomy_app.releases.headline import outcome
from taxonomy_app.releases.models import LeafComparison, LeafScore, Release, Retention, Subject
from taxonomy_app.tree.models import Leaf, LeafQuerySet

# Submissions that may still change the leaf.
OPEN = (State.SUBMITTED, State.CHANGES_REQUESTED, State.CONFLICT, State.APPROVED)

STATES = {
    "open": lazy("With open submissions"),
    "scored": lazy("Scored by a release"),
    "unscored": lazy("Not scored yet"),
    "forgotten": lazy("Forgotten by the newest release"),
    "problem": lazy("Cannot be used as it is"),
}
# What is not public until it is approved is not asked for by visitors either.
FOR_PEOPLE_ONLY = frozenset({"open"})


@dataclass(frozen=True)
class LastScore:
    """What the newest release that was asked about a leaf says of it; ``outcome`` as in ``releases.headline``."""

    release: Release
    outcome: str
    forgotten: bool


@dataclass(frozen=True)
class LeafState:
    """How one leaf stands. ``open_submissions`` is 0 for visitors, who are not told of what waits."""

    open_submissions: int = 0
    score: LastScore | None = None


def open_submissions(leaf_ids: Iterable[uuid.UUID], user: Any) -> dict[uuid.UUID, int]:
    """Leaf → how many submissions wait, leaves without any left out. One query, none for visitors."""
    if not user.is_authenticated:
        return {}
    waiting = Submission.objects.filter(leaf_id__in=list(leaf_ids), state__in=OPEN).order_by()
    return dict(waiting.values_list("leaf_id").annotate(Count("pk")))


def last_scores(leaf_ids: Iterable[uuid.UUID], user: Any) -> dict[uuid.UUID, LastScore]:
    """Leaf → what the newest release says that was asked about it and that the person may see. Four queries."""
    ids = list(leaf_ids)
    scores = LeafScore.objects.filter(leaf_id__in=ids, metric=METRIC, subject=Subject.AFTER)
    scores = scores.filter(release__in=Release.objects.visible_for(user))
    newest = dict(scores.order_by().values_list("leaf_id").annotate(Max("release__number")))
    releases = {one.number: one for one in Release.objects.filter(number__in=set(newest.values())).defer("summary")}
    shown = Q(leaf_id__in=ids, release__in=list(releases.values()), metric=METRIC)
    compared = LeafComparison.objects.filter(shown, first=Subject.BEFORE, second=Subject.AFTER).order_by()
    outcomes = {
        (release, leaf): outcome(METRIC, difference, low, high)
        for release, leaf, difference, low, high in compared.values_list(
            "release_id", "leaf_id", "difference", "low", "high"
        )
    }
    forgets = Retention.objects.filter(shown, verdict=Retention.Verdict.FORGETS).order_by()
    forgotten = set(forgets.values_list("release_id", "leaf_id"))
    found: dict[uuid.UUID, LastScore] = {}
    for leaf, number in newest.items():
        key = (releases[number].pk, leaf)
        found[leaf] = LastScore(releases[number], outcomes.get(key, ""), key in forgotten)
    return found


def states_of(leaves: Iterable[Leaf], user: Any) -> dict[uuid.UUID, LeafState]:
    """How each of the leaves stands. Five queries at most, however many leaves."""
    ids = [leaf.leaf_id for leaf in leaves]
    waiting, scores = open_submissions(ids, user), last_scores(ids, user)
    return {one: LeafState(waiting.get(one, 0), scores.get(one)) for one in ids}


def in_state(leaves: LeafQuerySet, state: str, user: Any) -> LeafQuerySet:
    """The leaves that are in this state (a key of ``STATES``); none for a state that the person is not told of."""
    if state in FOR_PEOPLE_ONLY and not user.is_authenticated:
        return leaves.none()
    if state == "open":
        return leaves.filter(
            leaf_id__in=Submission.objects.filter(state__in=OPEN, leaf_id__isnull=False).values("leaf_id")
        )
    if state == "problem":
        return leaves.exclude(problem="")
    releases = Release.objects.visible_for(user)
    if state == "forgotten":
        newest = releases.order_by("-number").values("pk")[:1]
        forgotten = Retention.objects.filter(release__in=newest, metric=METRIC, verdict=Retention.Verdict.FORGETS)
        return leaves.filter(leaf_id__in=forgotten.values("leaf_id"))
    scored = Exists(
        LeafScore.objects.filter(
            leaf_id=OuterRef("leaf_id"), metric=METRIC, subject=Subject.AFTER, release__in=releases
        ).order_by()
    )
    return leaves.filter(scored) if state == "scored" else leaves.filter(~scored)
