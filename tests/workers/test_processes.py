"""Programs started by a worker end with it: stopped politely, firmly, or because the worker was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from workers.processes import start_child

# A program with a child in a session of its own; both write down their process id and then sleep.
FAMILY = """
import os, subprocess, sys, time, pathlib, signal
folder = pathlib.Path(sys.argv[1])
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 3:
    subprocess.Popen([sys.executable, __file__, *sys.argv[1:], "grandchild"], start_new_session=True)
(folder / ("grandchild" if len(sys.argv) == 4 else "program")).write_text(str(os.getpid()))
time.sleep(60)
"""
WORKER = """
import pathlib, sys, time, os
from workers.processes import start_child
folder = pathlib.Path(sys.argv[1])
child = start_child([sys.executable, folder / "family.py", folder, sys.argv[2]], log=folder / "log", grace=0.5)
if os.fork() == 0:
    # Holds the pipe's write end open, as a process pool forked by the worker would.
    (folder / "holder").write_text(str(os.getpid()))
    time.sleep(60)
time.sleep(60)
"""


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # gone before, or while it was read
        return False
    return state != "Z"


def until(condition: Callable[[], bool], seconds: float = 15.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def family(folder: Path) -> list[int]:
    """Process ids of program and grandchild, once both have written them."""
    files = [folder / "program", folder / "grandchild"]
    assert until(lambda: all(file.exists() and file.read_text() for file in files))
    return [int(file.read_text()) for file in files]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "family.py").write_text(FAMILY)
    return tmp_path


def test_the_exit_status_and_the_log_of_a_program_are_its_own(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "program.log"
    log.parent.mkdir()
    log.write_text("of an earlier program\n")
    child = start_child([sys.executable, "-c", "print('a'); print('b'); raise SystemExit(7)"], log=log)
    assert child.wait(10) == 7
    assert child.tail(1) == "b"
    assert child.tail() == "a\nb"


def test_a_program_ended_by_a_signal_says_which(tmp_path: Path) -> None:
    child = start_child([sys.executable, "-c", "import os; os.kill(os.getpid(), 11)"], log=tmp_path / "log")
    assert child.wait(10) == 128 + signal.SIGSEGV


def test_a_program_that_is_not_there_gives_127_and_a_line_in_the_log(tmp_path: Path) -> None:
    child = start_child(["/no/such/program"], log=tmp_path / "log")
    assert child.wait(10) == 127
    assert "No such file" in child.tail()


def test_a_stop_is_polite_first(tmp_path: Path) -> None:
    program = (
        "import signal, time\n"
        "def end(*_): print('saved', flush=True); raise SystemExit(3)\n"
        "signal.signal(signal.SIGTERM, end); print('ready', flush=True); time.sleep(60)"
    )
    child = start_child([sys.executable, "-c", program], log=tmp_path / "log")
    assert until(lambda: "ready" in child.tail())
    assert child.stop(grace=10) == 3
    assert child.tail(1) == "saved"
    assert child.stop() == 3


def test_a_stop_ends_even_a_family_that_will_not_hear(folder: Path) -> None:
    child = start_child([sys.executable, folder / "family.py", folder, "stubborn"], log=folder / "log")
    processes = family(folder)
    started = time.monotonic()
    assert child.stop(grace=0.5) == 128 + signal.SIGKILL
    # The family itself would sleep for a minute.
    assert time.monotonic() - started < 45
    assert not any(alive(process) for process in processes)


def test_what_a_program_leaves_behind_ends_with_it(folder: Path) -> None:
    child = start_child([sys.executable, folder / "family.py", folder, "plain"], log=folder / "log")
    program, grandchild = family(folder)
    os.kill(program, signal.SIGKILL)
    assert child.wait(10) == 128 + signal.SIGKILL
    assert not alive(grandchild)


@pytest.mark.parametrize("manners", ["plain", "stubborn"])
def test_a_worker_killed_outright_takes_the_whole_family_with_it(folder: Path, manners: str) -> None:
    project = Path(__file__).parents[2]
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(folder), manners], cwd=project)
    try:
        processes = family(folder)
        assert until((folder / "holder").exists)
        assert all(alive(process) for process in processes)
        worker.kill()
        worker.wait()
        assert until(lambda: not any(alive(process) for process in processes), 8)
    finally:
        worker.kill()
        os.kill(int((folder / "holder").read_text()), signal.SIGKILL)


def test_the_program_of_a_killed_guardian_does_not_run_on(folder: Path) -> None:
    child = start_child([sys.executable, folder / "family.py", folder, "plain"], log=folder / "log")
    program, grandchild = family(folder)
    os.kill(child.pid, signal.SIGKILL)
    try:
        assert until(lambda: not alive(program))
    finally:
        os.kill(grandchild, signal.SIGKILL)
