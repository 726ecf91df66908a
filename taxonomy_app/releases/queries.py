"""Reads of releases that other rooms and the pages use. Each runs a fixed number of queries, whatever the sizes.

Ways in for other rooms (``user`` is the person who looks; None or a visitor sees published releases only):

- ``current_release()``: the promoted release, whose student authors are shown and later rounds may start from.
- ``leaf_scores(leaf_id, user=…)``: a leaf in every release; give the list to
  ``{% include "releases/_leaf_scores.html" with scores=… %}``.
- ``releases_containing(submission, user=…)``: give the list to
  ``{% include "releases/_containing.html" with releases=… %}``.
- ``taught_leaves()``: leaves that earlier releases taught, so that a plan can have them evaluated again.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.contributions.models import Decision, Submission
from taxonomy_app.releases.forgetting import METRIC
from taxonomy_app.releases.headline import outcome
from taxonomy_app.releases.models import (
    LeafComparison,
    LeafScore,
    Release,
    ReleaseSubmission,
    Retention,
    Subject,
)
from taxonomy_app.rounds.models import RoundLeaf, Stage


@dataclass
class LeafInRelease:
    """A leaf under one release: its scores before and after and without replay, the paired differences of the last two
    to the first, what was kept.

    Any of them is None where it was not measured: no held-out seeds, or not evaluated in this release.
    """

    release: Release
    leaf_id: uuid.UUID
    path: str
    taught: bool
    before: LeafScore | None = None
    after: LeafScore | None = None
    control: LeafScore | None = None
    comparison: LeafComparison | None = None
    control_comparison: LeafComparison | None = None
    retention: Retention | None = None

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1].replace("_", " ").replace("-", " ")

    @property
    def outcome(self) -> str:
        """``certain better``, ``better``, ``same``, ``worse``, ``certain worse``, or empty where not compared."""
        c = self.comparison
        return outcome(c.metric, c.difference, c.low, c.high) if c is not None else ""


def visible_releases(user: Any) -> QuerySet[Release]:
    """Newest first."""
    return Release.objects.visible_for(user).order_by("-number")


def current_release() -> Release | None:
    """The promoted release, or None before the first promotion. One query."""
    return Release.objects.filter(is_current=True).select_related("round").first()


def leaf_scores(leaf_id: uuid.UUID | str, *, user: Any = None) -> list[LeafInRelease]:
    """A leaf in every release that was evaluated on it, newest first. Three queries.

    A release that was not asked about the leaf is not in the list; it did not score zero.
    """
    releases = Release.objects.visible_for(user)
    scores = LeafScore.objects.without_items().filter(leaf_id=leaf_id, metric=METRIC, release__in=releases)
    found: dict[int, LeafInRelease] = {}
    for score in scores.select_related("release").order_by("-release__number"):
        row = found.setdefault(
            score.release_id, LeafInRelease(score.release, score.leaf_id, score.path, taught=score.taught)
        )
        setattr(row, score.subject, score)
    _add_comparisons(found.values(), LeafComparison.objects.filter(leaf_id=leaf_id, release__in=releases))
    _add_retentions(found.values(), Retention.objects.filter(leaf_id=leaf_id, release__in=releases))
    return list(found.values())


def releases_containing(submission: Submission, *, user: Any = None) -> list[LeafInRelease]:
    """The releases that learnt this submission, newest first, each with its leaf's scores there. Four queries."""
    releases = Release.objects.visible_for(user).filter(contributions__submission=submission).order_by("-number")
    if submission.leaf_id is None:
        return []
    found = {
        release.pk: LeafInRelease(release, submission.leaf_id, submission.path, taught=True) for release in releases
    }
    of_leaf = {"leaf_id": submission.leaf_id, "release__in": list(found)}
    for score in LeafScore.objects.without_items().filter(metric=METRIC, **of_leaf):
        setattr(found[score.release_id], score.subject, score)
        found[score.release_id].path = score.path
    _add_comparisons(found.values(), LeafComparison.objects.filter(**of_leaf))
    _add_retentions(found.values(), Retention.objects.filter(**of_leaf))
    return list(found.values())


def _add_comparisons(rows: Iterable[LeafInRelease], comparisons: QuerySet[LeafComparison]) -> None:
    to_before = comparisons.filter(metric=METRIC, first=Subject.BEFORE)
    found = {(c.release_id, c.leaf_id, c.second): c for c in to_before}
    for row in rows:
        row.comparison = found.get((row.release.pk, row.leaf_id, Subject.AFTER))
        row.control_comparison = found.get((row.release.pk, row.leaf_id, Subject.CONTROL))


def _add_retentions(rows: Iterable[LeafInRelease], retentions: QuerySet[Retention]) -> None:
    found = {(r.release_id, r.leaf_id): r for r in retentions.filter(metric=METRIC).select_related("taught_by")}
    for row in rows:
        row.retention = found.get((row.release.pk, row.leaf_id))


