"""From an evaluation to the rows of a release: scores, comparisons, what was kept of earlier leaves, the figures.

Called by ``services.release_create`` inside its transaction; everything here is inserted once.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any

from taxonomy_app.contributions.models import State as SubmissionState
from taxonomy_app.contributions.models import Submission
from taxonomy_app.releases import headline
from taxonomy_app.releases.forgetting import MARGIN, METRIC, difference_on_common_items, measures
from taxonomy_app.releases.models import (
    BenchmarkComparison,
    BenchmarkScore,
    LeafComparison,
    LeafScore,
    Release,
    ReleaseSubmission,
    Retention,
    ScoredLeaf,
    Subject,
)
from taxonomy_app.rounds.models import RoundLeaf
from workers.specs import Comparison, EvaluationResult, ItemScore, Score

PAIRS = ((Subject.BEFORE, Subject.AFTER), (Subject.BEFORE, Subject.CONTROL), (Subject.CONTROL, Subject.AFTER))
_BATCH = 500
_COMPARISON_FIELDS = {"metric", "first", "second", "n", "difference", "low", "high", "method", "p_value", "p_holm"}


def items_as_json(items: Iterable[ItemScore]) -> list[list[Any]]:
    return [[item.item_id, item.value, item.cluster] for item in items]


def items_from_json(rows: Iterable[Sequence[Any]]) -> list[ItemScore]:
    return [ItemScore(item_id=row[0], value=row[1], cluster=row[2]) for row in rows]


def all_comparisons(evaluation: EvaluationResult) -> list[Comparison]:
    """The evaluation's comparisons, and those of ``PAIRS`` that it left out, computed from the items."""
    found = list(evaluation.comparisons)
    there = {(c.scope, c.name, c.metric, c.first, c.second) for c in found}
    scores = {(s.scope, s.name, s.metric, s.subject): s for s in evaluation.scores}
    for scope, name, metric in dict.fromkeys((s.scope, s.name, s.metric) for s in evaluation.scores):
        for one, other in PAIRS:
            first, second = scores.get((scope, name, metric, one)), scores.get((scope, name, metric, other))
            if first is None or second is None or (scope, name, metric, one, other) in there:
                continue
            paired = difference_on_common_items(first.items, second.items, metric)
            if paired is not None:
                found.append(
                    Comparison(
                        first=first.subject,
                        second=second.subject,
                        scope=scope,
                        name=name,
                        metric=metric,
                        n=paired.n,
                        difference=paired.difference,
                        low=paired.low,
                        high=paired.high,
                        method=paired.method,
                        p_value=paired.p_value,
                    )
                )
    return found


def insert_scores(release: Release, evaluation: EvaluationResult) -> None:
    """Write every score and comparison. A leaf is recognised by its identity, or else by its path in the round.

    Raises:
        ValueError: a score names a leaf that the round does not have.
    """
    leaves: dict[str, RoundLeaf] = {}
    for leaf in release.round.leaves.all():
        leaves[leaf.path] = leaves[str(leaf.leaf_id)] = leaf

    def leaf_of(name: str) -> RoundLeaf:
        try:
            return leaves[name]
        except KeyError:
            raise ValueError(f"The evaluation scores the leaf {name}, which is not in {release.round}.") from None

    leaf_scores, benchmark_scores = [], []
    for score in evaluation.scores:
        common = _score_fields(score)
        if score.scope == "leaf":
            leaf = leaf_of(score.name)
            leaf_scores.append(
                LeafScore(
                    release=release,
                    leaf_id=leaf.leaf_id,
                    path=leaf.path,
                    blob=leaf.blob,
                    taught=leaf.taught_count > 0,
                    **common,
                )
            )
        else:
            benchmark_scores.append(BenchmarkScore(release=release, scope=score.scope, name=score.name, **common))
    leaf_rows, benchmark_rows = [], []
    for comparison in all_comparisons(evaluation):
        common = comparison.model_dump(
            include={"metric", "first", "second", "n", "difference", "low", "high", "method", "p_value", "p_holm"}
        )
        if comparison.scope == "leaf":
            leaf = leaf_of(comparison.name)
            leaf_rows.append(LeafComparison(release=release, leaf_id=leaf.leaf_id, path=leaf.path, **common))
        else:
            benchmark_rows.append(
                BenchmarkComparison(release=release, scope=comparison.scope, name=comparison.name, **common)
            )
    LeafScore.objects.bulk_create(leaf_scores, batch_size=_BATCH)
    BenchmarkScore.objects.bulk_create(benchmark_scores, batch_size=_BATCH)
    LeafComparison.objects.bulk_create(leaf_rows, batch_size=_BATCH)
    BenchmarkComparison.objects.bulk_create(benchmark_rows, batch_size=_BATCH)


def _score_fields(score: Score) -> dict[str, Any]:
    return {
        "metric": score.metric,
        "subject": score.subject,
        "mean": score.mean,
        "standard_error": score.standard_error,
        "n": len(score.items),
        "items": items_as_json(score.items),
    }


def insert_submissions(release: Release, contains: Callable[[str, str], bool]) -> None:
    """Note which approved submissions this release learnt: those of its taught leaves whose commit it contains.

    ``contains(commit, ancestor)`` asks the taxonomy's history, because a submission may have been approved after
    the round was planned.
    """
    taught = set(release.round.leaves.filter(taught_count__gt=0).values_list("leaf_id", flat=True))
    committed = Submission.objects.filter(state=SubmissionState.COMMITTED, leaf_id__isnull=False).exclude(commit="")
    ReleaseSubmission.objects.bulk_create(
        [
            ReleaseSubmission(release=release, submission_id=pk, leaf_id=leaf_id)
            for pk, leaf_id, commit in committed.values_list("pk", "leaf_id", "commit")
            if leaf_id in taught and contains(release.taxonomy_commit, commit)
        ],
        batch_size=_BATCH,
    )


