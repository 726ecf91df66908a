"""``check``: what is wrong with leaves, and mending the commonest of it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from taxonomy_repo.commands.reporting import FORMS, fail, say_summary
from taxonomy_repo.folder import UnreadableFile, check_files, find_files, read_file
from taxonomy_repo.leaf import CURRENT_VERSION
from taxonomy_repo.mending import mend_leaf
from taxonomy_repo.paths import QNA_FILE
from taxonomy_repo.yaml_source import MOST_BYTES

HELP = "check leaves, folders of leaves or whole taxonomies"
DESCRIPTION = """\
Check leaves before they are submitted. PATH is a qna.yaml, a leaf's folder or a whole taxonomy.

text: a line for each problem (path:line:column: severity: message [code]); the last line is JSON with what was done.
json: one line of JSON for each file {path, valid, problems: [{code, severity, message, line, column, field}]} on
standard output; the JSON with what was done goes to standard error, so that all of standard output has one form.
github: workflow commands, which show each problem beside its line in a pull request.

A file is valid when the public tools, told to lint strictly, find no error in it. docs/checks.md explains each code.

Exit status: 0 when there is no error (warnings may be), 1 when there is, 2 when nothing could be checked.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    parser.add_argument("--format", choices=tuple(FORMS), default="text", help="form of the output (default: text)")
    parser.add_argument(
        "--fix",
        action="store_true",
        help="first mend text below | that is not indented, text with colons that has no quotes, values that YAML "
        "reads as something else than text, and spaces at the ends of lines; files are changed in place",
    )
    parser.add_argument(
        "--schema-version",
        type=int,
        metavar="N",
        choices=range(CURRENT_VERSION + 1),
        default=0,
        help=f"hold every file to this version, 1 to {CURRENT_VERSION} (default: 0, the version that each file names)",
    )


def run(options: argparse.Namespace) -> int:
    started = time.perf_counter()
    files: dict[Path, None] = {}
    for path in options.paths:
        if not os.path.lexists(path):
            return fail(f"There is no {path}. Check the name.")
        files.update(dict.fromkeys(find_files(path)))
    if not files:
        return fail(
            f"There is no leaf below {', '.join(map(str, options.paths))}. Give a folder that has a {QNA_FILE}."
        )
    summary: dict[str, object] = {"verb": "check", "files": len(files)}
    if options.fix:
        summary["mended"] = sum(_mend(file) for file in files)
    counts = {"error": 0, "warning": 0, "info": 0}
    valid = 0
    for checked in check_files(list(files), schema_version=options.schema_version or None):
        valid += checked.valid
        for problem in checked.problems:
            counts[problem.severity] += 1
        FORMS[options.format](checked)
    summary |= {
        "valid": valid,
        "errors": counts["error"],
        "warnings": counts["warning"],
        "notes": counts["info"],
        "seconds": round(time.perf_counter() - started, 3),
    }
    say_summary(summary, form=options.format)
    return 1 if counts["error"] else 0


def _mend(file: Path) -> bool:
    """Mend ``file`` in place, saying what was done. Whether it was changed; one that cannot be read is left alone."""
    if file.name != QNA_FILE:
        return False
    try:
        data = read_file(file, MOST_BYTES)
    except UnreadableFile:
        return False  # the check says so
    mending = mend_leaf(data)
    if not mending.repairs:
        return False
    try:
        replace_file(file, mending.data)
    except OSError as error:
        print(f"{file}: cannot be changed: {error.strerror}. It stays as it was.", file=sys.stderr)
        return False
    for repair in mending.repairs:
        print(f"{file}:{repair.line}: mended: {repair.message}", file=sys.stderr)
    return True


def replace_file(file: Path, data: bytes) -> None:
    """Put ``data`` into ``file``, whole or not at all. Raises OSError."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        beside.chmod(file.stat().st_mode & 0o7777)
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)