# --- The leaves of one release -----------------------------------------------------------------------


SHOWN = {
    "": lazy("All leaves"),
    "better": lazy("Certainly better"),
    "uncertain": lazy("Not certain"),
    "worse": lazy("Certainly worse"),
    "forgets": lazy("Forgotten"),
    "unscored": lazy("Not scored"),
}


def round_leaves(release: Release, show: str = "") -> QuerySet[RoundLeaf]:
    """The leaves of the release's round by path, or those of one outcome (a key of ``SHOWN``)."""
    leaves = RoundLeaf.objects.filter(round_id=release.round_id).order_by("path")
    compared = LeafComparison.objects.filter(
        release=release, leaf_id=OuterRef("leaf_id"), metric=METRIC, first=Subject.BEFORE, second=Subject.AFTER
    )
    certain = Q(low__gt=0) | Q(high__lt=0)
    if show == "better":
        return leaves.filter(Exists(compared.filter(low__gt=0)))
    if show == "worse":
        return leaves.filter(Exists(compared.filter(high__lt=0)))
    if show == "uncertain":
        return leaves.filter(Exists(compared), ~Exists(compared.filter(certain)))
    if show == "forgets":
        return leaves.filter(
            Exists(
                Retention.objects.filter(
                    release=release, leaf_id=OuterRef("leaf_id"), verdict=Retention.Verdict.FORGETS
                )
            )
        )
    if show == "unscored":
        return leaves.filter(~Exists(compared))
    return leaves


def leaves_in_release(release: Release, leaves: Sequence[RoundLeaf]) -> list[LeafInRelease]:
    """The scores of these leaves in this release, in the order given. Three queries."""
    found = {
        leaf.leaf_id: LeafInRelease(release, leaf.leaf_id, leaf.path, taught=leaf.taught_count > 0) for leaf in leaves
    }
    of_leaves = {"release": release, "leaf_id__in": list(found)}
    for score in LeafScore.objects.without_items().filter(metric=METRIC, **of_leaves):
        setattr(found[score.leaf_id], score.subject, score)
    _add_comparisons(found.values(), LeafComparison.objects.filter(**of_leaves))
    _add_retentions(found.values(), Retention.objects.filter(**of_leaves))
    return list(found.values())


# --- Lineage ---------------------------------------------------------------------------------------


@dataclass
class LineageSubmission:
    """An approved submission that a release learnt: whose it is, who approved it, where it is in git."""

    submission: Submission
    reviewers: list[Any]

    @property
    def commit(self) -> str:
        return str(self.submission.commit)


@dataclass
class LineageLeaf:
    """A leaf as the round pinned it, and the submissions that made it."""

    leaf: RoundLeaf
    submissions: list[LineageSubmission] = field(default_factory=list)


@dataclass
class Lineage:
    """Where a release comes from: commit, plan, round, artifacts in the order they were made, leaves and people."""

    release: Release
    stages: list[Stage]
    leaves: list[LineageLeaf]


def lineage(release: Release, leaves: Sequence[RoundLeaf] | None = None) -> Lineage:
    """The way back from a release: to its round, artifacts, leaves, submissions, people and commits.

    ``leaves`` narrows it to a page of leaves. Four queries at most; ``release.round`` should be loaded.
    """
    chosen = list(round_leaves(release)) if leaves is None else list(leaves)
    rows = {leaf.leaf_id: LineageLeaf(leaf) for leaf in chosen}
    approvals = Decision.objects.filter(verdict=Decision.Verdict.APPROVE).select_related("reviewer")
    links = (
        ReleaseSubmission.objects.filter(release=release)
        .select_related("submission__author")
        .prefetch_related(Prefetch("submission__decisions", queryset=approvals, to_attr="approving"))
        .order_by("submission_id")
    )
    if leaves is not None:
        links = links.filter(leaf_id__in=list(rows))
    for link in links:
        if link.leaf_id in rows:
            reviewers = list({d.reviewer_id: d.reviewer for d in link.submission.approving}.values())
            rows[link.leaf_id].submissions.append(LineageSubmission(link.submission, reviewers))
    stages = list(Stage.objects.filter(round_id=release.round_id).exclude(output_artifact="").order_by("position"))
    return Lineage(release, stages, list(rows.values()))


# --- For planning ----------------------------------------------------------------------------------


def taught_leaves() -> dict[uuid.UUID, set[str]]:
    """Every leaf that some release taught → the fingerprints of its held-out seeds as last pinned. One query.

    A plan that leaves them out makes a release of which nobody can say what it forgot.
    """
    held: dict[uuid.UUID, set[str]] = defaultdict(set)
    pinned = RoundLeaf.objects.filter(round__release__isnull=False, taught_count__gt=0).order_by("round__number")
    for leaf_id, held_out in pinned.values_list("leaf_id", "held_out"):
        held[leaf_id] = set(held_out)
    return dict(held)
