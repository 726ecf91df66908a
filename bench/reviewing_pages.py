"""How long the pages of contributors and reviewers take with 10,000 submissions and with a tenth. Prints one JSON line.

Must: 95 % of the requests for each page within 50 ms of server time (parsing the request to the rendered answer,
without the network), the same number of queries at both sizes, and a median of at most 1.2 times that at the tenth.

Each size has as many leaves as submissions in its index, five seeds a leaf, and runs in a process of its own; the two
are asked in turn, so that what else the machine does meets both. A hundred leaves and the submissions that are opened
have real files; the other rows are made for the lists. SQLite, as the installation on one machine has it.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

LIMIT_MS = 50.0
LIMIT_RATIO = 1.2
SIZES = {"full": 10_000, "tenth": 1_000}
SEEDS_A_LEAF = 5
OPENED = 100
AUTHORS = 40
NOW = datetime(2026, 3, 1, tzinfo=UTC)
STATES = ("submitted", "changes_requested", "committed", "committed", "rejected")
WORDS = [
    a + b + c for a in ("ba", "ko", "li", "mer", "no") for b in ("pes", "ra", "sto", "tu") for c in ("", "n", "wel")
]


def text(chance: random.Random, length: int) -> str:
    return " ".join(chance.choice(WORDS) for _ in range(length)).capitalize()


def leaf_bytes(number: int, edition: int = 1) -> bytes:
    from taxonomy_repo.leaf import Leaf, SeedExample, write_leaf

    chance = random.Random(f"{number} {edition}")
    seeds = tuple(SeedExample(f"{text(chance, 14)}?", f"{text(chance, 40)}.") for _ in range(SEEDS_A_LEAF))
    return write_leaf(Leaf(version=3, created_by="ada", task_description=text(chance, 12), seed_examples=seeds))


ATTRIBUTION = (
    "Title of work: A log\nLink to work: https://example.org/log\nLicense of the work: CC-BY-4.0\n"
    "Creator names: Ada Brook\n"
)


def fill(size: str) -> None:
    """Leaves with their seeds, and as many submissions with a revision, a decision's event and a comment each."""
    from taxonomy_app.contributions.models import Comment, Revision, Submission, SubmissionEvent, SubmissionText
    from taxonomy_app.people.models import User
    from taxonomy_app.tree import services
    from taxonomy_app.tree.models import Leaf, Seed
    from taxonomy_repo.store import FileChange, Person

    count = SIZES[size]
    authors = [
        User.objects.create_user(f"author{number}", f"a{number}@example.org", name=f"Author {number}")
        for number in range(AUTHORS)
    ]
    reviewer = User.objects.create_user("reader", "reader@example.org", name="Rea Der", role="reviewer")
    store = services.taxonomy_store()
    store.create()
    services.document_store().create()
    store.commit(
        [FileChange(f"{place(number)}/qna.yaml", leaf_bytes(number), None) for number in range(OPENED)],
        author=Person("Ada Brook", "ada@example.org"),
        message="Add leaves",
        when=NOW,
    )
    services.index_update(now=NOW)
    rest = range(OPENED, count)
    Leaf.objects.bulk_create((_leaf(number) for number in rest), batch_size=500)
    made = Leaf.objects.filter(changed_commit="made").order_by("pk").values_list("pk", flat=True)
    Seed.objects.bulk_create(
        (
            Seed(leaf_id=pk, position=at, group=at, fingerprint=f"{pk * 8 + at:016x}", question=question, answer=answer)
            for pk, number in zip(made, rest, strict=True)
            for at, (question, answer) in enumerate(_pairs(number))
        ),
        batch_size=1000,
    )
    real = {leaf.path: leaf for leaf in Leaf.objects.filter(path__in=[place(number) for number in range(OPENED)])}
    submissions = Submission.objects.bulk_create(
        (
            Submission(
                author=authors[number % AUTHORS],
                kind="freeform",
                path=place(number),
                branch="compositional_skills",
                summary=text(random.Random(number), 12),
                seed_count=SEEDS_A_LEAF,
                state="submitted" if number < OPENED else STATES[number % len(STATES)],
                leaf_id=real[place(number)].leaf_id if place(number) in real else None,
                improves=place(number) in real,
                claimed_by=reviewer if number % 7 == 0 else None,
                claimed_at=NOW,
                created_at=NOW,
                submitted_at=NOW + timedelta(seconds=number),
                updated_at=NOW + timedelta(seconds=number),
            )
            for number in range(count)
        ),
        batch_size=500,
    )
    SubmissionText.objects.bulk_create((SubmissionText.of(one) for one in submissions), batch_size=500)
    Revision.objects.bulk_create(
        (
            Revision(
                submission=submission,
                number=1,
                path=submission.path,
                # Of those that are opened one seed in five differs from what is in the taxonomy.
                qna=leaf_bytes(number).decode().replace("?", ", please?", 1),
                attribution=ATTRIBUTION,
                base_blob=real[submission.path].blob if submission.path in real else "",
                signed_off_as="Ada Brook <ada@example.org>",
                signed_off_at=NOW,
            )
            for number, submission in enumerate(submissions)
        ),
        batch_size=500,
    )
    SubmissionEvent.objects.bulk_create(
        (
            SubmissionEvent(submission=one, kind=kind, person=one.author, revision_number=1, at=NOW)
            for one in submissions
            for kind in ("submitted", "claimed")
        ),
        batch_size=500,
    )
    Comment.objects.bulk_create(
        (
            Comment(submission=one, revision_number=1, seed_position=2, author=reviewer, text="Is it so?", at=NOW)
            for one in submissions
        ),
        batch_size=500,
    )


