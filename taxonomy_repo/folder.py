"""Leaves in plain folders, as people have them on their disks: finding and checking them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from taxonomy_repo.checks import check_leaf
from taxonomy_repo.paths import ATTRIBUTION_FILE, BRANCHES, QNA_FILE
from taxonomy_repo.problem import Problem

_YAML = (".yaml", ".yml")


@dataclass(frozen=True)
class CheckedFile:
    """A file and what is wrong with it."""

    path: Path
    problems: tuple[Problem, ...]

    @property
    def valid(self) -> bool:
        return not any(problem.severity == "error" for problem in self.problems)


def leaf_path(file: Path) -> str:
    """The leaf's place in its taxonomy: what follows the last folder named like a branch, else the folder's name."""
    parts = file.resolve().parent.parts
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] in BRANCHES:
            return "/".join(parts[index:])
    return ""


def find_files(path: Path) -> Iterator[Path]:
    """The files to check for ``path``: itself, or every YAML file of the leaves below it, sorted.

    Hidden folders are left out, and YAML that is neither in nor below a branch (a linter's settings, say) too.
    """
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*")):
        below = file.relative_to(path).parts
        if file.suffix.lower() not in _YAML or any(part.startswith(".") for part in below) or not file.is_file():
            continue
        if file.name == QNA_FILE or leaf_path(file):
            yield file


def check_file(file: Path) -> CheckedFile:
    """Check one file with the attribution beside it."""
    try:
        data = file.read_bytes()
    except OSError as error:
        message = f"The file cannot be read: {error.strerror}. Check its name and permissions."
        return CheckedFile(file, (Problem("file-unreadable", "error", message),))
    if file.name != QNA_FILE:
        message = f"A leaf's file is called {QNA_FILE}, in a folder of its own. Rename {file.name}."
        return CheckedFile(file, (Problem("file-name", "error", message, 1, 1),))
    attribution = file.with_name(ATTRIBUTION_FILE)
    try:
        beside = attribution.read_bytes()
    except OSError:
        beside = None
    return CheckedFile(file, tuple(check_leaf(data, leaf_path(file), beside)))
