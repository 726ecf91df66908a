"""How long the pages of the taxonomy, of releases and of rounds take. Prints one JSON line.

Must: 95 % of the requests for each page within 50 ms of server time (parsing the request to the rendered answer,
without the network), the same number of queries at both sizes, and a median of at most 1.2 times that at the tenth.

10,000 leaves, and a tenth of that. Both taxonomies are made here, the same in every run: real files committed to a
repository and indexed as in life, as many submissions as leaves, and 50 (5) releases with scores. Each size runs in a
process of its own; the two are asked in turn, request by request, so that what else the machine does meets both. The
reader is signed in as a reviewer, who sees most. SQLite in any case, and PostgreSQL where SEEDBED_TEST_DATABASE_URL
names a server (databases of this program's own are made on it and taken away again).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pagetimes
from pagetimes import SIZES

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
    from taxonomy_app.releases.creation import summarise
    from taxonomy_app.releases.forgetting import METRIC
    from taxonomy_app.releases.models import LeafComparison, LeafScore, Release, Subject
    from taxonomy_app.rounds.models import Round, RoundLeaf
    from taxonomy_app.tree.models import Leaf
    from workers.recipes import recipe
    from workers.specs import LeafPin, ModelReference, RoundPlan, TeacherReference

    owner, leaves = User.objects.get(username="ada"), list(Leaf.objects.order_by("pk"))
    for number in range(1, RELEASES[size] + 1):
        chosen = [leaves[(number * SCORED_A_RELEASE // 3 + at) % len(leaves)] for at in range(SCORED_A_RELEASE)]
        plan = RoundPlan(
            taxonomy_commit="c" * 40,
            leaves=tuple(LeafPin(leaf_id=str(leaf.leaf_id), path=leaf.path, blob=leaf.blob) for leaf in chosen),
            teacher=TeacherReference(),
            student=ModelReference(name="bundled:smollm2-135m-instruct"),
            recipe=recipe("quick"),
            random_seed=number,
            code_version="0.1.0",
        )
        made = Round.objects.create(
            number=number,
            title=f"Round {number}",
            plan=plan.model_dump(mode="json"),
            plan_hash=plan.hash,
            taxonomy_commit="c" * 40,
            state="done",
            created_by=owner,
            created_at=NOW,
            started_at=NOW,
            ended_at=NOW,
        )
        RoundLeaf.objects.bulk_create(
            (
                RoundLeaf(
                    round=made,
                    leaf_id=leaf.leaf_id,
                    path=leaf.path,
                    kind=leaf.kind,
                    blob=leaf.blob,
                    taught_count=SEEDS_A_LEAF - 1,
                    taught=[f"t{at}" for at in range(SEEDS_A_LEAF - 1)],
                    held_out=[f"{leaf.leaf_id}#0"],
                )
                for leaf in chosen
            ),
            batch_size=500,
        )
        release = Release.objects.create(
            number=number,
            name=f"Release {number}",
            round=made,
            student_artifact=f"student-{number}",
            taxonomy_commit="c" * 40,
            plan_hash=plan.hash,
            state="published",
            created_at=NOW,
        )
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
        release.summary = summarise(release)
        release.save(update_fields=["summary"])


# --- The pages ------------------------------------------------------------------------------------------------


def pages(size: str, samples: int) -> pagetimes.Pages:
    """Addresses spread over the taxonomy, and the pages of releases and rounds."""
    from django.urls import reverse

    from taxonomy_app.releases.models import LeafScore, Release, Subject
    from taxonomy_app.tree.models import Leaf, LeafVersion

    leaves = SIZES[size]
    spread = list(Leaf.objects.order_by("pk"))[7 :: max(leaves // samples, 1)][:samples]
    changed = list(LeafVersion.objects.filter(kind="modified").select_related("leaf").order_by("pk"))
    home, folder, where = reverse("tree:home"), reverse("tree:folder"), reverse("tree:places")

    def asked(**fields: str) -> str:
        return f"{home}?{urlencode(fields)}"

    each = range(len(spread))
    releases = list(Release.objects.order_by("-number"))
    after = LeafScore.objects.filter(subject=Subject.AFTER).order_by("pk")
    scored = list(after.values_list("release__number", "leaf_id"))
    asked_for = {
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
        "dashboard": [reverse("releases:dashboard") for _ in each],
        "release": [releases[at % len(releases)].get_absolute_url() for at in each],
        "release's leaf": [reverse("releases:leaf", args=scored[at * len(scored) // samples]) for at in each],
        "matrix": [reverse("releases:matrix") for _ in each],
        "comparison": [reverse("releases:compare") for _ in each],
        "rounds": [reverse("rounds:list") for _ in each],
    }
    return {page: ("reader", addresses) for page, addresses in asked_for.items()}


if __name__ == "__main__":
    facts = {"leaves": SIZES["full"], "seeds": SIZES["full"] * SEEDS_A_LEAF, "releases": RELEASES["full"]}
    sys.exit(pagetimes.main(__file__, __doc__, facts, fill, pages))
