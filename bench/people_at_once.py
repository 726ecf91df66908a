"""200 simulated people who write and review at once on a site of their own. Prints one JSON line.

Must: no request fails, 95 % of the requests for each page within 200 ms as the person's side of the network (loopback)
measures it, and everything that was approved gets into the taxonomy. 150 write, 50 review; what each does and how
long they think is at the head of ``locustfile.py``. They are signed in already: nobody signs in twice a day.

The site is started as ``make run`` starts it (``deploy.supervisor``: web server, workers, beat, the carried Redis) in a
folder that goes afterwards, with the taxonomy of ``browsing_pages.py`` (10,000 leaves) and a thousand submissions that
wait. SQLite, or PostgreSQL with ``--database postgresql`` and SEEDBED_TEST_DATABASE_URL.

Locust is not among the project's packages: it replaces sockets and threads of the process that imports it (gevent) and
brings a web server. It gets an environment of its own, ``var/bench/locust``, from ``bench/locust.lock``.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "bench")]

LIMIT_MS = 200.0
AUTHORS, REVIEWERS, WAITING = 150, 50, 1_000
DRAIN_SECONDS = 120.0
LOCK = PROJECT / "bench" / "locust.lock"


# --- The site -------------------------------------------------------------------------------------------------


def fill(size: str, people: Path) -> None:
    """The taxonomy, the people with their sessions and first drafts, and what waits for review."""
    import django

    django.setup()
    import browsing_pages
    import reviewing_pages
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command

    from taxonomy_app.contributions import services
    from taxonomy_app.contributions.models import Revision, Submission, SubmissionEvent, SubmissionText
    from taxonomy_app.people.models import User

    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    browsing_pages.fill(size)
    # Its submissions are rows for lists, without a file that could be reviewed.
    Submission.objects.update(state="committed")
    now = datetime.now(UTC)

    def person(name: str, role: str) -> tuple[Any, dict[str, Any]]:
        user = User.objects.create_user(name, f"{name}@example.org", name=name.title(), role=role)
        session = SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        return user, {"name": name, "session": session.session_key}

    told: dict[str, list[Any]] = {"authors": [], "reviewers": [], "words": reviewing_pages.WORDS}
    authors = []
    for number in range(AUTHORS):
        user, row = person(f"author{number}", "contributor")
        draft = services.draft_create(
            author=user, kind="freeform", path=f"compositional_skills/people/author{number}_0", now=now
        )
        told["authors"].append(row | {"draft": draft.get_absolute_url()})
        authors.append(user)
    told["reviewers"] = [person(f"reviewer{number}", "reviewer")[1] for number in range(REVIEWERS)]
    submissions = Submission.objects.bulk_create(
        (
            Submission(
                author=authors[number % AUTHORS],
                kind="freeform",
                path=f"compositional_skills/waiting/leaf_{number}",
                branch="compositional_skills",
                summary=f"Leaf {number}",
                seed_count=reviewing_pages.SEEDS_A_LEAF,
                created_at=now,
                submitted_at=now,
                updated_at=now,
            )
            for number in range(WAITING)
        ),
        batch_size=500,
    )
    SubmissionText.objects.bulk_create((SubmissionText.of(one) for one in submissions), batch_size=500)
    Revision.objects.bulk_create(
        (
            Revision(
                submission=one,
                number=1,
                path=one.path,
                qna=reviewing_pages.leaf_bytes(number).decode(),
                attribution=reviewing_pages.ATTRIBUTION,
                signed_off_as=services.identity(one.author),
                signed_off_at=now,
            )
            for number, one in enumerate(submissions)
        ),
        batch_size=500,
    )
    SubmissionEvent.objects.bulk_create(
        (
            SubmissionEvent(submission=one, kind="submitted", person=one.author, revision_number=1, at=now)
            for one in submissions
        ),
        batch_size=500,
    )
    people.write_text(json.dumps(told), encoding="utf-8")


def outcome() -> dict[str, int]:
    """What of the approved has reached the taxonomy."""
    import django

    django.setup()
    from taxonomy_app.contributions.models import Decision, PendingCommit, Submission
    from taxonomy_app.tree.models import Leaf

    pending = PendingCommit.objects.all()
    return {
        "approved": Decision.objects.filter(verdict="approve").count(),
        "waiting": pending.filter(state="waiting").count(),
        "conflicts": pending.filter(state="conflict").count(),
        "committed": pending.filter(state="done").count(),
        "indexed": Leaf.objects.present().filter(path__startswith="compositional_skills/waiting/").count()
        + Leaf.objects.present().filter(path__startswith="compositional_skills/people/").count(),
        "submitted": Submission.objects.filter(path__startswith="compositional_skills/people/").count(),
    }


def _this(step: str, environ: dict[str, str], *arguments: str) -> str:
    """A step of this program in a process of its own, which has the site's settings."""
    command = [sys.executable, __file__, "--step", step, *arguments]
    return subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True, cwd=PROJECT).stdout


@contextlib.contextmanager
def site(environ: dict[str, str], log: Path) -> Iterator[str]:
    """Everything that ``make run`` starts, until the end of the block; its address."""
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "deploy.supervisor"],
            env=environ,
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                yield json.loads(line)["address"].rstrip("/")
                break
        else:
            raise SystemExit(f"The site did not start: {log.read_text()}")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- The people ---------------------------------------------------------------------------------------------


