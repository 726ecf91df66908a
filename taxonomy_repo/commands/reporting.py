"""How checked files are shown: for people, for programs, and for the page of a pull request."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable

from taxonomy_repo.folder import CheckedFile
from taxonomy_repo.problem import Problem

# GitHub's names for how bad something is (workflow commands).
_GITHUB = {"error": "error", "warning": "warning", "info": "notice"}


def fail(message: str) -> int:
    """Say why nothing could be done, and give the exit status that means so."""
    print(message, file=sys.stderr)
    return 2


def say_summary(summary: dict[str, object], *, form: str = "text") -> None:
    """One line of JSON with what was done: last on standard output, on standard error where that has another form."""
    print(json.dumps(summary, ensure_ascii=False), file=sys.stdout if form == "text" else sys.stderr)


def say_text(checked: CheckedFile) -> None:
    """A line for each problem, as compilers write it."""
    for problem in checked.problems:
        place = f"{checked.path}:{problem.line}:{problem.column or 1}" if problem.line else str(checked.path)
        print(f"{place}: {problem.severity}: {problem.message} [{problem.code}]")


def say_json(checked: CheckedFile) -> None:
    """One object: path, valid, problems."""
    problems = [dataclasses.asdict(problem) for problem in checked.problems]
    print(json.dumps({"path": str(checked.path), "valid": checked.valid, "problems": problems}, ensure_ascii=False))


def say_github(checked: CheckedFile) -> None:
    """A workflow command for each problem, which puts it beside the line in the pull request."""
    for problem in checked.problems:
        print(_workflow_command(checked, problem))


def _workflow_command(checked: CheckedFile, problem: Problem) -> str:
    where = [f"file={_property(str(checked.path))}"]
    if problem.line:
        where += [f"line={problem.line}", f"col={problem.column or 1}"]
    where.append(f"title={_property(problem.code)}")
    return f"::{_GITHUB[problem.severity]} {','.join(where)}::{_data(problem.message)}"


def _data(text: str) -> str:
    """``text`` as a command's message; a line end in it would start a command of its own."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


FORMS: dict[str, Callable[[CheckedFile], None]] = {"text": say_text, "json": say_json, "github": say_github}
