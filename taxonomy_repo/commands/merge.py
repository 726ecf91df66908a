"""``merge``: two changes of one leaf, joined seed by seed. Fits as a merge driver of git."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from taxonomy_repo.commands.check import replace_file
from taxonomy_repo.commands.reporting import fail, say_summary
from taxonomy_repo.folder import UnreadableFile, leaf_path, read_file
from taxonomy_repo.merge import MergeConflict, merge_leaf_bytes
from taxonomy_repo.yaml_source import MOST_BYTES

HELP = "join two changes of a leaf, seed by seed"
DESCRIPTION = """\
Join the changes that OURS and THEIRS made to BASE, three versions of one qna.yaml, seed by seed. The joined leaf goes
to standard output, or into a file with --output; what was done, in JSON, to standard error.

As a merge driver, in .gitattributes: qna.yaml merge=leaf, and
  git config merge.leaf.driver "python -m taxonomy_repo merge %O %A %B --output %A --path %P"

Exit status: 0 when they were joined, 1 when both changed the same thing differently (each such field is said), 2 when
a version could not be read.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name in ("base", "ours", "theirs"):
        parser.add_argument(name, type=Path, metavar=name.upper())
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the joined leaf there")
    parser.add_argument(
        "--path", type=Path, metavar="FILE", help="where the leaf lies in its taxonomy (default: where OURS lies)"
    )


def run(options: argparse.Namespace) -> int:
    versions = []
    for file in (options.base, options.ours, options.theirs):
        try:
            versions.append(read_file(file, MOST_BYTES))
        except UnreadableFile as error:
            return fail(f"{file}: {error}")
    base, ours, theirs = versions
    try:
        # An empty base is what git gives where both sides made the leaf anew.
        merged = merge_leaf_bytes(base or None, ours, theirs, leaf_path(options.path or options.ours))
    except MergeConflict as conflict:
        for one in conflict.conflicts:
            print(f"{one.field}: {one}", file=sys.stderr)
        say_summary({"verb": "merge", "conflicts": len(conflict.conflicts)}, form="file")
        return 1
    except ValueError as error:
        return fail(f"{error} Check all three with the verb check.")
    if options.output is None:
        sys.stdout.buffer.write(merged)
        sys.stdout.buffer.flush()
    else:
        try:
            if options.output.exists():
                replace_file(options.output, merged)
            else:
                options.output.write_bytes(merged)
        except OSError as error:
            return fail(f"{options.output} cannot be written: {error.strerror}.")
    say_summary({"verb": "merge", "conflicts": 0, "bytes": len(merged)}, form="file")
    return 0
