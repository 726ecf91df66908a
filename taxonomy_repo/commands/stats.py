"""``stats``: how much of what a taxonomy holds."""

from __future__ import annotations

import argparse
import json
import statistics
from collections import Counter
from pathlib import Path

from taxonomy_repo.attribution import read_attribution
from taxonomy_repo.commands.reporting import fail
from taxonomy_repo.folder import UnreadableFile, find_files, leaf_path, read_file
from taxonomy_repo.leaf import leaf_kind, read_leaf
from taxonomy_repo.paths import ATTRIBUTION_FILE, QNA_FILE
from taxonomy_repo.problem import excerpt
from taxonomy_repo.yaml_source import MOST_BYTES

HELP = "count what a taxonomy holds"
DESCRIPTION = """\
Count the leaves of a taxonomy by branch, kind, version and licence, their seeds, pairs and words, and the people who
wrote them. The last line is JSON with the same numbers.

Exit status: 0, or 2 when there is no leaf.
"""
_MOST_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, metavar="PATH")


def run(options: argparse.Namespace) -> int:
    files = [file for file in find_files(options.path) if file.name == QNA_FILE] if options.path.exists() else []
    if not files:
        return fail(f"There is no {QNA_FILE} below {options.path}. Check the name.")
    tables: dict[str, Counter[str]] = {
        name: Counter() for name in ("branches", "kinds", "versions", "licences", "contributors")
    }
    unreadable = 0
    seeds: list[int] = []
    pairs = words = 0
    for file in files:
        place = leaf_path(file)
        try:
            leaf = read_leaf(read_file(file, MOST_BYTES), place).leaf
        except UnreadableFile:
            leaf = None
        if leaf is None:
            unreadable += 1
            continue
        tables["branches"][place.split("/", 1)[0] or "none"] += 1
        tables["kinds"][leaf_kind(place, leaf)] += 1
        tables["versions"][str(leaf.version or "none")] += 1
        tables["contributors"][leaf.created_by.strip() or "nobody"] += 1
        tables["licences"].update(_licences(file.with_name(ATTRIBUTION_FILE)))
        seeds.append(len(leaf.seed_examples))
        for pair in leaf.pairs():
            pairs += 1
            words += len(pair.question.split()) + len(pair.answer.split())
    numbers = {
        "leaves": len(files),
        "unreadable": unreadable,
        "seeds": sum(seeds),
        "seeds_median": statistics.median(seeds) if seeds else 0,
        "pairs": pairs,
        "words": words,
        "people": len(tables["contributors"]),
    }
    for name, number in numbers.items():
        print(f"{name.replace('_', ', '):<14} {number:>9,}")
    for name, table in tables.items():
        print(f"\n{name}")
        for key, number in table.most_common(_MOST_SHOWN):
            print(f"  {excerpt(key, 60):<60} {number:>6,}")
        if len(table) > _MOST_SHOWN:
            print(f"  and {len(table) - _MOST_SHOWN} more")
    shown = {name: dict(table.most_common()) for name, table in tables.items() if name != "contributors"}
    print(json.dumps({"verb": "stats", **numbers, **shown}, ensure_ascii=False))
    return 0


def _licences(file: Path) -> set[str]:
    """The licences that an attribution names, each once; ``none`` where it names none or is not there."""
    try:
        entries = read_attribution(read_file(file, MOST_BYTES)).attribution.entries
    except UnreadableFile:
        return {"none"}
    return {entry.licence for entry in entries if entry.licence} or {"none"}
