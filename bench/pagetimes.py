"""What the benchmarks of pages share: one process for each size, asked in turn, request by request, and judged.

A benchmark gives ``main`` two functions: ``fill(size)`` makes what a size has, and ``pages(size, samples)`` says who
asks for which addresses. Each process answers a line ``[page, number]`` of its input with what that request took. The
requests go through the whole of Django by its test client, in a process that has done at its start what the web server
does (``taxonomy_app.asgi``).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

LIMIT_MS = 50.0
LIMIT_RATIO = 1.2
SIZES = {"full": 10_000, "tenth": 1_000}

# Page → who asks (a username), and as many addresses of it as there are samples.
Pages = dict[str, tuple[str, list[str]]]
Fill = Callable[[str], None]
FindPages = Callable[[str, int], Pages]
# Milliseconds on the clock, milliseconds of this processor, queries.
Taken = tuple[float, float, int]


def serve(size: str, samples: int, fill: Fill, find_pages: FindPages) -> None:
    """One size: make it, then answer each line of the input."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    from taxonomy_app import asgi
    from taxonomy_app.people.models import User

    assert asgi.application is not None  # imported for what it does at its start

    # Static files keep their own names: nothing is collected for this run.
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    fill(size)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE")
    connection.close()
    pages = find_pages(size, samples)
    clients = {name: Client() for name in {person for person, _ in pages.values()}}
    for name, client in clients.items():
        client.force_login(User.objects.get(username=name))
    print(json.dumps({"pages": list(pages), "filled_s": round(time.perf_counter() - began, 1)}), flush=True)
    queries = 0

    def count(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    with connection.execute_wrapper(count):
        for line in sys.stdin:
            page, number = json.loads(line)
            person, addresses = pages[page]
            queries = 0
            connection.close()  # as in life: a request takes its connection and gives it back
            started, processor = time.perf_counter(), time.process_time()
            answer = clients[person].get(addresses[number])
            took, used = time.perf_counter() - started, time.process_time() - processor
            if answer.status_code != 200:
                raise SystemExit(f"{addresses[number]} answered {answer.status_code}.")
            print(json.dumps([took * 1000, used * 1000, queries]), flush=True)


@contextmanager
def server(
    program: str, size: str, samples: int, folder: Path, database: str | None
) -> Iterator[subprocess.Popen[str]]:
    """The process that answers for one size."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEEDBED_")}
    environ |= {"DJANGO_SETTINGS_MODULE": "taxonomy_app.settings", "SEEDBED_VAR": str(folder / size)}
    # The name by which Django's test client asks.
    environ |= {"SEEDBED_HOSTS": "testserver", "SEEDBED_LOG_LEVEL": "ERROR"}
    if database is not None:
        environ["SEEDBED_DATABASE_URL"] = database
    command = [sys.executable, program, "--serve", size, "--samples", str(samples)]
    process = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=60)


def _answer(process: subprocess.Popen[str]) -> Any:
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit("The process that answers the requests has ended.")
    return json.loads(line)


def _ask(process: subprocess.Popen[str], page: str, number: int) -> Taken:
    assert process.stdin is not None
    process.stdin.write(json.dumps([page, number]) + "\n")
    process.stdin.flush()
    took, used, queries = _answer(process)
    return took, used, queries


def measured(program: str, samples: int, folder: Path, databases: dict[str, str | None]) -> dict[str, Any]:
    """Each page at both sizes, in turn, so that what else the machine does meets both."""
    with (
        server(program, "full", samples, folder, databases["full"]) as full,
        server(program, "tenth", samples, folder, databases["tenth"]) as tenth,
    ):
        told = {"full": _answer(full), "tenth": _answer(tenth)}
        both = {"full": full, "tenth": tenth}
        results: dict[str, Any] = {}
        for page in told["full"]["pages"]:
            taken: dict[str, list[Taken]] = {"full": [], "tenth": []}
            for process in both.values():
                _ask(process, page, 0)  # templates are parsed and indexes loaded once
            for number in range(samples):
                for size in ("full", "tenth") if number % 2 else ("tenth", "full"):
                    taken[size].append(_ask(both[size], page, number))
            results[page] = _summary(taken)
    return {"pages": results, "filled_s": {size: told[size]["filled_s"] for size in told}}


def _summary(taken: dict[str, list[Taken]]) -> dict[str, Any]:
    clock = {size: sorted(row[0] for row in rows) for size, rows in taken.items()}
    medians = {size: statistics.median(times) for size, times in clock.items()}
    processor = {size: statistics.median(row[1] for row in rows) for size, rows in taken.items()}
    p95 = clock["full"][max(int(0.95 * len(clock["full"])) - 1, 0)]
    queries = {size: max(row[2] for row in rows) for size, rows in taken.items()}
    ratio = medians["full"] / medians["tenth"]
    return {
        "p95_ms": round(p95, 1),
        "median_ms": round(medians["full"], 1),
        "processor_median_ms": round(processor["full"], 1),
        "tenth_median_ms": round(medians["tenth"], 1),
        "ratio": round(ratio, 2),
        "processor_ratio": round(processor["full"] / processor["tenth"], 2),
        "queries": queries["full"],
        "tenth_queries": queries["tenth"],
        "ok": p95 <= LIMIT_MS and ratio <= LIMIT_RATIO and queries["full"] <= queries["tenth"],
    }


@contextmanager
def postgresql(url: str, keys: Sequence[str]) -> Iterator[dict[str, str | None]]:
    """A database of our own for each key on the server of ``url``, taken away at the end."""
    import psycopg

    parts = urlsplit(url)
    names = {key: f"pages_{key}_{uuid.uuid4().hex[:8]}" for key in keys}
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names.values():
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        try:
            yield {key: urlunsplit(parts._replace(path=f"/{name}")) for key, name in names.items()}
        finally:
            for name in names.values():
                connection.execute(
                    psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(psycopg.sql.Identifier(name))
                )


def main(program: str, description: str | None, facts: dict[str, Any], fill: Fill, find_pages: FindPages) -> int:
    """The command of a benchmark: SQLite in any case, PostgreSQL where SEEDBED_TEST_DATABASE_URL names a server."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", choices=SIZES, help=argparse.SUPPRESS)
    parser.add_argument("--samples", type=int, default=60, help="requests for each page and size")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="only this one")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.samples, fill, find_pages)
        return 0
    results: dict[str, Any] = {
        "benchmark": Path(program).stem,
        **facts,
        "limit_ms": LIMIT_MS,
        "limit_ratio": LIMIT_RATIO,
        "load_before": round(os.getloadavg()[1], 1),
    }
    url = os.environ.get("SEEDBED_TEST_DATABASE_URL")
    if options.database == "postgresql" and not url:
        parser.error("name a server in SEEDBED_TEST_DATABASE_URL")
    if options.database != "postgresql":
        with tempfile.TemporaryDirectory(prefix="seedbed-bench-") as folder:
            results["sqlite"] = measured(program, options.samples, Path(folder), dict.fromkeys(SIZES))
    if url and options.database != "sqlite":
        with tempfile.TemporaryDirectory(prefix="seedbed-bench-") as folder, postgresql(url, list(SIZES)) as databases:
            results["postgresql"] = measured(program, options.samples, Path(folder), databases)
    runs = [results[name] for name in ("sqlite", "postgresql") if name in results]
    results["ok"] = all(page["ok"] for run in runs for page in run["pages"].values())
    print(json.dumps(results))
    return 0 if results["ok"] else 1