def locust() -> Path:
    """The program, in an environment that is made at the first call and when its lock has changed."""
    folder = PROJECT / "var" / "bench" / "locust"
    made = folder / "made-from.lock"
    if not made.exists() or made.read_bytes() != LOCK.read_bytes():
        venv.EnvBuilder(with_pip=True, clear=True).create(folder)
        subprocess.run([folder / "bin" / "pip", "install", "-q", "-r", LOCK], check=True, stdout=sys.stderr)
        made.write_bytes(LOCK.read_bytes())
    return folder / "bin" / "locust"


def people(address: str, seconds: int, folder: Path, environ: dict[str, str]) -> list[dict[str, Any]]:
    """All of them at work for so long: locust's statistics, a row for each page and method."""
    command = [str(locust()), "-f", str(PROJECT / "bench" / "locustfile.py"), "--host", address, "--headless"]
    command += ["-u", str(AUTHORS + REVIEWERS), "-r", "20", "--run-time", f"{seconds}s", "--stop-timeout", "10"]
    command += ["--json", "--only-summary", "--loglevel", "WARNING"]
    run = subprocess.run(
        command,
        env=environ | {"SEEDBED_BENCH_COUNTED": str(folder / "counted.json")},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    rows: list[dict[str, Any]] = json.loads(run.stdout)
    return rows


def _p95(times: dict[str, int]) -> float:
    """The 95th percentile of locust's counted times (milliseconds, rounded to two digits from 100 on)."""
    left = 0.95 * sum(times.values())
    for time_ms, count in sorted((float(key), count) for key, count in times.items()):
        left -= count
        if left <= 0:
            return time_ms
    raise SystemExit("Nobody asked for anything.")


def _summary(rows: list[dict[str, Any]], seconds: int) -> dict[str, Any]:
    pages: dict[str, dict[str, Any]] = {}
    together: dict[str, int] = {}
    for row in rows:
        for key, count in row["response_times"].items():
            together[key] = together.get(key, 0) + count
        name = row["name"] if row["name"] not in pages else f"{row['name']} ({row['method']})"
        pages[name] = {
            "requests": row["num_requests"],
            "errors": row["num_failures"],
            "p95_ms": _p95(row["response_times"]),
        }
    requests = sum(page["requests"] for page in pages.values())
    return {
        "requests": requests,
        "requests_per_second": round(requests / seconds, 1),
        "errors": sum(page["errors"] for page in pages.values()),
        "p95_ms": _p95(together),
        "pages": pages,
    }


# --- The run --------------------------------------------------------------------------------------------------


def measured(options: argparse.Namespace, folder: Path, database: str | None) -> dict[str, Any]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEEDBED_")}
    environ |= {
        "DJANGO_SETTINGS_MODULE": "taxonomy_app.settings",
        "SEEDBED_VAR": str(folder / "var"),
        "SEEDBED_PORT": str(_free_port()),
        "SEEDBED_LOG_LEVEL": "WARNING",
        "SEEDBED_BENCH_PEOPLE": str(folder / "people.json"),
    }
    if options.web_processes:
        environ["SEEDBED_WEB_PROCESSES"] = str(options.web_processes)
    if database is not None:
        environ["SEEDBED_DATABASE_URL"] = database
    _this("fill", environ, "--size", options.size)
    with site(environ, folder / "supervisor.log") as address:
        rows = people(address, options.seconds, folder, environ)
        until = time.monotonic() + DRAIN_SECONDS
        while (found := json.loads(_this("outcome", environ)))["waiting"] and time.monotonic() < until:
            time.sleep(2)
    told = _summary(rows, options.seconds)
    log = (folder / "var" / "log" / "web.log").read_text("utf-8", "replace")
    counted = json.loads((folder / "counted.json").read_text("utf-8"))["approved"]
    told |= {"outcome": found, "tracebacks": log.count("Traceback (most recent call last)")}
    if options.keep_log:
        Path(options.keep_log).write_text(log, "utf-8")
    whole = found["waiting"] == found["conflicts"] == 0 and found["committed"] == found["indexed"] == found["approved"]
    slow = [name for name, page in told["pages"].items() if page["p95_ms"] > LIMIT_MS]
    told["ok"] = (
        not told["errors"] and not told["tracebacks"] and not slow and whole and 0 < counted <= found["approved"]
    )
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--step", choices=("fill", "outcome"), help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=int, default=180, help="how long the people are at work")
    parser.add_argument("--size", choices=("full", "tenth"), default="full", help="10,000 or 1,000 leaves")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--web-processes", type=int, help="instead of what the supervisor chooses")
    parser.add_argument("--keep-log", help="a file for the web server's log")
    options = parser.parse_args()
    if options.step == "fill":
        fill(options.size, Path(os.environ["SEEDBED_BENCH_PEOPLE"]))
        return 0
    if options.step == "outcome":
        print(json.dumps(outcome()))
        return 0
    results: dict[str, Any] = {
        "benchmark": "people_at_once",
        "people": AUTHORS + REVIEWERS,
        "authors": AUTHORS,
        "reviewers": REVIEWERS,
        "seconds": options.seconds,
        "database": options.database,
        "limit_ms": LIMIT_MS,
        "load_before": round(os.getloadavg()[1], 1),
    }
    # Short, because a Redis socket lies in it.
    with tempfile.TemporaryDirectory(prefix="seedbed-people-", dir="/tmp") as name, contextlib.ExitStack() as stack:
        database = None
        if options.database == "postgresql":
            from pagetimes import postgresql

            database = stack.enter_context(postgresql(os.environ["SEEDBED_TEST_DATABASE_URL"], ("people",)))["people"]
        results |= measured(options, Path(name), database)
    print(json.dumps(results))
    return 0 if results["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
