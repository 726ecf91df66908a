"""Reads for the comparison of any two releases: what went in differently, and what came out, pair by pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import Q
from django.utils.translation import gettext as _

from taxonomy_app.releases.creation import items_from_json
from taxonomy_app.releases.dashboard import benchmark_title
from taxonomy_app.releases.forgetting import METRIC, PairedDifference, difference_on_common_items
from taxonomy_app.releases.headline import outcome
from taxonomy_app.releases.models import BenchmarkScore, LeafScore, Release, ScoredLeaf, Subject
from taxonomy_app.rounds.models import RoundLeaf
from workers.evaluation.statistics import Metric

LEAVES_PER_PAGE = 50


@dataclass(frozen=True)
class Setting:
    """One number or name of the plan that is not the same in both releases."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class ChangedLeaf:
    """A leaf whose part in the two rounds differs; a side is None where the round did not have it."""

    path: str
    first: RoundLeaf | None
    second: RoundLeaf | None

    @property
    def how(self) -> str:
        if self.first is None:
            return _("only in the second")
        if self.second is None:
            return _("only in the first")
        if self.first.path != self.second.path:
            return _("moved from %(path)s") % {"path": self.first.path}
        if self.first.blob != self.second.blob:
            return _("its text was changed")
        return _("other seeds taught or held out")


@dataclass(frozen=True)
class ComparedScore:
    """Two releases' scores on one thing, and the paired difference over the items both were asked."""

    name: str
    metric: str
    first: Any
    second: Any
    paired: PairedDifference | None

    @property
    def difference(self) -> float:
        return self.paired.difference if self.paired else 0.0

    @property
    def low(self) -> float | None:
        return self.paired.low if self.paired else None

    @property
    def high(self) -> float | None:
        return self.paired.high if self.paired else None

    @property
    def outcome(self) -> str:
        """The second release seen from the first; empty where they share no item."""
        return outcome(self.metric, self.difference, self.low, self.high) if self.paired else ""

    @property
    def comparable(self) -> ComparedScore | None:
        """What an interval bar draws: nothing where nothing was compared."""
        return self if self.paired else None


@dataclass(frozen=True)
class ReleaseComparison:
    first: Release
    second: Release
    settings: list[Setting]
    leaves: list[ChangedLeaf]
    same_leaves: int
    page: Page[ScoredLeaf]
    leaf_scores: list[ComparedScore]
    benchmarks: list[ComparedScore]


def flatten(value: Any, name: str = "") -> dict[str, Any]:
    """A nested plan as dotted names: ``{"recipe.tuning.row_tokens": 512, "recipe.tuning.phases.1.epochs": 2.0}``."""
    children: list[tuple[str, Any]]
    if isinstance(value, Mapping):
        children = list(value.items())
    elif isinstance(value, list) and any(isinstance(child, Mapping) for child in value):
        children = [(str(position), child) for position, child in enumerate(value, 1)]
    else:
        return {name: value}
    found: dict[str, Any] = {}
    for key, child in children:
        found |= flatten(child, f"{name}.{key}" if name else key)
    return found


def plan_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Setting]:
    """What the two plans set differently, leaves aside (they have a table of their own), by name.

    Of a pipeline its name, version and hash are compared, not the text of its file.
    """
    one, other = (flatten({k: v for k, v in plan.items() if k != "leaves"}) for plan in (first, second))
    for side in (one, other):
        side.pop("pipeline.text", None)
    return [
        Setting(name, one.get(name), other.get(name))
        for name in sorted(one.keys() | other.keys())
        if one.get(name) != other.get(name)
    ]


def changed_leaves(first: Release, second: Release) -> tuple[list[ChangedLeaf], int]:
    """The leaves that differ between the rounds by path, and how many are the same in both. One query."""
    sides: dict[Any, dict[Any, RoundLeaf]] = {}
    for leaf in RoundLeaf.objects.filter(round__in=[first.round_id, second.round_id]):
        sides.setdefault(leaf.leaf_id, {})[leaf.round_id] = leaf
    changed, same = [], 0
    for pair in sides.values():
        one, other = pair.get(first.round_id), pair.get(second.round_id)
        facts = [
            (leaf.path, leaf.blob, leaf.taught_count, sorted(leaf.held_out)) if leaf else None for leaf in (one, other)
        ]
        if facts[0] == facts[1]:
            same += 1
            continue
        newest = other or one
        changed.append(ChangedLeaf(newest.path if newest else "", one, other))
    return sorted(changed, key=lambda leaf: leaf.path), same


def releases_compare(first: Release, second: Release, *, page: int | str = 1) -> ReleaseComparison:
    """Everything the comparison page shows; the students after tuning are compared. Five queries."""
    changed, same = changed_leaves(first, second)
    both = [first, second]
    scored = (
        LeafScore.objects.filter(release__in=both, metric=METRIC, subject=Subject.AFTER).values("leaf_id").distinct()
    )
    found = Paginator(ScoredLeaf.objects.filter(leaf_id__in=scored), LEAVES_PER_PAGE).get_page(page)
    leaf_scores = LeafScore.objects.filter(
        Q(metric=METRIC), release__in=both, subject=Subject.AFTER, leaf_id__in=[leaf.leaf_id for leaf in found]
    )
    by_leaf = {(score.leaf_id, score.release_id): score for score in leaf_scores}
    benchmarks: dict[tuple[str, str, str], dict[int, BenchmarkScore]] = {}
    for score in BenchmarkScore.objects.filter(release__in=both, subject=Subject.AFTER).order_by("scope", "name"):
        benchmarks.setdefault((score.scope, score.name, score.metric), {})[score.release_id] = score
    return ReleaseComparison(
        first=first,
        second=second,
        settings=plan_differences(first.round.plan, second.round.plan),
        leaves=changed,
        same_leaves=same,
        page=found,
        leaf_scores=[
            _compared(leaf.path, METRIC, by_leaf.get((leaf.leaf_id, first.pk)), by_leaf.get((leaf.leaf_id, second.pk)))
            for leaf in found
        ],
        benchmarks=[
            _compared(benchmark_title(scope, name), metric, sides.get(first.pk), sides.get(second.pk))
            for (scope, name, metric), sides in benchmarks.items()
        ],
    )


def _compared(
    name: str, metric: Metric, first: LeafScore | BenchmarkScore | None, second: LeafScore | BenchmarkScore | None
) -> ComparedScore:
    paired = None
    if first is not None and second is not None:
        paired = difference_on_common_items(items_from_json(first.items), items_from_json(second.items), metric)
    return ComparedScore(name, metric, first, second, paired)
