"""The process between a worker and a program it started: it ends the program's whole family when the worker is gone.

Run as a file by ``workers.processes``, with the standard library only, so that it starts in a few hundredths of a
second. It watches the read end of a pipe that only the worker can write to: the kernel closes it however the worker
dies, SIGKILL included. PR_SET_PDEATHSIG alone would not do: it fires when the *thread* that forked ends, and it does
not reach grandchildren. As a "subreaper" (prctl(2)) the guardian inherits orphans, so no descendant escapes by
starting a session of its own.

Usage: guardian.py CONTROL_DESCRIPTOR GRACE_SECONDS WORKER_PID COMMAND...
Its exit status is the program's; 128 + n where signal n ended it; 127 where it could not be started.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
# How often the worker is looked for besides the pipe: a process that it forked may hold the pipe open.
LOOK_SECONDS = 1.0
LEFTOVERS_SECONDS = 3.0
LIBC = ctypes.CDLL(None, use_errno=True)


def descendants() -> list[int]:
    """Ids of all processes below this one, parents before children."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    # The name is in parentheses and may hold anything; then come the state and the parent (proc(5)).
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except OSError:
                continue
            if state != b"Z":
                children.setdefault(int(parent), []).append(int(entry))
    found, ahead = [], [os.getpid()]
    while ahead:
        below = children.get(ahead.pop(), [])
        found += below
        ahead += below
    return found


def signal_all(number: signal.Signals) -> int:
    """Send to every descendant; how many there were."""
    family = descendants()
    for process in family:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            continue
    return len(family)


class Guardian:
    def __init__(self, control: int, grace: float, worker: int, command: list[str]) -> None:
        self.control, self.grace, self.worker, self.command = control, grace, worker, command
        self.status: int | None = None

    def run(self) -> int:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        wake_read, wake_write = os.pipe()
        for end in (wake_read, wake_write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wake_write)
        asked: list[int] = []
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
        # These come from a terminal or its closing and are the worker's business.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            program = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                preexec_fn=self._in_program,  # noqa: PLW1509  # the guardian has one thread
            )
        except OSError as error:
            sys.stderr.write(f"{self.command[0]} cannot be started: {error.strerror}\n")
            return 127
        while self.status is None and not asked and os.getppid() == self.worker:
            ready, _, _ = select.select([self.control, wake_read], [], [], LOOK_SECONDS)
            if wake_read in ready:
                os.read(wake_read, 4096)
            if self.control in ready and self._told_to_stop():
                break
            self._reap(program.pid)
        if self.status is None:
            self._end(program.pid, self.grace)
        else:
            self._end(program.pid, LEFTOVERS_SECONDS)
        return 128 + signal.SIGKILL if self.status is None else self.status

    @staticmethod
    def _in_program() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        # The guardian has one thread, so this fires only if the guardian itself is killed.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def _told_to_stop(self) -> bool:
        """The worker closed the pipe or wrote how long a stop may take."""
        said = os.read(self.control, 4096)
        if said:
            self.grace = float(said.split()[-1])
        return True

    def _reap(self, program: int) -> None:
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if process == 0:
                return
            if process == program:
                code = os.waitstatus_to_exitcode(status)
                self.status = 128 - code if code < 0 else code

    def _end(self, program: int, grace: float) -> None:
        """SIGTERM to all, SIGKILL to those that are left when the grace is over."""
        until = time.monotonic() + grace
        left = signal_all(signal.SIGTERM) if grace > 0 else 1
        while left and time.monotonic() < until:
            time.sleep(0.02)
            self._reap(program)
            left = len(descendants())
        while signal_all(signal.SIGKILL):
            time.sleep(0.01)
            self._reap(program)
        self._reap(program)


if __name__ == "__main__":
    _, _control, _grace, _worker, *_command = sys.argv
    sys.exit(Guardian(int(_control), float(_grace), int(_worker), _command).run())
