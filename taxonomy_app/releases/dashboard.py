"""Reads for the dashboard: every release on leaves and benchmarks, published baselines beside them, the chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from taxonomy_app.releases.forgetting import METRIC
from taxonomy_app.releases.headline import headline
from taxonomy_app.releases.models import (
    Baseline,
    BenchmarkComparison,
    BenchmarkScore,
    LeafScore,
    Release,
    Subject,
)
from taxonomy_app.releases.queries import LeafInRelease, leaves_in_release, round_leaves
from taxonomy_app.releases.templatetags.scores import METRICS, SHARES
from workers.evaluation.statistics import LOWER_IS_BETTER

# A chart with more rows than this is a wall; the table has them all.
CHART_RELEASES = 20
CHART_LEAVES = 20
UNITS = {Baseline.Unit.PERCENT: lazy("per cent"), Baseline.Unit.POINTS: lazy("points of 10")}
# Standard errors to each side of a mean: the 95 % interval of one score (normal approximation).
_WIDTH = 1.96


@dataclass(frozen=True)
class Figure:
    """A mean with its standard error, as a score or as a release's mean over its leaves."""

    mean: float
    standard_error: float | None
    n: int

    def point(self, metric: str) -> dict[str, float | None]:
        """For the chart: the value and its 95 % interval, shares as per cent."""
        scale = 100.0 if metric in SHARES else 1.0
        reach = None if self.standard_error is None else _WIDTH * self.standard_error
        return {
            "value": round(scale * self.mean, 4),
            "low": None if reach is None else round(scale * (self.mean - reach), 4),
            "high": None if reach is None else round(scale * (self.mean + reach), 4),
        }


@dataclass
class Measured:
    """A release on one measure: by subject, and the paired differences to the student before: of the one after, and of
    the control."""

    release: Release
    subjects: dict[str, Figure] = field(default_factory=dict)
    comparison: Any = None
    control_comparison: Any = None

    @property
    def before(self) -> Figure | None:
        return self.subjects.get(Subject.BEFORE)

    @property
    def after(self) -> Figure | None:
        return self.subjects.get(Subject.AFTER)

    @property
    def control(self) -> Figure | None:
        return self.subjects.get(Subject.CONTROL)


@dataclass
class Measure:
    """One thing that releases are measured by, with the releases (oldest first) and baselines that have it."""

    key: str
    title: str
    metric: str
    rows: list[Measured]
    baselines: list[Baseline] = field(default_factory=list)

    @property
    def caption(self) -> str:
        return _("%(title)s by release, newest first: before and after the round, the difference of the two") % {
            "title": self.title
        }


@dataclass(frozen=True)
class MeanDifference:
    """A stored difference of ``Release.summary`` in the shape of a comparison row."""

    metric: str
    n: int
    difference: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Dashboard:
    """``measures``: the taught leaves first, then what was measured here. ``chart`` is what the script draws."""

    releases: list[Release]
    newest: Release | None
    current: Release | None
    headlines: dict[int, str]
    leaves: list[LeafInRelease]
    more_leaves: int
    measures: list[Measure]
    baselines: BaselineTable
    chart: list[dict[str, Any]]


@dataclass(frozen=True)
class BaselineTable:
    benchmarks: list[Baseline]
    rows: list[tuple[str, list[Baseline]]]
    source: str


def baseline_table(baselines: Sequence[Baseline]) -> BaselineTable:
    """The published scores as rows of models; ``benchmarks`` has one of each column for its title and setting."""
    rows: dict[str, list[Baseline]] = {}
    columns: dict[str, Baseline] = {}
    for baseline in baselines:
        rows.setdefault(baseline.model, []).append(baseline)
        columns.setdefault(baseline.benchmark, baseline)
    return BaselineTable(list(columns.values()), list(rows.items()), baselines[0].source if baselines else "")


def dashboard(user: Any) -> Dashboard:
    """All that the dashboard shows to ``user``, in a fixed number of queries."""
    releases = list(Release.objects.visible_for(user).select_related("round").order_by("number"))
    newest = releases[-1] if releases else None
    baselines = list(Baseline.objects.all())
    measures = [taught_leaves_measure(releases), *benchmark_measures(releases, baselines)]
    leaves, total = newest_leaves(newest)
    return Dashboard(
        releases=releases[::-1],
        newest=newest,
        current=next((release for release in releases if release.is_current), None),
        headlines={release.pk: headline(release.summary) for release in releases},
        leaves=leaves,
        more_leaves=total - len(leaves),
        measures=measures,
        baselines=baseline_table(baselines),
        chart=chart(measures, newest, leaves, baselines) if releases else [],
    )


def taught_leaves_measure(releases: Sequence[Release]) -> Measure:
    """The mean over each release's own taught leaves, from the figures kept with the release."""
    rows = []
    for release in releases:
        figures = release.summary.get("leaves", {})
        row = Measured(release)
        for subject in Subject.values:
            found = figures.get(subject) or {}
            if found.get("mean") is not None:
                row.subjects[subject] = Figure(found["mean"], found["standard_error"], found["n"])
        if figures.get("difference"):
            row.comparison = MeanDifference(metric=METRIC, **figures["difference"])
        if figures.get("control_difference"):
            row.control_comparison = MeanDifference(metric=METRIC, **figures["control_difference"])
        if row.subjects:
            rows.append(row)
    return Measure("leaves", _("Taught leaves"), METRIC, rows)


