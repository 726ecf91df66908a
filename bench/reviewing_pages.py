"""How long the pages of contributors and reviewers take with 10,000 submissions and with a tenth. Prints one JSON line.

Must: 95 % of the requests for each page within 50 ms of server time (parsing the request to the rendered answer,
without the network), the same number of queries at both sizes, and a median of at most 1.2 times that at the tenth.

Each size has as many leaves as submissions in its index, five seeds a leaf, and runs in a process of its own; the two
are asked in turn, so that what else the machine does meets both. A hundred leaves and the submissions that are opened
have real files; the other rows are made for the lists. SQLite in any case, PostgreSQL where
SEEDBED_TEST_DATABASE_URL names a server.
"""

from __future__ import annotations

import random
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pagetimes
from pagetimes import SIZES

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


def pages(size: str, samples: int) -> pagetimes.Pages:
    """The pages of a reviewer, and those of an author."""
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


if __name__ == "__main__":
    count = SIZES["full"]
    facts = {"submissions": count, "leaves": count, "seeds": count * SEEDS_A_LEAF}
    sys.exit(pagetimes.main(__file__, __doc__, facts, fill, pages))
