"""The writer's mutex of a repository: one holder at a time, whose death gives it back.

It is a flock(2) on a file in the repository, which the kernel releases when its holder ends in whatever way. While it
is held the file says by whom. Found so by the next one, the holder died, and the lock files that git's own protocol
left behind would stop everybody for ever; they are removed, but only those that are proven to be the dead one's.
"""

from __future__ import annotations

import fcntl
import functools
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

MUTEX_FILE = "seedbed-writer.lock"
TURNSTILE_FILE = "seedbed-writer-next.lock"
_POLL_SECONDS = 0.001
_LONGEST_RECORD = 1000
# File times come from a clock of the kernel that may lag a tick behind.
_CLOCK_SLACK_NS = 1_000_000_000
_LOG = logging.getLogger(__name__)


class MutexBusy(Exception):
    """Another holder did not finish in time."""


@dataclass(frozen=True)
class Holder:
    """A process that took the mutex; ``started`` (clock ticks since ``boot``) tells it from a later one of its number.

    ``taken_ns`` is when it did, in nanoseconds of the epoch.
    """

    pid: int
    started: int
    boot: str
    taken_ns: int

    @property
    def alive(self) -> bool:
        """Whether that very process still runs on this machine."""
        return self.boot == _boot() and self.started == _started(self.pid)


@contextmanager
def mutex(repository: Path, timeout: float) -> Iterator[None]:
    """Hold the mutex of ``repository``. Raises MutexBusy after ``timeout`` seconds."""
    descriptor = os.open(repository / MUTEX_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take_in_turn(repository, descriptor, time.monotonic() + timeout)
        record = os.pread(descriptor, _LONGEST_RECORD, 0)
        if record:
            # The record stays until this is done: one that is killed here leaves the work to the next.
            _recover(repository, _holder_in(record))
        started, boot = _own(os.getpid())
        me = Holder(os.getpid(), started, boot, time.time_ns())
        written = json.dumps(asdict(me)).encode() + b"\n"
        os.pwrite(descriptor, written, 0)
        os.ftruncate(descriptor, len(written))
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _take_in_turn(repository: Path, descriptor: int, deadline: float) -> None:
    """Take the flock on ``descriptor``, as the next one after its holder where others wait, too.

    Who wants it holds a turnstile while waiting. Otherwise one that gives it back and wants it again at once would
    nearly always be faster than those who look from time to time, and one of them would wait for minutes.
    """
    turnstile = os.open(repository / TURNSTILE_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _take(turnstile, deadline)
        _take(descriptor, deadline)
    finally:
        os.close(turnstile)


def _take(descriptor: int, deadline: float) -> None:
    while not _taken(descriptor):
        if time.monotonic() > deadline:
            raise MutexBusy
        time.sleep(_POLL_SECONDS)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _recover(repository: Path, dead: Holder | None) -> None:
    """Remove the lock files of a holder that died.

    The proof: its flock is gone, which the kernel does only for one that ended; no process has its number and start
    time (this speaks up where a file system ignores flock); the lock is not older than its holding the mutex; and no
    living process has the lock open.
    """
    if dead is not None and dead.pid != os.getpid() and dead.alive:
        _LOG.error("Process %d still runs, although its lock on %s is free.", dead.pid, repository)
        raise MutexBusy
    since = 0 if dead is None else dead.taken_ns - _CLOCK_SLACK_NS
    for lock in _lock_files(repository):
        try:
            found = lock.stat()
            if found.st_mtime_ns >= since and not _open_somewhere(found):
                lock.unlink()
                _LOG.warning("Removed %s, which a writer that was killed left behind.", lock)
        except FileNotFoundError:
            continue


def _lock_files(repository: Path) -> list[Path]:
    """The lock files that git's protocol for references has at this moment."""
    found = [repository / name for name in ("HEAD.lock", "config.lock", "packed-refs.lock")]
    return [*found, *sorted((repository / "refs").rglob("*.lock"))]


def _open_somewhere(wanted: os.stat_result) -> bool:
    """Whether a process that can be looked at (see proc(5)) has that file open."""
    for entry in Path("/proc").glob("[0-9]*/fd"):
        try:
            for descriptor in os.scandir(entry):
                found = os.stat(descriptor.path)
                if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                    return True
        except OSError:
            continue  # it ended meanwhile, or belongs to somebody else
    return False


def _holder_in(record: bytes) -> Holder | None:
    """What the record says, or None where it was not written to its end."""
    try:
        found = json.loads(record)
        return Holder(int(found["pid"]), int(found["started"]), str(found["boot"]), int(found["taken_ns"]))
    except (ValueError, KeyError, TypeError):
        return None


@functools.lru_cache(maxsize=1)
def _own(pid: int) -> tuple[int, str]:
    """When this process, whose number that is, started, and the machine's run; a fork has another number."""
    return _started(pid) or 0, _boot()


def _boot() -> str:
    """This machine's present run, or nothing where it does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """When the process of that number started, in clock ticks since boot; None where there is none."""
    try:
        # The name, in parentheses, may hold anything; field 22 counts from behind it (proc(5)).
        return int(Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None
