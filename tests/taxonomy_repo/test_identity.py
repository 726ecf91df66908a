"""Which leaf is which over time."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy_repo import identity
from taxonomy_repo.identity import CACHE_FILE, identities, match_moves
from taxonomy_repo.store import FileChange, Person, TaxonomyStore

ANN = Person("Ann", "ann@example.org")
WHEN = datetime(2026, 3, 1, tzinfo=UTC)
A, B, C = "knowledge/x/a", "knowledge/x/b", "knowledge/y/a"


@pytest.fixture
def store(tmp_path: Path) -> TaxonomyStore:
    made = TaxonomyStore(tmp_path / "taxonomy.git")
    made.create()
    return made


def commit(store: TaxonomyStore, wanted: dict[str, bytes | None], moves: dict[str, str] | None = None) -> str:
    """Bring leaves into their wanted states in one commit."""
    head = store.head()
    changes = []
    for path, data in wanted.items():
        entry = None if head is None else store.snapshot(head).get(path)
        changes.append(FileChange(f"{path}/qna.yaml", data, None if entry is None else entry.blob))
    return store.commit(changes, author=ANN, message="Change", when=WHEN, moves=moves).commit


def test_an_identity_is_a_uuid_that_edits_do_not_change(store: TaxonomyStore) -> None:
    first = store.leaf_ids(commit(store, {A: b"1", B: b"2"}))
    second = store.leaf_ids(commit(store, {A: b"3"}))
    assert first == second
    assert len({uuid.UUID(identity) for identity in first.values()}) == 2


def test_a_leaf_moved_without_edits_keeps_its_identity_untold(store: TaxonomyStore) -> None:
    before = store.leaf_ids(commit(store, {A: b"1", B: b"2"}))
    after = store.leaf_ids(commit(store, {A: None, C: b"1"}))
    assert after == {B: before[B], C: before[A]}


def test_a_leaf_moved_and_edited_keeps_its_identity_when_the_commit_tells(store: TaxonomyStore) -> None:
    before = store.leaf_ids(commit(store, {A: b"1"}))
    assert store.leaf_ids(commit(store, {A: None, C: b"changed"}, moves={A: C})) == {C: before[A]}


def test_a_leaf_moved_and_edited_without_a_word_is_a_new_one(store: TaxonomyStore) -> None:
    before = store.leaf_ids(commit(store, {A: b"1"}))
    after = store.leaf_ids(commit(store, {A: None, C: b"changed"}))
    assert set(after) == {C}
    assert after[C] != before[A]


def test_a_whole_branch_moved_at_once_keeps_every_identity(store: TaxonomyStore) -> None:
    leaves = {f"knowledge/old/leaf_{n}": f"{n}".encode() for n in range(20)}
    before = store.leaf_ids(commit(store, dict(leaves)))
    wanted: dict[str, bytes | None] = dict.fromkeys(leaves)
    wanted |= {path.replace("/old/", "/new/"): data for path, data in leaves.items()}
    after = store.leaf_ids(commit(store, wanted))
    assert after == {path.replace("/old/", "/new/"): identity for path, identity in before.items()}


def test_leaves_that_change_places_keep_their_place(store: TaxonomyStore) -> None:
    before = store.leaf_ids(commit(store, {A: b"1", B: b"2"}))
    assert store.leaf_ids(commit(store, {A: b"2", B: b"1"})) == before


def test_a_leaf_that_comes_back_as_it_was_is_the_same_leaf_and_another_is_not(store: TaxonomyStore) -> None:
    born = store.leaf_ids(commit(store, {A: b"1", B: b"2"}))
    commit(store, {A: None, B: None, C: b"3"})
    after = store.leaf_ids(commit(store, {A: b"1", B: b"another"}))
    assert after[A] == born[A]
    assert after[B] != born[B]


def test_of_several_with_the_same_content_the_one_of_the_same_name_moved() -> None:
    files = ("blob", None, None)
    old = {"k/one": files, "k/two": files}
    new = {"z/two": files, "z/other": files}
    assert match_moves(old, new, {}) == {"z/two": "k/two", "z/other": "k/one"}


def test_the_cache_changes_nothing_but_speed(store: TaxonomyStore) -> None:
    first = commit(store, {A: b"1"})
    second = commit(store, {A: None, C: b"1"})
    cache = store.repository.path / CACHE_FILE
    known = store.leaf_ids(second)
    for content in (b"", b"{}", b"not json", b'{"format": 1, "commit": "x", "alive": [], "gone": []}', None):
        if content is None:
            cache.unlink()
        else:
            cache.write_bytes(content)
        assert store.leaf_ids(second) == known
    assert store.leaf_ids(first) == {A: known[C]}
    assert store.leaf_ids(second) == known


def test_looking_back_does_not_forget_what_is_known_of_the_newest(store: TaxonomyStore) -> None:
    first = commit(store, {A: b"1"})
    second = commit(store, {B: b"2"})
    store.leaf_ids(second)
    remembered = (store.repository.path / CACHE_FILE).read_bytes()
    store.leaf_ids(first)
    assert (store.repository.path / CACHE_FILE).read_bytes() == remembered


def test_what_a_walk_from_the_first_commit_on_has_worked_out_is_not_worked_out_again(
    store: TaxonomyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        last = commit(store, {f"knowledge/leaf_{number}": b"%d" % number})
    assert len(list(store.walk(None, last))) == 5
    newest = commit(store, {A: b"1"})
    worked_out = []
    advance = identity.advance
    monkeypatch.setattr(identity, "advance", lambda *given: worked_out.append(given[2].id) or advance(*given))
    assert len(store.leaf_ids(newest)) == 6
    assert [str(name) for name in worked_out] == [newest]


def test_what_is_remembered_is_written_once_in_a_while(store: TaxonomyStore) -> None:
    store.leaf_ids(commit(store, {A: b"0"}))
    remembered = set()
    for number in range(1, 31):
        name = commit(store, {A: b"%d" % number})
        assert list(store.leaf_ids(name)) == [A]
        remembered.add(json.loads((store.repository.path / CACHE_FILE).read_bytes())["commit"])
    assert 2 <= len(remembered) <= 4


STEPS = st.lists(
    st.dictionaries(st.sampled_from([A, B, C]), st.none() | st.sampled_from([b"1", b"2"]), min_size=1), max_size=6
)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_identities_worked_out_at_once_and_step_by_step_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[dict[str, bytes | None]]
) -> None:
    store = TaxonomyStore(tmp_path_factory.mktemp("repo") / "t.git")
    store.create()
    commit(store, {"knowledge/z": b"0"})
    followed = []
    for step in steps:
        name = commit(store, step)
        followed.append((name, store.leaf_ids(name)))
    (store.repository.path / CACHE_FILE).unlink(missing_ok=True)
    for name, known in reversed(followed):
        (store.repository.path / CACHE_FILE).unlink(missing_ok=True)
        assert identities(store.repository, name).alive == known
        assert set(known) == {entry.path for entry in store.snapshot(name)}
        assert len(set(known.values())) == len(known)
