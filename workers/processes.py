"""Programs that a worker starts: none of them, nor anything they start, outlives the worker.

Between the worker and the program stands ``workers.guardian``; see there how it notices the worker's death.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

GUARDIAN = Path(__file__).with_name("guardian.py")
# A family that ignores SIGTERM and SIGKILL this long is stuck in the kernel; waiting longer helps nobody.
_AFTER_KILL_SECONDS = 10.0


class Child:
    """A program started by :func:`start_child`. As a context manager it is stopped at the end of the block."""

    def __init__(
        self, guardian: subprocess.Popen[bytes], control: int, log: Path, log_start: int, grace: float
    ) -> None:
        self._guardian = guardian
        self._control: int | None = control
        self._log_start = log_start
        self._grace = grace
        self.log = log

    @property
    def pid(self) -> int:
        """The guardian's process id; the program is its child."""
        return self._guardian.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; then its exit status, 128 + n where signal n ended it, 127 where it did not start."""
        code = self._guardian.poll()
        return None if code is None else 128 - code if code < 0 else code

    @property
    def running(self) -> bool:
        return self.returncode is None

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end, at most ``timeout`` seconds; the return code, None where it still runs."""
        try:
            self._guardian.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        return self.returncode

    def stop(self, grace: float | None = None) -> int:
        """Ask the program and its descendants to end (SIGTERM), after ``grace`` seconds end them (SIGKILL).

        Returns when all are gone. Calling it again, or after the program's own end, does nothing more.
        """
        grace = self._grace if grace is None else grace
        if self._control is not None:
            try:
                os.write(self._control, f"{grace}\n".encode())
            except BrokenPipeError:
                pass  # the guardian has ended already
            finally:
                os.close(self._control)
                self._control = None
        code = self.wait(grace + _AFTER_KILL_SECONDS)
        if code is None:
            self._guardian.kill()
            self._guardian.wait()
            return self.returncode or 0
        return code

    def tail(self, lines: int = 20) -> str:
        """The last lines that this program (not one before it) wrote to its log."""
        return log_tail(self.log, lines, start=self._log_start)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def log_tail(log: Path, lines: int = 40, *, start: int = 0) -> str:
    """The last lines of a log, looking no further back than byte ``start``; empty where there is none."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            # Enough for any sane lines without reading a long log whole.
            file.seek(max(start, end - lines * 2000))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(deque(text.splitlines(), maxlen=lines))


def start_child(
    command: Sequence[str | Path],
    *,
    log: Path,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    grace: float = 10.0,
) -> Child:
    """Start a program that dies, with all its descendants, when this process dies in whatever way.

    Args:
        command: program and arguments; no shell is involved.
        log: its output is appended there (standard output and error).
        environ: its whole environment; this process's own where None.
        grace: seconds between SIGTERM and SIGKILL, at :meth:`Child.stop` and when this process has died.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    read, write = os.pipe()
    try:
        with log.open("ab") as output:
            start = output.tell()
            guardian = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    str(GUARDIAN),
                    str(read),
                    str(grace),
                    str(os.getpid()),
                    *map(str, command),
                ],
                cwd=cwd,
                env=None if environ is None else dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=(read,),
                # Its own session: what is sent to the worker's process group must not end the guardian first.
                start_new_session=True,
            )
    except BaseException:
        os.close(write)
        raise
    finally:
        os.close(read)
    return Child(guardian, write, log, start, grace)
