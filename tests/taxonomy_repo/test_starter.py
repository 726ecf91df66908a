"""The starter taxonomy: sound by every check, and put in once."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from taxonomy_repo.checks import check_leaf
from taxonomy_repo.documents import DocumentStore
from taxonomy_repo.leaf import KnowledgeSeed, Leaf, check_path, leaf_kind, read_leaf, write_leaf
from taxonomy_repo.starter import install_starter, starter_documents, starter_files
from taxonomy_repo.store import FileChange, Person, TaxonomyStore

WHEN = datetime(2026, 3, 1, tzinfo=UTC)
FILES = starter_files()
PATHS = sorted(path.rpartition("/")[0] for path in FILES if path.endswith("/qna.yaml"))


def leaf_at(path: str) -> Leaf:
    reading = read_leaf(FILES[f"{path}/qna.yaml"], path)
    assert reading.leaf is not None
    return reading.leaf


@pytest.fixture
def stores(tmp_path: Path) -> tuple[TaxonomyStore, DocumentStore]:
    return TaxonomyStore(tmp_path / "taxonomy.git"), DocumentStore(tmp_path / "documents.git")


def test_every_kind_of_leaf_is_there() -> None:
    kinds = Counter(leaf_kind(path, leaf_at(path)) for path in PATHS)
    assert kinds == {"knowledge": 3, "grounded": 2, "freeform": 3, "foundational": 1}


@pytest.mark.parametrize("path", PATHS)
def test_a_starter_leaf_has_no_problem_of_any_severity(path: str) -> None:
    assert check_leaf(FILES[f"{path}/qna.yaml"], path, FILES[f"{path}/attribution.txt"]) == []
    assert check_path(path) == []


@pytest.mark.parametrize("path", PATHS)
def test_a_starter_leaf_is_written_as_this_program_writes_it(path: str) -> None:
    assert write_leaf(leaf_at(path)) == FILES[f"{path}/qna.yaml"]


@pytest.mark.parametrize("path", PATHS)
def test_a_starter_leaf_has_enough_short_seeds_to_hold_some_out(path: str) -> None:
    pairs = leaf_at(path).pairs()
    assert len(pairs) >= 12
    assert len({pair.answer for pair in pairs}) == len(pairs)
    assert all(len(pair.answer.split()) <= 25 for pair in pairs)


@pytest.mark.parametrize("path", [path for path in PATHS if path.startswith("knowledge/")])
def test_contexts_are_passages_of_the_leafs_own_document(
    path: str, stores: tuple[TaxonomyStore, DocumentStore]
) -> None:
    install_starter(*stores, when=WHEN)
    leaf = leaf_at(path)
    assert leaf.document is not None
    ((name, text),) = stores[1].read(leaf.document)
    assert text.encode() == starter_documents()[name]
    assert 5 <= len(text.strip().split("\n\n")) - 1 <= 8
    for seed in leaf.seed_examples:
        assert isinstance(seed, KnowledgeSeed)
        assert seed.context in text


@pytest.mark.parametrize("path", [path for path in PATHS if f"{path}/data.jsonl" in FILES])
def test_the_rows_of_a_foundational_leaf_are_pairs_apart_from_its_seeds(path: str) -> None:
    rows = [json.loads(line) for line in FILES[f"{path}/data.jsonl"].decode().splitlines()]
    assert 40 <= len(rows) <= 60
    assert all(set(row) == {"question", "answer"} and all(row.values()) for row in rows)
    questions = [row["question"] for row in rows]
    assert len(set(questions)) == len(questions)
    assert not set(questions) & {pair.question for pair in leaf_at(path).pairs()}


def test_it_is_put_into_an_empty_taxonomy_once(stores: tuple[TaxonomyStore, DocumentStore]) -> None:
    taxonomy, documents = stores
    assert install_starter(taxonomy, documents, WHEN)
    head = taxonomy.head()
    assert head is not None
    assert not install_starter(taxonomy, documents, WHEN)
    assert taxonomy.head() == head
    assert {entry.path for entry in taxonomy.snapshot(head)} == set(PATHS)
    assert {path: taxonomy.file_at(head, path) for path in FILES} == FILES


def test_a_taxonomy_with_leaves_of_its_own_is_left_alone(stores: tuple[TaxonomyStore, DocumentStore]) -> None:
    taxonomy, documents = stores
    taxonomy.create()
    change = FileChange("knowledge/own/qna.yaml", b"a: 1\n", None)
    taxonomy.commit([change], author=Person("Ann", "ann@example.org"), message="Own", when=WHEN)
    assert not install_starter(taxonomy, documents, WHEN)


def test_documents_that_were_there_before_change_the_pin_and_nothing_else(
    stores: tuple[TaxonomyStore, DocumentStore],
) -> None:
    taxonomy, documents = stores
    documents.add("own.md", b"Own.\n", when=WHEN)
    install_starter(taxonomy, documents, WHEN)
    for entry in taxonomy.snapshot(taxonomy.head() or ""):
        leaf = read_leaf(taxonomy.read_blob(entry.blob), entry.path).leaf
        assert leaf is not None
        assert leaf.seed_examples == leaf_at(entry.path).seed_examples
        if leaf.document is not None:
            assert len(documents.read(leaf.document)) == 1
