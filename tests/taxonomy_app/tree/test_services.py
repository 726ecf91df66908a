"""The index says what git says, however it came to be."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.forms.models import model_to_dict

from taxonomy_app.tree import services
from taxonomy_app.tree.models import Folder, IndexState, Leaf, LeafVersion, Seed
from taxonomy_repo.leaf import Leaf as Document
from taxonomy_repo.leaf import SeedExample, write_leaf
from taxonomy_repo.store import FileChange, Person
from tests.conftest import Taxonomy
from tests.leaves import DOCUMENT_NAME, FREEFORM, GROUNDED, KNOWLEDGE
from workers.planning import seed_fingerprint

pytestmark = pytest.mark.django_db
WHEN = datetime(2025, 4, 1, 12, tzinfo=UTC)


def document(task: str, *, seeds: int = 5) -> bytes:
    return write_leaf(
        Document(
            version=3,
            created_by="lena",
            task_description=task,
            seed_examples=tuple(SeedExample(f"{task} {n}?", f"Answer {n}.") for n in range(seeds)),
        )
    )


def commit(
    taxonomy: Taxonomy,
    files: dict[str, bytes | None],
    *,
    moves: dict[str, str] | None = None,
    day: int = 0,
    trailers: dict[str, str] | None = None,
) -> str:
    """One commit that brings the files to these bytes (None: away), whatever they are now."""
    head = taxonomy.store.head()
    changes: Sequence[FileChange] = [
        FileChange(path, data, taxonomy.store.repository.blob_at(head, path)) for path, data in files.items()
    ]
    return taxonomy.store.commit(
        changes,
        author=Person("Lena Moss", "lena@example.org"),
        message="Teach something",
        trailers=trailers or {},
        when=WHEN + timedelta(days=day),
        moves=moves,
    ).commit


def move(taxonomy: Taxonomy, old: str, new: str, *, data: bytes | None = None, day: int = 0) -> str:
    head = taxonomy.store.head()
    files: dict[str, bytes | None] = {}
    for name in ("qna.yaml", "attribution.txt", "data.jsonl"):
        content = taxonomy.store.file_at(head, f"{old}/{name}")
        if content is not None:
            files[f"{old}/{name}"] = None
            files[f"{new}/{name}"] = data if data is not None and name == "qna.yaml" else content
    return commit(taxonomy, files, moves={old: new}, day=day)


def everything() -> dict[str, Any]:
    """All that the index holds, without what only this database knows (row numbers)."""
    leaves = {
        str(leaf.leaf_id): {k: v for k, v in model_to_dict(leaf).items() if k != "id"} for leaf in Leaf.objects.all()
    }
    return {
        "leaves": leaves,
        "seeds": sorted(Seed.objects.values_list("leaf__leaf_id", "position", "group", "fingerprint", "answer")),
        "versions": sorted(
            LeafVersion.objects.values_list("leaf__leaf_id", "position", "commit", "kind", "path", "old_path", "blob")
        ),
        "folders": sorted(Folder.objects.values_list("path", "parent", "name", "leaf_count", "seed_count")),
        "commit": IndexState.objects.get().commit,
    }


def test_leaves_are_indexed_with_their_seeds_documents_and_counts(taxonomy: Taxonomy) -> None:
    leaf = taxonomy.leaf(KNOWLEDGE)
    assert (leaf.branch, leaf.kind, leaf.name, leaf.seed_count) == ("knowledge", "knowledge", "seed_banks", 5)
    assert [file["name"] for file in leaf.document["files"]] == [DOCUMENT_NAME]
    assert leaf.document["problem"] == ""
    rows = list(leaf.seeds.order_by("position"))
    assert [row.group for row in rows] == [group for group in range(5) for _ in range(3)]
    assert rows[4].fingerprint == seed_fingerprint(rows[4].question, rows[4].context)
    assert {leaf.kind for leaf in Leaf.objects.all()} == {"knowledge", "grounded", "freeform", "foundational"}
    counts = dict(Folder.objects.values_list("path", "leaf_count"))
    assert counts["compositional_skills"] == 2
    assert counts["compositional_skills/writing"] == 1
    assert str(leaf.leaf_id) == taxonomy.store.leaf_ids(taxonomy.commit)[KNOWLEDGE]


def test_indexing_again_changes_nothing_and_asks_next_to_nothing(
    taxonomy: Taxonomy, now: datetime, django_assert_num_queries: Any
) -> None:
    before = everything()
    with django_assert_num_queries(1):
        result = services.index_update(now=now)
    assert result.leaves_written == 0
    assert everything() == before


def test_a_changed_leaf_has_new_seeds_and_the_old_identity(taxonomy: Taxonomy, now: datetime) -> None:
    before = taxonomy.leaf(FREEFORM)
    made = commit(taxonomy, {f"{FREEFORM}/qna.yaml": document("Rhyme better", seeds=7)})
    assert services.index_update(now=now).leaves_written == 1
    after = taxonomy.leaf(FREEFORM)
    assert (after.pk, after.leaf_id) == (before.pk, before.leaf_id)
    assert (after.seed_count, after.created_by, after.changed_commit, after.changed_at) == (7, "lena", made, WHEN)
    assert (after.added_commit, after.added_at) == (taxonomy.commit, before.added_at)
    assert after.seeds.count() == 7
    assert Folder.objects.get(path="compositional_skills").seed_count == 12


def test_a_moved_leaf_keeps_its_identity_and_its_old_place_is_free(taxonomy: Taxonomy, now: datetime) -> None:
    identity = taxonomy.leaf(FREEFORM).leaf_id
    move(taxonomy, FREEFORM, "compositional_skills/poems/rhymes", data=document("Rhyme, moved and edited"))
    commit(taxonomy, {f"{FREEFORM}/qna.yaml": document("Something else here")}, day=1)
    services.index_update(now=now)
    assert taxonomy.leaf("compositional_skills/poems/rhymes").leaf_id == identity
    assert taxonomy.leaf(FREEFORM).leaf_id != identity
    version = LeafVersion.objects.filter(leaf__leaf_id=identity).order_by("-position").first()
    assert version is not None
    assert (version.kind, version.old_path) == ("moved", FREEFORM)


def test_two_leaves_can_change_places_in_one_step(taxonomy: Taxonomy, now: datetime) -> None:
    first, second = taxonomy.leaf(FREEFORM).leaf_id, taxonomy.leaf(GROUNDED).leaf_id
    move(taxonomy, FREEFORM, "compositional_skills/aside/one")
    move(taxonomy, GROUNDED, FREEFORM, day=1)
    move(taxonomy, "compositional_skills/aside/one", GROUNDED, day=2)
    services.index_update(now=now)
    assert (taxonomy.leaf(GROUNDED).leaf_id, taxonomy.leaf(FREEFORM).leaf_id) == (first, second)
    assert not Folder.objects.filter(path="compositional_skills/aside").exists()


def test_a_removed_leaf_keeps_its_row_and_comes_back_as_itself(taxonomy: Taxonomy, now: datetime) -> None:
    identity = taxonomy.leaf(GROUNDED).leaf_id
    head = taxonomy.store.head()
    files = {
        f"{GROUNDED}/{name}": taxonomy.store.file_at(head, f"{GROUNDED}/{name}")
        for name in ("qna.yaml", "attribution.txt")
    }
    commit(taxonomy, dict.fromkeys(files, None))
    services.index_update(now=now)
    gone = Leaf.objects.get(leaf_id=identity)
    assert gone.removed_at == WHEN
    assert gone.seeds.count() == 5
    assert not Leaf.objects.present().filter(leaf_id=identity).exists()
    assert not Folder.objects.filter(path="compositional_skills/extraction").exists()
    commit(taxonomy, files, day=1)
    services.index_update(now=now)
    back = taxonomy.leaf(GROUNDED)
    assert (back.leaf_id, back.removed_at) == (identity, None)


def test_a_leaf_that_cannot_be_read_says_why_and_does_not_stop_the_others(taxonomy: Taxonomy, now: datetime) -> None:
    commit(
        taxonomy,
        {
            f"{FREEFORM}/qna.yaml": b"version: 3\ntask_description: [unclosed\n",
            "compositional_skills/writing/new_one/qna.yaml": document("New"),
        },
    )
    services.index_update(now=now)
    broken = taxonomy.leaf(FREEFORM)
    assert broken.problem
    assert broken.seeds.count() == 0
    assert taxonomy.leaf("compositional_skills/writing/new_one").seed_count == 5


def test_an_index_made_from_nothing_is_the_one_that_followed_every_commit(taxonomy: Taxonomy, now: datetime) -> None:
    new = "compositional_skills/writing/odes"
    steps = (
        lambda: commit(taxonomy, {f"{new}/qna.yaml": document("Write an ode")}, trailers={"Submission": "7 r1"}),
        lambda: commit(taxonomy, {f"{new}/qna.yaml": document("Write a long ode", seeds=6)}, day=1),
        lambda: move(taxonomy, new, "knowledge/poetry/odes", day=2),
        lambda: commit(taxonomy, {f"{FREEFORM}/qna.yaml": None, f"{FREEFORM}/attribution.txt": None}, day=3),
        lambda: commit(taxonomy, {f"{new}/qna.yaml": document("Another at the old place")}, day=4),
        lambda: commit(taxonomy, {f"{GROUNDED}/qna.yaml": b"\xff not text"}, day=5),
    )
    for step in steps:
        step()
        services.index_update(now=now)
    followed = everything()
    assert services.index_rebuild(now=now).rebuilt
    assert everything() == followed
    for path, identity in taxonomy.store.leaf_ids(taxonomy.store.head()).items():
        assert str(taxonomy.leaf(path).leaf_id) == identity


def test_another_repository_in_its_place_makes_the_index_anew(
    taxonomy: Taxonomy, now: datetime, settings: Any, tmp_path: Any
) -> None:
    settings.TAXONOMY_REPOSITORY = tmp_path / "other.git"
    other = Taxonomy(services.taxonomy_store(), taxonomy.documents, "")
    other.store.create()
    other.store.commit(
        [FileChange("compositional_skills/only/one/qna.yaml", document("Only"), None)],
        author=Person("L", "l@example.org"),
        message="Begin",
        when=WHEN,
    )
    assert services.index_update(now=now).rebuilt
    assert [leaf.path for leaf in Leaf.objects.all()] == ["compositional_skills/only/one"]


def test_an_empty_taxonomy_is_indexed_as_empty(db: None, taxonomy_repository: Any, now: datetime) -> None:
    assert services.index_update(now=now).commit == ""
    assert not Leaf.objects.exists()
