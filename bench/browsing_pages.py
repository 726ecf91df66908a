"""How long the pages of the taxonomy take at 10,000 leaves and at a tenth of that. Prints one JSON line.

Must: 95 % of the requests for each page within 50 ms of server time (parsing the request to the rendered answer,
without the network), the same number of queries at both sizes, and a median of at most 1.2 times that at the tenth.

Both taxonomies are made here, the same in every run: real files committed to a repository and indexed as in life, as
many submissions as leaves, and 50 (5) releases with scores. Each size runs in a process of its own; the two are asked
in turn, request by request, so that what else the machine does meets both. The reader is signed in as a reviewer, who
sees most. SQLite in any case, and PostgreSQL where SEEDBED_TEST_DATABASE_URL names a server (databases of this
program's own are made on it and taken away again).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

LIMIT_MS = 50.0
LIMIT_RATIO = 1.2
SIZES = {"full": 10_000, "tenth": 1_000}
RELEASES = {"full": 50, "tenth": 5}
LEAVES_A_FOLDER = 20
SEEDS_A_LEAF = 5
SCORED_A_RELEASE = 600
# Leaves that have the word "osprey": two pages of results at both sizes.
WITH_RARE_WORD = 40
NOW = datetime(2026, 3, 1, tzinfo=UTC)
_PEOPLE = ("Ada Brook", "Bo Fern", "Cleo Moss", "Dan Reed")


# --- What is in a taxonomy of a size ----------------------------------------------------------------------


def vocabulary() -> list[str]:
    """4,000 made-up words, the first ones short."""
    sounds = ("ba", "ko", "li", "mer", "no", "pes", "ra", "sto", "tu", "vin", "wel", "za")
    words = [first + second + third for third in ("", *sounds) for first in sounds for second in sounds]
    return [*sounds, *words, *(word + end for word in words for end in ("n", "s"))][:4_000]


def leaf_path(number: int, leaves: int) -> str:
    folder = number // LEAVES_A_FOLDER
    branch = ("knowledge", "compositional_skills", "foundational_skills")[folder % 3]
    return f"{branch}/area_{folder // 3 % 10}/topic_{folder // 30}/leaf_{number}"


def leaf_text(number: int, edition: int, leaves: int, words: Sequence[str]) -> bytes:
    """A leaf of about 4 KB whose words are as frequent as in real texts (Zipf's law)."""
    from taxonomy_repo.leaf import KnowledgeSeed, Leaf, QuestionAnswer, SeedExample, write_leaf

    chance = random.Random(f"{number} {edition}")
    count = len(words)

    def some(length: int) -> str:
        return " ".join(words[int(count ** chance.random()) - 1] for _ in range(length)).capitalize() + "."

    rare = " osprey" if number % (leaves // WITH_RARE_WORD) == 0 else ""
    knowledge = leaf_path(number, leaves).startswith("knowledge/")
    if knowledge:
        # One pair a passage, as many seeds as for skills; that a good leaf has three is beside the point.
        seeds: tuple[Any, ...] = tuple(
            KnowledgeSeed(f"Water. {some(45)}", (QuestionAnswer(f"{some(12)[:-1]}?", f"{some(40)}{rare}"),))
            for _ in range(SEEDS_A_LEAF)
        )
    else:
        seeds = tuple(
            SeedExample(f"Water: {some(20)[:-1]}?", f"{some(40)}{rare}\n\n- {some(15)}\n- **{some(15)}**")
            for _ in range(SEEDS_A_LEAF)
        )
    return write_leaf(
        Leaf(
            version=3,
            created_by="ada",
            task_description="" if knowledge else some(15),
            domain="water" if knowledge else "",
            document_outline=some(15) if knowledge else "",
            seed_examples=seeds,
        )
    )


ATTRIBUTION = b"Title of work: A log\nLink to work: https://example.org/log\nLicense of the work: CC-BY-4.0\n"


def fill(size: str) -> None:
    """Commit, index and describe a taxonomy: everything that the pages read."""
    from taxonomy_app.tree import services
    from taxonomy_app.tree.similarity.vectors import vectors_update
    from taxonomy_repo.store import FileChange, Person

    leaves, words = SIZES[size], vocabulary()
    store = services.taxonomy_store()
    store.create()
    services.document_store().create()
    for part in range(10):
        numbers = range(part * leaves // 10, (part + 1) * leaves // 10)
        changes = []
        for number in numbers:
            path = leaf_path(number, leaves)
            changes.append(FileChange(f"{path}/qna.yaml", leaf_text(number, 1, leaves, words), None))
            changes.append(FileChange(f"{path}/attribution.txt", ATTRIBUTION, None))
        author = Person(_PEOPLE[part % 4], f"{_PEOPLE[part % 4].split()[0].lower()}@example.org")
        store.commit(changes, author=author, message=f"Add part {part}", when=NOW + timedelta(hours=part))
    head = store.head() or ""
    second = []
    for number in range(0, leaves, leaves // 100):
        path = f"{leaf_path(number, leaves)}/qna.yaml"
        before = store.repository.blob_at(head, path)
        second.append(FileChange(path, leaf_text(number, 2, leaves, words), before))
    store.commit(
        second, author=Person("Cleo Moss", "cleo@example.org"), message="Say more", when=NOW + timedelta(days=1)
    )
    services.index_update(now=NOW)
    vectors_update(now=NOW)
    _people_and_submissions(size)
    _releases(size)


def _people_and_submissions(size: str) -> None:
    from taxonomy_app.contributions.models import Submission
    from taxonomy_app.people.models import User
    from taxonomy_app.tree.models import Leaf

    people = [
        User.objects.create_user(name.split()[0].lower(), f"{name.split()[0].lower()}@example.org", name=name)
        for name in _PEOPLE
    ]
    User.objects.create_user("reader", "reader@example.org", name="Rea Der", role="reviewer")
    Submission.objects.bulk_create(
        (
            Submission(
                author=people[number % 4],
                kind=leaf.kind,
                path=leaf.path,
                branch=leaf.branch,
                leaf_id=leaf.leaf_id,
                state="submitted" if number % 10 == 0 else "committed",
                created_at=NOW,
                submitted_at=NOW,
                updated_at=NOW,
            )
            for number, leaf in enumerate(Leaf.objects.order_by("pk"))
        ),
        batch_size=500,
    )


def _releases(size: str) -> None:
    from taxonomy_app.people.models import User
    from taxonomy_app.releases.forgetting import METRIC
    from taxonomy_app.releases.models import LeafComparison, LeafScore, Release, Subject
    from taxonomy_app.rounds.models import Round
    from taxonomy_app.tree.models import Leaf

    owner, leaves = User.objects.get(username="ada"), list(Leaf.objects.order_by("pk"))
    for number in range(1, RELEASES[size] + 1):
        made = Round.objects.create(
            number=number,
            title=f"Round {number}",
            plan={},
            plan_hash=f"{number:064}",
            taxonomy_commit="c" * 40,
            state="done",
            created_by=owner,
            created_at=NOW,
            started_at=NOW,
            ended_at=NOW,
        )
        release = Release.objects.create(
            number=number,
            name=f"Release {number}",
            round=made,
            student_artifact=f"student-{number}",
            taxonomy_commit="c" * 40,
            plan_hash=f"{number:064}",
            state="published",
            created_at=NOW,
        )
        chosen = [leaves[(number * SCORED_A_RELEASE // 3 + at) % len(leaves)] for at in range(SCORED_A_RELEASE)]
        LeafScore.objects.bulk_create(
            (
                LeafScore(
                    release=release,
                    leaf_id=leaf.leaf_id,
                    path=leaf.path,
                    metric=METRIC,
                    subject=subject,
                    mean=-2.0 + 0.3 * at,
                    n=5,
                )
                for leaf in chosen
                for at, subject in enumerate((Subject.BEFORE, Subject.AFTER))
            ),
            batch_size=500,
        )
        LeafComparison.objects.bulk_create(
            (
                LeafComparison(
                    release=release,
                    leaf_id=leaf.leaf_id,
                    path=leaf.path,
                    metric=METRIC,
                    first=Subject.BEFORE,
                    second=Subject.AFTER,
                    n=5,
                    difference=0.3,
                    low=0.1,
                    high=0.5,
                    method="paired",
                )
                for leaf in chosen
            ),
            batch_size=500,
        )


# --- The pages ------------------------------------------------------------------------------------------------


def pages(size: str, samples: int) -> dict[str, list[str]]:
    """Page → as many addresses of it as there are samples, spread over the taxonomy."""
    from django.urls import reverse

    from taxonomy_app.tree.models import Leaf, LeafVersion

    leaves = SIZES[size]
    spread = list(Leaf.objects.order_by("pk"))[7 :: max(leaves // samples, 1)][:samples]
    changed = list(LeafVersion.objects.filter(kind="modified").select_related("leaf").order_by("pk"))
    home, folder, where = reverse("tree:home"), reverse("tree:folder"), reverse("tree:places")

    def asked(**fields: str) -> str:
        return f"{home}?{urlencode(fields)}"

    each = range(len(spread))
    return {
        "tree": [home for _ in each],
        "folder": [asked(at=leaf.folder) for leaf in spread],
        "folder opened": [f"{folder}?{urlencode({'path': leaf.folder})}" for leaf in spread],
        "search, few leaves": [asked(q="osprey water", page=str(1 + at % 2)) for at in each],
        "search, every leaf": [asked(q=f"water {('bako', 'koli', 'limer')[at % 3]}") for at in each],
        "search, narrowed": [
            asked(q="water", place=leaf.path.rpartition("/")[0], author="ada", kind=leaf.kind) for leaf in spread
        ],
        "search, by state": [asked(state="open", branch=leaf.branch) for leaf in spread],
        "leaf": [leaf.get_absolute_url() for leaf in spread],
        "history": [reverse("tree:history", args=[leaf.leaf_id]) for leaf in spread],
        "change": [changed[at % len(changed)].get_absolute_url() for at in each],
        "related leaves": [reverse("tree:related", args=[leaf.leaf_id]) for leaf in spread],
        "where it belongs": [f"{where}?{urlencode({'text': leaf.task_description or leaf.title})}" for leaf in spread],
    }


def serve(size: str, samples: int) -> None:
    """One size: make it, then answer each line (``page number``) of the input with what the request took."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    # Static files keep their own names: nothing is collected for this run.
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    call_command("migrate", verbosity=0)
    began = time.perf_counter()
    fill(size)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    from taxonomy_app.people.models import User

    client = Client()
    client.force_login(User.objects.get(username="reader"))
    addresses = pages(size, samples)
    print(json.dumps({"pages": list(addresses), "filled_s": round(time.perf_counter() - began, 1)}), flush=True)
    queries = 0

    def count(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    with connection.execute_wrapper(count):
        for line in sys.stdin:
            page, number = json.loads(line)
            queries = 0
            connection.close()  # as in life: a request opens its own (CONN_MAX_AGE is 0)
            started, processor = time.perf_counter(), time.process_time()
            answer = client.get(addresses[page][number])
            took, used = time.perf_counter() - started, time.process_time() - processor
            if answer.status_code != 200:
                raise SystemExit(f"{addresses[page][number]} answered {answer.status_code}.")
            print(json.dumps([took * 1000, used * 1000, queries]), flush=True)


# --- The run --------------------------------------------------------------------------------------------------


@contextmanager
def server(size: str, samples: int, folder: Path, database: str | None) -> Iterator[subprocess.Popen[str]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEEDBED_")}
    environ |= {"DJANGO_SETTINGS_MODULE": "taxonomy_app.settings", "SEEDBED_VAR": str(folder / size)}
    # The name by which Django's test client asks.
    environ |= {"SEEDBED_HOSTS": "testserver", "SEEDBED_LOG_LEVEL": "ERROR"}
    if database is not None:
        environ["SEEDBED_DATABASE_URL"] = database
    command = [sys.executable, __file__, "--serve", size, "--samples", str(samples)]
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


def _ask(process: subprocess.Popen[str], page: str, number: int) -> tuple[float, float, int]:
    assert process.stdin is not None
    process.stdin.write(json.dumps([page, number]) + "\n")
    process.stdin.flush()
    took, used, queries = _answer(process)
    return took, used, queries


def measured(samples: int, folder: Path, databases: dict[str, str | None]) -> dict[str, Any]:
    """Each page at both sizes, in turn."""
    with (
        server("full", samples, folder, databases["full"]) as full,
        server("tenth", samples, folder, databases["tenth"]) as tenth,
    ):
        told = {"full": _answer(full), "tenth": _answer(tenth)}
        both = {"full": full, "tenth": tenth}
        results: dict[str, Any] = {}
        for page in told["full"]["pages"]:
            taken: dict[str, list[tuple[float, float, int]]] = {"full": [], "tenth": []}
            for process in both.values():
                _ask(process, page, 0)  # templates are parsed and indexes loaded once
            for number in range(samples):
                for size in ("full", "tenth") if number % 2 else ("tenth", "full"):
                    taken[size].append(_ask(both[size], page, number))
            results[page] = _summary(taken)
    return {"pages": results, "filled_s": {size: told[size]["filled_s"] for size in told}}


def _summary(taken: dict[str, list[tuple[float, float, int]]]) -> dict[str, Any]:
    clock = {size: sorted(row[0] for row in rows) for size, rows in taken.items()}
    medians = {size: statistics.median(times) for size, times in clock.items()}
    p95 = clock["full"][max(int(0.95 * len(clock["full"])) - 1, 0)]
    queries = {size: sorted({row[2] for row in rows}) for size, rows in taken.items()}
    ratio = medians["full"] / medians["tenth"]
    return {
        "p95_ms": round(p95, 1),
        "median_ms": round(medians["full"], 1),
        "processor_median_ms": round(statistics.median(row[1] for row in taken["full"]), 1),
        "tenth_median_ms": round(medians["tenth"], 1),
        "ratio": round(ratio, 2),
        "queries": max(queries["full"]),
        "tenth_queries": max(queries["tenth"]),
        "ok": p95 <= LIMIT_MS and ratio <= LIMIT_RATIO and max(queries["full"]) <= max(queries["tenth"]),
    }


@contextmanager
def postgresql(url: str) -> Iterator[dict[str, str | None]]:
    """Two databases of our own on the server of ``url``, taken away at the end."""
    import psycopg

    parts = urlsplit(url)
    names = {size: f"seedbed_browsing_{size}_{uuid.uuid4().hex[:8]}" for size in SIZES}
    with psycopg.connect(url, autocommit=True) as connection:
        for name in names.values():
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        try:
            yield {size: urlunsplit(parts._replace(path=f"/{name}")) for size, name in names.items()}
        finally:
            for name in names.values():
                connection.execute(
                    psycopg.sql.SQL("DROP DATABASE {} WITH (FORCE)").format(psycopg.sql.Identifier(name))
                )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", choices=SIZES, help=argparse.SUPPRESS)
    parser.add_argument("--samples", type=int, default=60, help="requests for each page and size")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="only this one")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.samples)
        return 0
    results: dict[str, Any] = {
        "benchmark": "browsing_pages",
        "leaves": SIZES["full"],
        "seeds": SIZES["full"] * SEEDS_A_LEAF,
        "limit_ms": LIMIT_MS,
        "limit_ratio": LIMIT_RATIO,
        "load_before": round(os.getloadavg()[1], 1),
    }
    url = os.environ.get("SEEDBED_TEST_DATABASE_URL")
    if options.database != "postgresql":
        with tempfile.TemporaryDirectory(prefix="seedbed-bench-") as folder:
            results["sqlite"] = measured(options.samples, Path(folder), {"full": None, "tenth": None})
    if url and options.database != "sqlite":
        with tempfile.TemporaryDirectory(prefix="seedbed-bench-") as folder, postgresql(url) as databases:
            results["postgresql"] = measured(options.samples, Path(folder), databases)
    runs = [results[name] for name in ("sqlite", "postgresql") if name in results]
    results["ok"] = all(page["ok"] for run in runs for page in run["pages"].values())
    print(json.dumps(results))
    return 0 if results["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