def benchmark_measures(releases: Sequence[Release], baselines: Sequence[Baseline]) -> list[Measure]:
    """A measure for each benchmark and general text that some release was scored on. Two queries."""
    titles = {baseline.benchmark: baseline.benchmark_title for baseline in baselines}
    by_pk = {release.pk: release for release in releases}
    found: dict[tuple[str, str, str], dict[int, Measured]] = {}
    scores = BenchmarkScore.objects.filter(release__in=releases).order_by("scope", "name", "release__number")
    for scope, name, metric, release, subject, mean, error, n in scores.values_list(
        "scope", "name", "metric", "release_id", "subject", "mean", "standard_error", "n"
    ):
        row = found.setdefault((scope, name, metric), {}).setdefault(release, Measured(by_pk[release]))
        row.subjects[subject] = Figure(mean, error, n)
    comparisons = BenchmarkComparison.objects.filter(release__in=releases, first=Subject.BEFORE)
    for comparison in comparisons:
        row_of = found.get((comparison.scope, comparison.name, comparison.metric), {}).get(comparison.release_id)
        if row_of is not None and comparison.second == Subject.CONTROL:
            row_of.control_comparison = comparison
        elif row_of is not None:
            row_of.comparison = comparison
    return [
        Measure(
            key=f"{scope}-{name}-{metric}",
            title=benchmark_title(scope, name, titles),
            metric=metric,
            rows=list(rows.values()),
            baselines=[b for b in baselines if b.benchmark == name],
        )
        for (scope, name, metric), rows in found.items()
    ]


def benchmark_title(scope: str, name: str, titles: dict[str, str] | None = None) -> str:
    """``everyday_science`` → ``Everyday science``; the general text is called by what it measures."""
    if scope == "general":
        return (
            _("General loss")
            if name in ("general", "general_chats")
            else _("General loss: %(replace)s") % {"replace": name.replace("_", " ")}
        )
    words = name.replace("_", " ")
    return (titles or {}).get(name) or words[:1].upper() + words[1:]


def newest_leaves(release: Release | None) -> tuple[list[LeafInRelease], int]:
    """The first taught leaves of the newest release with their scores, and how many it taught in all."""
    if release is None:
        return [], 0
    taught = round_leaves(release).filter(taught_count__gt=0)
    return leaves_in_release(release, list(taught[:CHART_LEAVES])), int(release.summary["leaves"]["taught"])


# --- The chart ---------------------------------------------------------------------------------------


def chart(
    measures: Sequence[Measure], newest: Release | None, leaves: Sequence[LeafInRelease], baselines: Sequence[Baseline]
) -> list[dict[str, Any]]:
    """What frontend/src/charts.js draws: one entry a measure, with rows from top to bottom."""
    found = [_measure_chart(measure) for measure in measures if measure.rows]
    by_leaf = _leaves_chart(newest, leaves)
    if by_leaf:
        # With one release there is no course to show yet; its leaves say more.
        found.insert(0 if len(measures[0].rows) < 2 else 1, by_leaf)
    measured = {baseline.benchmark for measure in measures for baseline in measure.baselines}
    for benchmark in baseline_table([b for b in baselines if b.benchmark not in measured]).benchmarks:
        rows = [_baseline_row(b) for b in baselines if b.benchmark == benchmark.benchmark]
        found.append(
            {
                "key": f"baseline-{benchmark.benchmark}",
                "title": benchmark.benchmark_title,
                "unit": _("%(value)s, higher is better (%(setting)s)")
                % {"value": UNITS[benchmark.unit], "setting": benchmark.setting},
                "lower": False,
                "note": _("Published scores only: no release was measured on this benchmark here."),
                "rows": rows,
            }
        )
    return found


def _measure_chart(measure: Measure) -> dict[str, Any]:
    shown = measure.rows[-CHART_RELEASES:]
    note = _(
        "Bars are 95 % intervals of each score; whether two models differ is told by the paired differences below."
    )
    if len(measure.rows) > len(shown):
        note = " ".join((_("The newest %(count)s releases.") % {"count": len(shown)}, note))
    if measure.key == "leaves":
        note = " ".join((_("Each release's own taught leaves, which are not the same in all."), note))
    return {
        "key": measure.key,
        "title": measure.title,
        "unit": METRICS.get(measure.metric, ("", _("higher is better")))[1],
        "lower": measure.metric in LOWER_IS_BETTER,
        "note": note,
        "rows": [
            {
                "label": row.release.name,
                **{subject: figure.point(measure.metric) for subject, figure in row.subjects.items()},
            }
            for row in shown
        ]
        + [_baseline_row(baseline) for baseline in measure.baselines],
    }


def _baseline_row(baseline: Baseline) -> dict[str, Any]:
    return {"label": baseline.model, "baseline": {"value": baseline.value, "low": None, "high": None}}


def _leaves_chart(newest: Release | None, leaves: Sequence[LeafInRelease]) -> dict[str, Any] | None:
    scored = [leaf for leaf in leaves if leaf.after is not None]
    if newest is None or not scored:
        return None
    rows = []
    for leaf in scored:
        row: dict[str, Any] = {"label": leaf.name}
        for subject in Subject.values:
            score: LeafScore | None = getattr(leaf, subject)
            if score is not None:
                row[subject] = Figure(score.mean, score.standard_error, score.n).point(METRIC)
        rows.append(row)
    return {
        "key": "newest-leaves",
        "title": _("Leaves of %(name)s") % {"name": newest.name},
        "unit": METRICS[METRIC][1],
        "lower": False,
        "note": _(
            "Held-out seeds only. Bars are 95 % intervals of each score, wide where a leaf has few held-out seeds."
        ),
        "rows": rows,
    }
