"""Leaves in plain folders, as people have them on their disks: finding, reading and checking them.

A taxonomy from elsewhere is not trusted: links are not followed, only ordinary files are opened, and of a file that is
larger than any leaf nothing is read.
"""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from taxonomy_repo.attribution import MOST_BYTES as MOST_ATTRIBUTION_BYTES
from taxonomy_repo.checks.across import LeafAt, check_across
from taxonomy_repo.checks.registry import Subject, run_checks
from taxonomy_repo.paths import ATTRIBUTION_FILE, BRANCHES, QNA_FILE
from taxonomy_repo.problem import Problem, excerpt
from taxonomy_repo.yaml_source import MOST_BYTES, too_large

# Starting a process takes as long as checking so many files.
_FILES_A_PROCESS = 64
_YAML = (".yaml", ".yml")
# The public tools know two branches by name and tell all others by what is in the file.
_NAMED_BRANCHES = ("knowledge", "compositional_skills")


@dataclass(frozen=True)
class CheckedFile:
    """A file and what is wrong with it."""

    path: Path
    problems: tuple[Problem, ...]

    @property
    def valid(self) -> bool:
        """Whether none of the problems is an error: the verdict of the public tools, told to be strict."""
        return not any(problem.severity == "error" for problem in self.problems)


class UnreadableFile(Exception):
    """A file that is not opened; ``problem`` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def leaf_path(file: Path) -> str:
    """The leaf's place in its taxonomy: what follows the last folder named like a branch, or ``""`` without one."""
    parts = Path(os.path.abspath(file)).parent.parts
    for branches in (_NAMED_BRANCHES, BRANCHES):
        for index in range(len(parts) - 1, -1, -1):
            if parts[index] in branches:
                return "/".join(parts[index:])
    return ""


def find_files(path: Path) -> Iterator[Path]:
    """The files to check for ``path``: itself, or every YAML file of the leaves below it, sorted.

    Hidden folders are left out, and YAML that is neither in nor below a branch (a linter's settings, say) too.
    """
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.lower().endswith(_YAML) or name.startswith("."):
                continue
            file = Path(folder, name)
            if name == QNA_FILE or leaf_path(file):
                yield file


def read_file(file: Path, most: int) -> bytes:
    """The bytes of an ordinary file of at most ``most`` bytes. Raises UnreadableFile for anything else."""
    try:
        # Not blocking, so that a pipe is seen for what it is.
        handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if file.is_symlink():
            message = "The file is a link to another place. Put the file itself here."
            raise UnreadableFile(Problem("file-link", "error", message)) from error
        message = f"The file cannot be read: {error.strerror}. Check its name and permissions."
        raise UnreadableFile(Problem("file-unreadable", "error", message)) from error
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise UnreadableFile(Problem("file-unreadable", "error", "This is no ordinary file. Put one in its place."))
    with os.fdopen(handle, "rb") as opened:
        if found.st_size > most:
            raise UnreadableFile(too_large(found.st_size, most))
        return opened.read(most + 1)


def check_file(file: Path, *, schema_version: int | None = None) -> CheckedFile:
    """Check one file with the attribution beside it; ``schema_version`` as in ``taxonomy_repo.checks.check_leaf``."""
    return _check(file, schema_version)[0]


def check_files(files: Sequence[Path], *, schema_version: int | None = None) -> Iterator[CheckedFile]:
    """Check each file by itself, and all of them together for what only shows beside others, in the same order.

    Many files are shared among the machine's processors. Nothing is given before everything was read.
    """
    one = functools.partial(_check, schema_version=schema_version)
    processes = min(_processors(), len(files) // _FILES_A_PROCESS)
    if processes > 1:
        with ProcessPoolExecutor(processes) as pool:
            results = list(pool.map(one, files, chunksize=_FILES_A_PROCESS // 4))
    else:
        results = [one(file) for file in files]
    positions = [position for position, (_, leaf) in enumerate(results) if leaf is not None]
    more = check_across([leaf for _, leaf in results if leaf is not None]) if len(positions) > 1 else {}
    added = {positions[number]: problems for number, problems in more.items()}
    for position, (checked, _) in enumerate(results):
        problems = added.get(position)
        yield replace(checked, problems=(*checked.problems, *problems)) if problems else checked


def _processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check(file: Path, schema_version: int | None) -> tuple[CheckedFile, LeafAt | None]:
    """The file with its problems, and its leaf where one could be read."""
    try:
        data = read_file(file, MOST_BYTES)
    except UnreadableFile as error:
        return CheckedFile(file, (error.problem,)), None
    if file.name != QNA_FILE:
        message = f"A leaf's file is called {QNA_FILE}, in a folder of its own. Rename {excerpt(file.name, 80)}."
        return CheckedFile(file, (Problem("file-name", "error", message, 1, 1),)), None
    beside, problems = _attribution(file.with_name(ATTRIBUTION_FILE))
    subject = Subject.of(data, leaf_path(file), beside, schema_version)
    checked = CheckedFile(file, (*run_checks(subject), *problems))
    reading = subject.reading
    if reading.leaf is None:
        return checked, None
    return checked, LeafAt.of(subject.path or file.parent.as_posix(), reading.leaf, reading.lines)


def _attribution(file: Path) -> tuple[bytes | None, tuple[Problem, ...]]:
    """The attribution's bytes (None: there is none) and what is wrong with how it lies there."""
    try:
        return read_file(file, MOST_ATTRIBUTION_BYTES), ()
    except UnreadableFile as error:
        if not os.path.lexists(file):
            return None, ()
        message = f"{ATTRIBUTION_FILE}: {error.problem.message}"
        return b"", (Problem("attribution-unreadable", "warning", message, field="attribution"),)
