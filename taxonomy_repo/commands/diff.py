"""``diff``: which leaves differ between two versions of a taxonomy, and in what, field by field."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from taxonomy_repo.commands.reporting import fail, say_summary
from taxonomy_repo.differences import leaf_differences
from taxonomy_repo.leaf import read_leaf
from taxonomy_repo.paths import QNA_FILE
from taxonomy_repo.problem import excerpt

if TYPE_CHECKING:
    from taxonomy_repo.store import LeafChange, TaxonomyStore

HELP = "tell which leaves differ between two versions, and in what"
DESCRIPTION = """\
Tell what happened to leaves between two versions of a taxonomy in git: added, removed, moved, modified, and for those
that are there on both sides each field that differs. REV is anything that git takes for a version.

text: a line for each leaf, the fields below it; the last line is JSON with what was found.
json: one line of JSON for each leaf {path, kind, old_path, fields: [{field, before, after}]}.

Exit status: 0 when nothing differs, 1 when something does, 2 when it could not be told.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", metavar="REV")
    parser.add_argument("after", metavar="REV")
    parser.add_argument("--repository", type=Path, default=Path(), metavar="PATH", help="where it is (default: here)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="form of the output (default: text)")


def run(options: argparse.Namespace) -> int:
    import pygit2

    from taxonomy_repo.store import StoreProblem, TaxonomyStore

    found = pygit2.discover_repository(str(options.repository))
    if found is None:
        return fail(f"There is no git repository at {options.repository}. Name it with --repository.")
    store = TaxonomyStore(found)
    commits = []
    for revision in (options.before, options.after):
        try:
            commits.append(str(store.repository.git.revparse_single(revision).peel(pygit2.Commit).id))
        except (KeyError, ValueError, pygit2.GitError):
            return fail(f"There is no version {excerpt(revision, 80)} in {options.repository}. Check its name.")
    try:
        changes = store.changes(*commits)
        for change in changes:
            _show(store, change, commits, options.format)
    except StoreProblem as error:
        return fail(str(error))
    kinds = ("added", "modified", "removed", "moved")
    counts = {kind: sum(change.kind == kind for change in changes) for kind in kinds}
    say_summary({"verb": "diff", "before": commits[0], "after": commits[1], **counts}, form=options.format)
    return 1 if changes else 0


def _show(store: TaxonomyStore, change: LeafChange, commits: list[str], form: str) -> None:
    fields = []
    if change.kind in ("modified", "moved"):
        sides = []
        for commit, path in ((commits[0], change.old_path or change.path), (commits[1], change.path)):
            data = store.file_at(commit, f"{path}/{QNA_FILE}")
            sides.append(None if data is None else read_leaf(data, path).leaf)
        if sides[0] is not None and sides[1] is not None:
            fields = leaf_differences(sides[0], sides[1])
    if form == "json":
        told = [{"field": field.field, "before": field.before, "after": field.after} for field in fields]
        line = {"path": change.path, "kind": change.kind, "old_path": change.old_path, "fields": told}
        print(json.dumps(line, ensure_ascii=False))
        return
    print(f"{change.kind} {change.path}" + (f" (was {change.old_path})" if change.old_path else ""))
    for field in fields:
        before = "nothing" if field.before is None else excerpt(" ".join(field.before.split()), 70)
        after = "nothing" if field.after is None else excerpt(" ".join(field.after.split()), 70)
        print(f"  {field.field}: {before} → {after}")
