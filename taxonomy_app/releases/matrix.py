"""Reads for the forgetting matrix: leaves × releases on held-out seeds, a page of leaves at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Exists, OuterRef, QuerySet

from taxonomy_app.releases.forgetting import METRIC
from taxonomy_app.releases.models import LeafScore, Release, Retention, ScoredLeaf, Subject

LEAVES_PER_PAGE = 25
NEWEST = 10

# What a cell says of a leaf under a release.
TAUGHT, KEPT, FORGETS, UNCERTAIN, BEFORE, APART, ABSENT = (
    "taught",
    "kept",
    "forgets",
    "uncertain",
    "before",
    "apart",
    "absent",
)


@dataclass(frozen=True)
class Cell:
    """R[t, i] and what became of it.

    ``taught``: the release that taught the leaf first, which the others are measured against; ``kept``, ``forgets``
    and ``uncertain``: verdicts of a later one; ``before``: evaluated before it was taught; ``apart``: evaluated, but
    on no seed in common; ``absent``: not evaluated.
    """

    state: str
    release: Release
    mean: float | None = None
    n: int = 0
    retaught: bool = False
    retention: Retention | None = None

    @property
    def shade(self) -> str:
        """The class of the cell's colour by the size of the difference, and nothing for what is no difference."""
        if self.retention is None:
            return ""
        size = abs(self.retention.difference)
        step = 1 if size < self.retention.margin else 2 if size < 4 * self.retention.margin else 3
        return f"{'up' if self.retention.difference >= 0 else 'down'}-{step}"


@dataclass(frozen=True)
class Row:
    leaf: ScoredLeaf
    cells: list[Cell]


@dataclass(frozen=True)
class Matrix:
    """``releases`` are the columns, oldest first; ``hidden`` older ones are left out of them."""

    releases: list[Release]
    hidden: int
    page: Page[ScoredLeaf]
    rows: list[Row]


def forgetting_matrix(
    *, user: Any = None, page: int | str = 1, whole: bool = False, flagged: bool = False, under: str = ""
) -> Matrix:
    """A page of the matrix over the releases that ``user`` may see. Five queries whatever the sizes.

    Args:
        whole: every release as a column, instead of the newest ones.
        flagged: only leaves that some release forgets.
        under: only leaves whose path contains this text.
    """
    releases = list(Release.objects.visible_for(user).order_by("number"))
    shown = releases if whole else releases[-NEWEST:]
    leaves = _leaves(releases, flagged, under)
    found = Paginator(leaves, LEAVES_PER_PAGE).get_page(page)
    wanted = [leaf.leaf_id for leaf in found.object_list]
    in_view = {"leaf_id__in": wanted, "release__in": shown, "metric": METRIC}
    scores = {
        (leaf_id, release): (mean, n, taught)
        for leaf_id, release, mean, n, taught in LeafScore.objects.filter(subject=Subject.AFTER, **in_view).values_list(
            "leaf_id", "release_id", "mean", "n", "taught"
        )
    }
    retentions = {(r.leaf_id, r.release_id): r for r in Retention.objects.filter(**in_view)}
    numbers = {release.pk: release.number for release in releases}
    rows = [
        Row(leaf, [_cell(leaf, release, scores, retentions, numbers) for release in shown])
        for leaf in found.object_list
    ]
    return Matrix(shown, len(releases) - len(shown), found, rows)


def _leaves(releases: list[Release], flagged: bool, under: str) -> QuerySet[ScoredLeaf]:
    leaves = ScoredLeaf.objects.order_by("path", "leaf_id")
    if under:
        leaves = leaves.filter(path__icontains=under)
    of_leaf = {"leaf_id": OuterRef("leaf_id"), "release__in": releases}
    if flagged:
        return leaves.filter(Exists(Retention.objects.filter(verdict=Retention.Verdict.FORGETS, **of_leaf)))
    return leaves.filter(Exists(LeafScore.objects.filter(subject=Subject.AFTER, metric=METRIC, **of_leaf)))


def _cell(
    leaf: ScoredLeaf,
    release: Release,
    scores: dict[tuple[Any, int], tuple[float, int, bool]],
    retentions: dict[tuple[Any, int], Retention],
    numbers: dict[int, int],
) -> Cell:
    key = (leaf.leaf_id, release.pk)
    if key not in scores:
        return Cell(ABSENT, release)
    mean, n, taught = scores[key]
    retention = retentions.get(key)
    if retention is not None:
        return Cell(retention.verdict, release, mean, n, retaught=taught, retention=retention)
    if leaf.taught_by_id == release.pk:
        return Cell(TAUGHT, release, mean, n)
    first = numbers.get(leaf.taught_by_id) if leaf.taught_by_id else None
    # Without a verdict a later release shares no seed with the one that taught the leaf.
    return Cell(APART if first is not None and first < release.number else BEFORE, release, mean, n, retaught=taught)
