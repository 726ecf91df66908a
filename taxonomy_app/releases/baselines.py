"""The published baselines, shipped as ``baselines.json`` and put into the database after every migration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

FILE = Path(__file__).with_name("baselines.json")


def baselines_load(*, using: str = DEFAULT_DB_ALIAS, **_signal: Any) -> int:
    """Make the table of baselines equal to the file and return its number of rows; safe to call at any time."""
    from taxonomy_app.releases.models import Baseline

    if Baseline._meta.db_table not in connections[using].introspection.table_names():
        return 0  # migrated back to before the table
    published = json.loads(FILE.read_text(encoding="utf-8"))
    rows = [
        Baseline(
            model=model["name"],
            benchmark=benchmark["name"],
            benchmark_title=benchmark["title"],
            setting=benchmark["setting"],
            value=value,
            unit=benchmark["unit"],
            position=position * len(published["benchmarks"]) + column,
            source=published["source"],
        )
        for position, model in enumerate(published["models"])
        for column, (benchmark, value) in enumerate(zip(published["benchmarks"], model["values"], strict=True))
    ]
    Baseline.objects.using(using).bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["model", "benchmark"],
        update_fields=["benchmark_title", "setting", "value", "unit", "position", "source"],
    )
    wanted = {(row.model, row.benchmark) for row in rows}
    for row in Baseline.objects.using(using).all():
        if (row.model, row.benchmark) not in wanted:
            row.delete()
    return len(rows)
