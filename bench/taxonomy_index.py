"""How long the database's index of a taxonomy of 10,000 leaves takes from nothing, and after one commit.

Prints one JSON line. Must: 10 s and 200 ms. The leaves are of 4 KB each, of all kinds, with documents where they are
of knowledge, and came in 100 commits; the database is SQLite unless SEEDBED_TEST_DATABASE_URL names another server, on
which a database of its own is made and taken away again.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from taxonomy_repo.documents import DOCUMENT_REPOSITORY, DocumentStore
from taxonomy_repo.leaf import DocumentReference, KnowledgeSeed, Leaf, QuestionAnswer, SeedExample, write_leaf
from taxonomy_repo.store import FileChange, Person, TaxonomyStore

LEAVES = 10_000
COMMITS = 100
SEEDS = 5
SINGLE_COMMITS = 20
LIMIT_FROM_NOTHING_S = 10.0
LIMIT_AFTER_ONE_MS = 200.0
ANN = Person("Ann", "ann@example.org")
START = datetime(2026, 3, 1, tzinfo=UTC)
WORDS = (
    "boat",
    "harbour",
    "nine",
    "carried",
    "twelve",
    "sacks",
    "of",
    "peat",
    "while",
    "a",
    "wind",
    "blew",
    "over",
    "it",
)
ATTRIBUTION = b"Title of work: A log\nLink to work: https://example.org/log\nLicense of the work: CC-BY-4.0\n"


class Text:
    """Sentences of so many words, the same in every run."""

    def __init__(self, seed: object) -> None:
        self.random = random.Random(str(seed))

    def words(self, number: int) -> str:
        return " ".join(self.random.choice(WORDS) for _ in range(number)).capitalize()


def place(number: int) -> str:
    branch = "knowledge" if number % 4 == 0 else "foundational_skills" if number % 10 == 1 else "compositional_skills"
    return f"{branch}/area_{number % 20}/topic_{number // 20 % 25}/leaf_{number}"


def document_name(number: int) -> str:
    return f"area_{number % 20}/document-{number}.md"


def leaf_bytes(number: int, documents: str, edition: int = 0) -> bytes:
    """A leaf of about 4 KB; ``documents`` is the commit that a knowledge leaf's document is in."""
    text = Text((number, edition))
    if number % 4 == 0:
        seeds = tuple(
            KnowledgeSeed(
                f"{text.words(62)}.",
                tuple(
                    QuestionAnswer(f"{text.words(9)} {number} {seed} {pair}?", f"{text.words(11)}.")
                    for pair in range(3)
                ),
            )
            for seed in range(SEEDS)
        )
        reference = DocumentReference(DOCUMENT_REPOSITORY, documents, (document_name(number),))
        return write_leaf(Leaf(3, "ann", "", seeds, f"{text.words(2)}.", f"{text.words(9)}.", reference))
    grounded = number % 2 == 0
    return write_leaf(
        Leaf(
            version=3,
            created_by="ann",
            task_description=f"{text.words(20)}.",
            seed_examples=tuple(
                SeedExample(
                    f"{text.words(16)} {number} {seed}?",
                    f"{text.words(50 if grounded else 118)}.",
                    f"{text.words(64)}." if grounded else None,
                )
                for seed in range(SEEDS)
            ),
        )
    )


def fill(store: TaxonomyStore, documents: DocumentStore) -> float:
    """Put all leaves there, in commits of a hundred; their mean size in bytes."""
    store.create()
    size = 0
    each = LEAVES // COMMITS
    for commit in range(COMMITS):
        numbers = range(commit * each, (commit + 1) * each)
        texts = {document_name(n): f"# Log {n}\n\n{Text(n).words(300)}.\n".encode() for n in numbers if n % 4 == 0}
        reference = documents.add_all(texts, when=START)
        changes = []
        for number in numbers:
            data = leaf_bytes(number, reference.commit)
            size += len(data)
            changes += [
                FileChange(f"{place(number)}/qna.yaml", data, None),
                FileChange(f"{place(number)}/attribution.txt", ATTRIBUTION, None),
            ]
        store.commit(changes, author=ANN, message=f"Add {each} leaves", when=START + timedelta(minutes=commit))
    return size / LEAVES


def edits(store: TaxonomyStore, documents: DocumentStore) -> Iterator[None]:
    """One commit after another: every other one changes a leaf, the others add one."""
    head = documents.repository.head() or ""
    for number in range(SINGLE_COMMITS):
        target = number * 97 if number % 2 == 0 else LEAVES * 2 + number
        path = f"{place(target)}/qna.yaml"
        base = store.repository.blob_at(store.head() or "", path)
        change = FileChange(path, leaf_bytes(target, head, edition=1), base)
        store.commit([change], author=ANN, message="Change a leaf", when=START + timedelta(days=1, minutes=number))
        yield


@contextmanager
def database(var: Path) -> Iterator[str]:
    """Django set up on an empty database, all else of the installation in ``var``; the kind of database."""
    os.environ["SEEDBED_VAR"] = str(var)
    os.environ["DJANGO_SETTINGS_MODULE"] = "taxonomy_app.settings"
    if os.environ.get("SEEDBED_TEST_DATABASE_URL"):
        os.environ["SEEDBED_DATABASE_URL"] = os.environ["SEEDBED_TEST_DATABASE_URL"]
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(var / "index.sqlite3")  # a file, as in life
    made = setup_databases(verbosity=0, interactive=False, serialized_aliases=())
    try:
        yield connection.vendor
    finally:
        teardown_databases(made, verbosity=0)


def processor_seconds() -> float:
    """What this process and those that it started and that have ended have used of the processors."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def run(var: Path) -> dict[str, object]:
    with database(var) as vendor:
        from taxonomy_app.tree import services
        from taxonomy_app.tree.models import Leaf as Row
        from taxonomy_app.tree.models import Seed

        store, documents = services.taxonomy_store(), services.document_store()
        bytes_each = fill(store, documents)
        now = START + timedelta(days=2)
        started, used = time.perf_counter(), processor_seconds()
        result = services.index_update(now=now)
        from_nothing, on_processor = time.perf_counter() - started, processor_seconds() - used
        complete = result.leaves_written == Row.objects.present().count() == LEAVES
        complete = complete and not Row.objects.exclude(problem="").exists()
        complete = complete and Seed.objects.count() == LEAVES * SEEDS * 3 // 2
        times = []
        for _ in edits(store, documents):
            started = time.perf_counter()
            complete = services.index_update(now=now).leaves_written == 1 and complete
            times.append((time.perf_counter() - started) * 1000)
    times.sort()
    return {
        "benchmark": "taxonomy_index",
        "database": vendor,
        "leaves": LEAVES,
        "bytes_each": round(bytes_each),
        "from_nothing_s": round(from_nothing, 2),
        "from_nothing_processor_s": round(on_processor, 2),
        "limit_from_nothing_s": LIMIT_FROM_NOTHING_S,
        "after_one_commit_median_ms": round(statistics.median(times), 1),
        "after_one_commit_slowest_ms": round(times[-1], 1),
        "limit_after_one_commit_ms": LIMIT_AFTER_ONE_MS,
        "complete": complete,
        "ok": complete and from_nothing <= LIMIT_FROM_NOTHING_S and times[-1] <= LIMIT_AFTER_ONE_MS,
    }


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        results = run(Path(folder))
    print(json.dumps(results))
    return 0 if results["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
