"""How long approved leaves take from the outbox into a taxonomy of 10,000, with eight runs at once. One JSON line.

Must: 50 ms each, none lost, none twice. Counted from the start of the runs, with everything that belongs to it: the
lease, the commit, the marks in the database and the index brought forward. Leaves and database as in taxonomy_index.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import taxonomy_index  # beside this file; it also makes the project importable

AT_ONCE = 8
APPROVED = 80
LIMIT_MS = 50.0
RUN_AT = taxonomy_index.START + timedelta(days=2)


def approve_all() -> None:
    """Fill the outbox through the services that people's pages use."""
    from taxonomy_app.contributions import deciding
    from taxonomy_app.people.models import User
    from tests.taxonomy_app.contributions.making import approve, make_submission, skill_form

    deciding.outbox_send = lambda: None  # it runs when this program says so
    author = User.objects.create_user("ann", "ann@example.org", "a-long-password", name="Ann", role="contributor")
    reviewer = User.objects.create_user("bo", "bo@example.org", "a-long-password", name="Bo", role="reviewer")
    for number in range(APPROVED):
        path = f"compositional_skills/area_{number % 20}/approved/leaf_{number}"
        form = skill_form(task=f"Make riddle number {number} about a plant.")
        approve(make_submission(author, now=taxonomy_index.START, path=path, form=form), reviewer, now=RUN_AT)


def run_at_once() -> tuple[float, int]:
    """Run the outbox in eight processes at the same moment; milliseconds for each leaf, and processes that failed."""
    from django.db import connections

    from taxonomy_app.contributions.outbox import outbox_run

    connections.close_all()
    waiting, go = os.pipe()
    children = []
    for _ in range(AT_ONCE):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(go)
                os.read(waiting, 1)  # returns when the parent closes its end
                status = 1 if outbox_run(now=RUN_AT).failed else 0
            finally:
                os._exit(status)
        children.append(child)
    started = time.perf_counter()
    os.close(go)
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    return (time.perf_counter() - started) * 1000 / APPROVED, failed


def run(var: Path) -> dict[str, object]:
    with taxonomy_index.database(var) as vendor:
        from taxonomy_app.contributions.models import PendingCommit, State, Submission
        from taxonomy_app.tree import services
        from taxonomy_app.tree.models import Leaf

        store = services.taxonomy_store()
        taxonomy_index.fill(store, services.document_store())
        services.index_update(now=taxonomy_index.START)
        approve_all()
        each, failed = run_at_once()
        log = ["git", "-C", str(store.repository.path), "log", f"-{2 * APPROVED}"]
        told = subprocess.run(
            [*log, "--format=%(trailers:key=Submission,valueonly,separator=)", "main"],
            check=True,
            capture_output=True,
            text=True,
        )
        made = Counter(told.stdout.split())
        done = PendingCommit.objects.filter(state=PendingCommit.State.DONE).count()
        committed = Submission.objects.filter(state=State.COMMITTED, leaf_id__isnull=False).count()
        results: dict[str, object] = {
            "benchmark": "outbox_delivery",
            "database": vendor,
            "leaves": taxonomy_index.LEAVES,
            "approved": APPROVED,
            "at_once": AT_ONCE,
            "each_ms": round(each, 2),
            "limit_ms": LIMIT_MS,
            "lost": APPROVED - min(len(made), done, committed),
            "twice": sum(count - 1 for count in made.values()),
            "indexed": Leaf.objects.present().count() - taxonomy_index.LEAVES,
        }
    whole = not (results["lost"] or results["twice"] or failed) and results["indexed"] == APPROVED
    results["ok"] = whole and each <= LIMIT_MS
    return results


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        results = run(Path(folder))
    print(json.dumps(results))
    return 0 if results["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
