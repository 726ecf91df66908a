"""``convert``: leaves of older versions, written anew as the current one."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from taxonomy_repo.commands.check import replace_file
from taxonomy_repo.commands.reporting import fail, say_summary
from taxonomy_repo.folder import UnreadableFile, find_files, leaf_path, read_file
from taxonomy_repo.leaf import CURRENT_VERSION, UnwritableText, read_leaf, write_leaf
from taxonomy_repo.paths import QNA_FILE
from taxonomy_repo.yaml_source import MOST_BYTES

HELP = f"write leaves of older versions as version {CURRENT_VERSION}"
DESCRIPTION = f"""\
Write leaves of skills in version 1 or 2 as version {CURRENT_VERSION}, in place. What they say stays the same; comments
are lost. A leaf that has errors is left as it is and named, and so is knowledge of an older version: it had no
contexts, and nobody but its author can choose them. Leaves with fewer than five seeds are converted; check then asks
for more.

Exit status: 0 when every leaf is in version {CURRENT_VERSION} now, 1 when some had to be left, 2 when there are none.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")


def run(options: argparse.Namespace) -> int:
    files: dict[Path, None] = {}
    for path in options.paths:
        if not os.path.lexists(path):
            return fail(f"There is no {path}. Check the name.")
        files.update(dict.fromkeys(file for file in find_files(path) if file.name == QNA_FILE))
    if not files:
        return fail(f"There is no {QNA_FILE} below {', '.join(map(str, options.paths))}.")
    counts = {"converted": 0, "current": 0, "left": 0}
    for file in files:
        became, why = _convert(file, dry=options.dry_run)
        counts[became] += 1
        if became != "current":
            print(f"{file}: {became}" + (f": {why}" if why else ""))
    say_summary({"verb": "convert", "files": len(files), **counts})
    return 1 if counts["left"] else 0


def _convert(file: Path, *, dry: bool) -> tuple[str, str]:
    """What became of one file, and why it was left."""
    try:
        data = read_file(file, MOST_BYTES)
    except UnreadableFile as error:
        return "left", str(error)
    reading = read_leaf(data, leaf_path(file))
    if reading.leaf is None or not reading.valid:
        first = next((problem for problem in reading.problems if problem.severity == "error"), reading.problems[0])
        return "left", f"line {first.line}: {first.message}"
    if reading.leaf.version == CURRENT_VERSION:
        return "current", ""
    try:
        new = write_leaf(reading.leaf)
        if not dry:
            replace_file(file, new)
    except UnwritableText as error:
        return "left", f"{error.field}: {error}"
    except OSError as error:
        return "left", f"It cannot be changed: {error.strerror}."
    return "converted", ""