def insert_retentions(release: Release, *, margin: float = MARGIN) -> None:
    """Compare every leaf that an earlier release taught with that release, on the held-out seeds both were asked.

    To be called before :func:`update_scored_leaves`, which makes this release the first for its new leaves.
    """
    after = LeafScore.objects.filter(metric=METRIC, subject=Subject.AFTER)
    here = {score.leaf_id: score for score in after.filter(release=release)}
    taught_by = dict(ScoredLeaf.objects.filter(taught_by__isnull=False).values_list("leaf_id", "taught_by"))
    rows = []
    references = after.filter(taught=True, release__in=set(taught_by.values())).select_related("release")
    for reference in references.iterator(chunk_size=_BATCH):
        score = here.get(reference.leaf_id)
        if score is None or reference.release_id != taught_by.get(reference.leaf_id):
            continue
        paired = difference_on_common_items(items_from_json(reference.items), items_from_json(score.items))
        if paired is None:
            continue
        rows.append(
            Retention(
                release=release,
                taught_by=reference.release,
                leaf_id=score.leaf_id,
                path=score.path,
                metric=METRIC,
                n=paired.n,
                difference=paired.difference,
                low=paired.low,
                high=paired.high,
                method=paired.method,
                margin=margin,
                verdict=paired.verdict(margin),
                same_text=reference.blob == score.blob,
            )
        )
    Retention.objects.bulk_create(rows, batch_size=_BATCH)


def update_scored_leaves(release: Release) -> None:
    """Note the newest path of every leaf scored here, and this release as the first that taught it where it is."""
    scores = release.leaf_scores.filter(metric=METRIC, subject=Subject.AFTER)
    here = {leaf_id: (path, taught) for leaf_id, path, taught in scores.values_list("leaf_id", "path", "taught")}
    known = {row.leaf_id: row for row in ScoredLeaf.objects.all() if row.leaf_id in here}
    changed, new = [], []
    for leaf_id, (path, taught) in here.items():
        row = known.get(leaf_id)
        if row is None:
            new.append(ScoredLeaf(leaf_id=leaf_id, path=path, taught_by=release if taught else None))
        elif row.path != path or (taught and row.taught_by_id is None):
            row.path = path
            row.taught_by = row.taught_by or (release if taught else None)
            changed.append(row)
    ScoredLeaf.objects.bulk_create(new, batch_size=_BATCH)
    ScoredLeaf.objects.bulk_update(changed, ["path", "taught_by"], batch_size=_BATCH)


def summarise(release: Release) -> dict[str, Any]:
    """The figures kept in ``Release.summary``: leaves, general loss, what was kept of earlier leaves."""
    return {
        "leaves": _leaf_figures(release),
        "general": _general_figures(release),
        "retention": _retention_figures(release),
    }


def _leaf_figures(release: Release) -> dict[str, Any]:
    scores = release.leaf_scores.without_items().filter(metric=METRIC, taught=True)
    by_subject: dict[str, dict[uuid.UUID, LeafScore]] = {subject: {} for subject in Subject.values}
    for score in scores:
        by_subject[score.subject][score.leaf_id] = score
    comparisons = release.leaf_comparisons.filter(metric=METRIC, first=Subject.BEFORE, second=Subject.AFTER)
    taught = set(release.round.leaves.filter(taught_count__gt=0).values_list("leaf_id", flat=True))
    figures: dict[str, Any] = {
        "metric": METRIC,
        "taught": len(taught),
        **headline.count_outcomes([c for c in comparisons if c.leaf_id in taught]),
    }
    for subject, found in by_subject.items():
        mean, error = headline.mean_over_leaves([(s.mean, s.standard_error) for s in found.values()])
        figures[subject] = {"mean": mean, "standard_error": error, "n": len(found)}
    means = {subject: {str(leaf): s.mean for leaf, s in found.items()} for subject, found in by_subject.items()}
    figures["difference"] = headline.difference_over_leaves(means[Subject.BEFORE], means[Subject.AFTER])
    figures["control_difference"] = headline.difference_over_leaves(means[Subject.BEFORE], means[Subject.CONTROL])
    return figures


def _general_figures(release: Release) -> list[dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for comparison in release.benchmark_comparisons.filter(scope="general", first=Subject.BEFORE):
        row = rows.setdefault(
            (comparison.name, comparison.metric),
            {"name": comparison.name, "metric": comparison.metric, "difference": None, "low": None, "high": None},
        )
        prefix = "control_" if comparison.second == Subject.CONTROL else ""
        row |= {
            f"{prefix}difference": comparison.difference,
            f"{prefix}low": comparison.low,
            f"{prefix}high": comparison.high,
        }
    return [rows[key] for key in sorted(rows)]


def _retention_figures(release: Release) -> dict[str, Any]:
    verdicts = list(release.retentions.values_list("verdict", flat=True))
    after = LeafScore.objects.filter(metric=METRIC, subject=Subject.AFTER, release__number__lte=release.number)
    taught_by = {
        str(leaf_id): number
        for leaf_id, number in ScoredLeaf.objects.filter(taught_by__number__lte=release.number).values_list(
            "leaf_id", "taught_by__number"
        )
    }
    scores: dict[str, dict[int, float]] = {}
    for leaf_id, number, mean in after.values_list("leaf_id", "release__number", "mean"):
        scores.setdefault(str(leaf_id), {})[number] = mean
    return {
        "metric": METRIC,
        "margin": MARGIN,
        **{verdict: verdicts.count(verdict) for verdict in Retention.Verdict.values},
        "measures": asdict(measures(scores, taught_by, release.number)),
    }
