"""The taxonomy from a shell: ``python -m taxonomy_repo check PATH...``. Each verb is one function below."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from taxonomy_repo.folder import CheckedFile, check_file, find_files

DESCRIPTION = """\
Check leaves before they are submitted. PATH is a qna.yaml, a leaf's folder or a whole taxonomy.

text: a line for each problem (path:line:column: severity: message [code]); the last line is JSON with what was done.
json: one line of JSON for each file {path, valid, problems: [{code, severity, message, line, column, field}]} on
standard output; the JSON with what was done goes to standard error, so that all of standard output has one form.
"""
EXIT_STATUS = (
    "Exit status: 0 when there is no error (warnings may be), 1 when there is, 2 when nothing could be checked."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and give its exit status."""
    parser = argparse.ArgumentParser(prog="python -m taxonomy_repo", description="Work with a taxonomy from a shell.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    check = verbs.add_parser(
        "check",
        help="check leaves, folders of leaves or whole taxonomies",
        description=DESCRIPTION,
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("paths", nargs="+", type=Path, metavar="PATH")
    check.add_argument("--format", choices=("text", "json"), default="text", help="form of the output (default: text)")
    check.set_defaults(run=check_paths)
    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status


def check_paths(options: argparse.Namespace) -> int:
    """The verb ``check``."""
    started = time.perf_counter()
    files: dict[Path, None] = {}
    for path in options.paths:
        if not path.exists():
            print(f"There is no {path}. Check the name.", file=sys.stderr)
            return 2
        files.update(dict.fromkeys(find_files(path)))
    if not files:
        print(
            f"There is no leaf below {', '.join(map(str, options.paths))}. Give a folder that has a qna.yaml.",
            file=sys.stderr,
        )
        return 2
    counts = {"error": 0, "warning": 0, "info": 0}
    valid = 0
    for file in files:
        checked = check_file(file)
        valid += checked.valid
        for problem in checked.problems:
            counts[problem.severity] += 1
        _show(checked, options.format)
    summary = {
        "verb": "check",
        "files": len(files),
        "valid": valid,
        "errors": counts["error"],
        "warnings": counts["warning"],
        "notes": counts["info"],
        "seconds": round(time.perf_counter() - started, 3),
    }
    print(json.dumps(summary), file=sys.stdout if options.format == "text" else sys.stderr)
    return 1 if counts["error"] else 0


def _show(checked: CheckedFile, form: str) -> None:
    if form == "json":
        problems = [dataclasses.asdict(problem) for problem in checked.problems]
        line = {"path": str(checked.path), "valid": checked.valid, "problems": problems}
        print(json.dumps(line, ensure_ascii=False))
        return
    for problem in checked.problems:
        place = f"{checked.path}:{problem.line}:{problem.column or 1}" if problem.line else str(checked.path)
        print(f"{place}: {problem.severity}: {problem.message} [{problem.code}]")


if __name__ == "__main__":
    sys.exit(main())
