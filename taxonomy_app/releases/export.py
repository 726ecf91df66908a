"""A release's scores as files: JSON with every item, CSV with a row a score."""

from __future__ import annotations

import csv
import io
from itertools import chain
from typing import Any

from taxonomy_app.releases.models import LeafScore, Release

COLUMNS = (
    "release",
    "scope",
    "name",
    "leaf_id",
    "taught",
    "metric",
    "subject",
    "mean",
    "standard_error",
    "n",
    "difference_to_before",
    "low",
    "high",
)


def _rows(release: Release) -> list[dict[str, Any]]:
    differences = {
        (getattr(c, "leaf_id", None) or (c.scope, c.name), c.metric, c.second): c
        for c in chain(
            release.leaf_comparisons.filter(first="before"), release.benchmark_comparisons.filter(first="before")
        )
    }
    rows = []
    for score in chain(release.leaf_scores.all(), release.benchmark_scores.all()):
        on_leaf = isinstance(score, LeafScore)
        key = score.leaf_id if on_leaf else (score.scope, score.name)
        compared = differences.get((key, score.metric, score.subject))
        rows.append(
            {
                "release": release.name,
                "scope": "leaf" if on_leaf else score.scope,
                "name": score.path if on_leaf else score.name,
                "leaf_id": str(score.leaf_id) if on_leaf else "",
                "taught": score.taught if on_leaf else "",
                "metric": score.metric,
                "subject": score.subject,
                "mean": score.mean,
                "standard_error": score.standard_error,
                "n": score.n,
                "difference_to_before": compared.difference if compared else None,
                "low": compared.low if compared else None,
                "high": compared.high if compared else None,
                "items": [{"item": item, "value": value, "cluster": cluster} for item, value, cluster in score.items],
            }
        )
    return rows


def release_as_json(release: Release) -> dict[str, Any]:
    """Everything that was measured, with what it was measured on and under."""
    return {
        "release": release.name,
        "number": release.number,
        "state": release.state,
        "taxonomy_commit": release.taxonomy_commit,
        "plan_hash": release.plan_hash,
        "student_artifact": release.student_artifact,
        "evaluation_artifact": release.evaluation_artifact,
        "created_at": release.created_at.isoformat(),
        "scores": _rows(release),
    }


def release_as_csv(release: Release) -> str:
    """One row a score (RFC 4180), the items left out; a cell that a spreadsheet would run as a formula is quoted."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    for row in _rows(release):
        name = row["name"]
        writer.writerow(row | {"name": f"'{name}" if name[:1] in "=+-@\t\r" else name})
    return out.getvalue()
