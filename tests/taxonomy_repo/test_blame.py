"""Who wrote which seed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy_repo.blame import blame
from taxonomy_repo.leaf import Leaf, SeedExample, write_leaf
from taxonomy_repo.store import FileChange, Person, TaxonomyStore

WHEN = datetime(2026, 3, 1, tzinfo=UTC)
HAIKU, ODES = "compositional_skills/writing/haiku", "compositional_skills/poems/odes"


@pytest.fixture
def store(tmp_path: Path) -> TaxonomyStore:
    made = TaxonomyStore(tmp_path / "taxonomy.git")
    made.create()
    return made


def write(store: TaxonomyStore, who: str, seeds: Sequence[str] | bytes | None, *, moved_from: str | None = None) -> str:
    """Commit the leaf with these seeds (question and answer alike), raw bytes, or take it away; at odes when moved."""
    data = seeds
    if seeds is not None and not isinstance(seeds, bytes):
        data = write_leaf(Leaf(3, "ann", "Write.", tuple(SeedExample(f"{seed}?", f"{seed}.") for seed in seeds)))
    path = ODES if moved_from else HAIKU
    head = store.head()

    def blob(at: str) -> str | None:
        return None if head is None else store.repository.blob_at(head, f"{at}/qna.yaml")

    changes = [FileChange(f"{path}/qna.yaml", data, blob(path))]  # type: ignore[arg-type]
    if moved_from:
        changes.append(FileChange(f"{moved_from}/qna.yaml", None, blob(moved_from)))
    when = WHEN + timedelta(days=sum(1 for _ in store.repository.first_parents(head)))
    moves = {moved_from: path} if moved_from else None
    author = Person(who, f"{who}@example.org")
    return store.commit(changes, author=author, message="Write", when=when, moves=moves).commit


def authors(store: TaxonomyStore, leaf: str, commit: str | None = None) -> list[str]:
    return [f"{line.seed.answer[:-1]} {line.commit.author.name}" for line in blame(store, leaf, commit=commit)]  # type: ignore[union-attr]


def test_each_seed_has_the_one_who_wrote_it_last_through_moves_and_reordering(store: TaxonomyStore) -> None:
    first = write(store, "ann", ["a", "b", "c"])
    write(store, "bo", ["a", "B", "c"])
    write(store, "cy", ["c", "B", "a", "d"])
    write(store, "dee", ["c", "B", "A", "d"], moved_from=HAIKU)
    assert authors(store, ODES) == ["c ann", "B bo", "A dee", "d cy"]
    identity = store.leaf_ids(store.head() or "")[ODES]
    assert authors(store, identity) == authors(store, ODES)
    assert authors(store, HAIKU, commit=first) == ["a ann", "b ann", "c ann"]


def test_a_seed_written_twice_is_told_apart_and_one_taken_away_and_put_back_is_new(store: TaxonomyStore) -> None:
    write(store, "ann", ["a", "b"])
    write(store, "bo", ["a", "a"])
    write(store, "cy", ["b", "a", "a"])
    assert authors(store, HAIKU) == ["b cy", "a ann", "a bo"]


def test_a_version_that_cannot_be_read_has_no_seeds_and_whoever_mended_it_wrote_them(store: TaxonomyStore) -> None:
    write(store, "ann", ["a"])
    write(store, "bo", b"- [broken")
    assert blame(store, HAIKU) == []
    write(store, "cy", ["a"])
    assert authors(store, HAIKU) == ["a cy"]


def test_a_leaf_that_is_not_there_has_no_seeds(store: TaxonomyStore) -> None:
    assert blame(store, HAIKU) == []
    write(store, "ann", ["a"])
    write(store, "bo", None)
    assert blame(store, HAIKU) == []


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=5), min_size=1, max_size=5))
def test_the_commit_named_is_the_one_since_which_the_seed_is_there(
    tmp_path_factory: pytest.TempPathFactory, versions: list[list[str]]
) -> None:
    store = TaxonomyStore(tmp_path_factory.mktemp("repo") / "t.git")
    store.create()
    commits = [write(store, "ann", version) for version in versions]
    order = list(dict.fromkeys(commits))
    state = dict(zip(commits, versions, strict=True))
    lines = blame(store, HAIKU)
    assert [line.position for line in lines] == list(range(len(versions[-1])))
    for answer in set(versions[-1]):
        named = sorted(order.index(line.commit.commit) for line in lines if line.seed.answer == f"{answer}.")  # type: ignore[union-attr]
        # Going back from the end, a copy belongs to the commit before which there were fewer of it.
        expected = []
        for number in range(len(named)):
            since = len(order) - 1
            while since > 0 and state[order[since - 1]].count(answer) > number:
                since -= 1
            expected.append(since)
        assert named == sorted(expected)
