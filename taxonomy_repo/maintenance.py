"""Tidying a repository, and copying one that is in use.

Objects that came one by one are put into packs, what nothing refers to goes after two weeks.

Without it a taxonomy slowly becomes a folder of a hundred thousand small files. Safe beside writers and readers, and
takes no lock that they wait for: git's program never removes an object before its copy is in place, and nothing that
is younger than what any commit under way could still need.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from taxonomy_repo.repository import Repository, StoreProblem

LOCK_FILE = "seedbed-maintenance.lock"
# git's own measure for "too much" (gc.auto is 6700 objects, gc.autoPackLimit 50 packs), tighter: a page reads by blob.
MOST_LOOSE = 2_000
MOST_PACKS = 20
KEEP_UNREACHABLE = "2.weeks.ago"
_LEFT_BEHIND_SECONDS = 24 * 3600
_LONGEST_SECONDS = 3600


@dataclass(frozen=True)
class Stored:
    """How objects are kept: the number of those in files of their own, and of packs."""

    loose: int
    packs: int


@dataclass(frozen=True)
class Maintenance:
    """What was done; ``before`` and ``after`` are equal where nothing was needed."""

    before: Stored
    after: Stored
    done: bool


def stored(repository: Repository) -> Stored:
    """How the objects of ``repository`` are kept just now."""
    objects = repository.path / "objects"
    loose = sum(1 for folder in objects.glob("[0-9a-f][0-9a-f]") for _ in folder.glob("[0-9a-f]" * 38))
    return Stored(loose, sum(1 for _ in (objects / "pack").glob("*.pack")))


def maintain(repository: Repository, *, always: bool = False) -> Maintenance:
    """Repack ``repository`` where it has become untidy, or in any case with ``always``.

    Does nothing while another process does it. Raises StoreProblem (``maintenance``) where git's program is missing or
    fails; the repository is then as good as before.
    """
    before = stored(repository)
    if not always and before.loose <= MOST_LOOSE and before.packs <= MOST_PACKS:
        return Maintenance(before, before, done=False)
    with _alone(repository.path) as alone:
        if not alone:
            return Maintenance(before, before, done=False)
        _remove_left_behind(repository.path / "objects" / "pack")
        _git(repository.path, "repack", "-q", "-d", "-l", "-A", f"--unpack-unreachable={KEEP_UNREACHABLE}")
        _git(repository.path, "prune", f"--expire={KEEP_UNREACHABLE}")
    return Maintenance(before, stored(repository), done=True)


def mirror(repository: Repository, target: Path) -> None:
    """A copy of ``repository`` in the folder ``target``: every reference at one moment, with all that it needs.

    Writers and readers go on meanwhile. Raises StoreProblem (``maintenance``) where git's program is missing or fails.
    """
    Repository(target).create()
    _git(repository.path, "push", "-q", "--mirror", str(target.resolve()), doing="copied")


@contextmanager
def _alone(repository: Path) -> Iterator[bool]:
    """Whether no other process tidies; the kernel gives the lock back however its holder ends."""
    descriptor = os.open(repository / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _remove_left_behind(packs: Path) -> None:
    """Unfinished packs of a repacking that was killed; git's prune knows only some of their names."""
    for file in packs.glob(".tmp-*"):
        if time.time() - file.stat().st_mtime > _LEFT_BEHIND_SECONDS:
            file.unlink(missing_ok=True)


def _git(repository: Path, *arguments: str, doing: str = "tidied") -> None:
    """Run git's program with nothing of the machine's or its users' configuration."""
    program = shutil.which("git")
    if program is None:
        raise StoreProblem("maintenance", f"The git program is not installed. Without it nothing is {doing}.")
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    # As with libgit2: containers map users, so the owner of the folder says nothing.
    command = [program, "-c", f"safe.directory={repository.resolve()}", "-c", "core.fsync=all"]
    try:
        subprocess.run(
            [*command, "--git-dir", str(repository), *arguments],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        words = " ".join(error.stderr.split())[-500:]
        raise StoreProblem("maintenance", f"The repository could not be {doing}: {words}") from error
    except subprocess.TimeoutExpired as error:
        raise StoreProblem("maintenance", f"The repository could not be {doing} within an hour.") from error