def place(number: int) -> str:
    return f"compositional_skills/area_{number % 20}/topic_{number // 20 % 25}/leaf_{number}"


def _pairs(number: int) -> list[tuple[str, str]]:
    chance = random.Random(f"{number} 1")
    return [(f"{text(chance, 14)}?", f"{text(chance, 40)}.") for _ in range(SEEDS_A_LEAF)]


def _leaf(number: int) -> Any:
    from taxonomy_app.tree.models import Leaf

    path = place(number)
    return Leaf(
        leaf_id=uuid.UUID(int=number),
        path=path,
        folder=path.rpartition("/")[0],
        branch="compositional_skills",
        kind="freeform",
        name=f"leaf_{number}",
        task_description=text(random.Random(number), 12),
        blob=f"{number:040x}",
        seed_count=SEEDS_A_LEAF,
        added_commit="made",
        changed_commit="made",
        added_at=NOW,
        changed_at=NOW,
    )


def pages(samples: int) -> dict[str, tuple[str, list[str]]]:
    """Page → who asks, and as many addresses of it as there are samples."""
    from django.urls import reverse

    from taxonomy_app.contributions.models import Submission

    queue, mine = reverse("contributions:queue"), reverse("contributions:mine")
    opened = list(Submission.objects.order_by("pk").values_list("pk", flat=True)[:OPENED])
    each = [opened[at % len(opened)] for at in range(samples)]
    return {
        "queue": ("reader", [queue for _ in each]),
        "queue, a later page": ("reader", [f"{queue}?page={2 + at % 3}" for at in range(samples)]),
        "queue, all by place": ("reader", [f"{queue}?state=all&sort=place" for _ in each]),
        "queue, words": ("reader", [f"{queue}?state=all&q={WORDS[at % 9]}" for at in range(samples)]),
        "queue, one author": ("reader", [f"{queue}?state=all&author=author{at % AUTHORS}" for at in range(samples)]),
        "desk": ("reader", [reverse("contributions:review", args=[pk]) for pk in each]),
        "desk, similar seeds": ("reader", [reverse("contributions:alike", args=[pk]) for pk in each]),
        "submission": ("author0", [reverse("contributions:submission", args=[opened[0]]) for _ in each]),
        "my contributions": ("author0", [mine for _ in each]),
        "start page": ("reader", ["/" for _ in each]),
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
    fill(size)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    from taxonomy_app.people.models import User

    clients = {name: Client() for name in ("reader", "author0")}
    for name, client in clients.items():
        client.force_login(User.objects.get(username=name))
    addresses = pages(samples)
    print(json.dumps(list(addresses)), flush=True)
    queries = 0

    def count(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    with connection.execute_wrapper(count):
        for line in sys.stdin:
            page, number = json.loads(line)
            person, list_of = addresses[page]
            queries = 0
            connection.close()  # as in life: a request opens its own (CONN_MAX_AGE is 0)
            started = time.perf_counter()
            answer = clients[person].get(list_of[number])
            took = time.perf_counter() - started
            if answer.status_code != 200:
                raise SystemExit(f"{list_of[number]} answered {answer.status_code}.")
            print(json.dumps([took * 1000, queries]), flush=True)


@contextmanager
def server(size: str, samples: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SEEDBED_")}
    environ |= {"DJANGO_SETTINGS_MODULE": "taxonomy_app.settings", "SEEDBED_VAR": str(folder / size)}
    # The name by which Django's test client asks.
    environ |= {"SEEDBED_HOSTS": "testserver", "SEEDBED_LOG_LEVEL": "ERROR"}
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


def _ask(process: subprocess.Popen[str], page: str, number: int) -> tuple[float, int]:
    assert process.stdin is not None
    process.stdin.write(json.dumps([page, number]) + "\n")
    process.stdin.flush()
    took, queries = _answer(process)
    return took, queries


def measured(samples: int) -> dict[str, Any]:
    """Each page at both sizes, in turn."""
    with (
        tempfile.TemporaryDirectory(prefix="seedbed-bench-") as folder,
        server("full", samples, Path(folder)) as full,
        server("tenth", samples, Path(folder)) as tenth,
    ):
        names = _answer(full)
        _answer(tenth)
        both = {"full": full, "tenth": tenth}
        results: dict[str, Any] = {}
        for page in names:
            for process in both.values():
                _ask(process, page, 0)  # templates are parsed once
            taken: dict[str, list[tuple[float, int]]] = {"full": [], "tenth": []}
            for number in range(samples):
                for size in ("full", "tenth") if number % 2 else ("tenth", "full"):
                    taken[size].append(_ask(both[size], page, number))
            results[page] = _summary(taken)
    return results


def _summary(taken: dict[str, list[tuple[float, int]]]) -> dict[str, Any]:
    clock = {size: sorted(took for took, _ in rows) for size, rows in taken.items()}
    medians = {size: statistics.median(times) for size, times in clock.items()}
    p95 = clock["full"][max(int(0.95 * len(clock["full"])) - 1, 0)]
    queries = {size: max(count for _, count in rows) for size, rows in taken.items()}
    ratio = medians["full"] / medians["tenth"]
    return {
        "p95_ms": round(p95, 1),
        "median_ms": round(medians["full"], 1),
        "tenth_median_ms": round(medians["tenth"], 1),
        "ratio": round(ratio, 2),
        "queries": queries["full"],
        "tenth_queries": queries["tenth"],
        "ok": p95 <= LIMIT_MS and ratio <= LIMIT_RATIO and queries["full"] <= queries["tenth"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--serve", choices=SIZES, help=argparse.SUPPRESS)
    parser.add_argument("--samples", type=int, default=60, help="requests for each page and size")
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.samples)
        return 0
    load = round(os.getloadavg()[1], 1)
    results = measured(options.samples)
    told = {
        "benchmark": "reviewing_pages",
        "submissions": SIZES["full"],
        "leaves": SIZES["full"],
        "seeds": SIZES["full"] * SEEDS_A_LEAF,
        "limit_ms": LIMIT_MS,
        "limit_ratio": LIMIT_RATIO,
        "load_before": load,
        "pages": results,
        "ok": all(page["ok"] for page in results.values()),
    }
    print(json.dumps(told))
    return 0 if told["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
