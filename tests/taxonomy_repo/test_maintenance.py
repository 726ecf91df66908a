"""Tidying a repository beside those who use it."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from taxonomy_repo.maintenance import Stored, maintain, stored
from taxonomy_repo.store import FileChange, Person, StoreProblem, TaxonomyStore

ANN = Person("Ann", "ann@example.org")
WHEN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> TaxonomyStore:
    made = TaxonomyStore(tmp_path / "taxonomy.git")
    made.create()
    return made


def put(store: TaxonomyStore, name: str, data: bytes = b"x: 1\n") -> None:
    change = FileChange(f"knowledge/all/{name}/qna.yaml", data, None)
    store.commit([change], author=ANN, message=f"Add {name}", when=WHEN)


def fsck(store: TaxonomyStore) -> str:
    command = ["git", "-C", str(store.repository.path), "fsck", "--strict", "--full", "--no-dangling"]
    told = subprocess.run(command, check=False, capture_output=True, text=True)
    return told.stdout + told.stderr


def test_single_objects_are_packed_and_nothing_else_changes(store: TaxonomyStore) -> None:
    for number in range(10):
        put(store, f"leaf_{number}", f"n: {number}\n".encode())
    head, before = store.head(), stored(store.repository)
    known = store.leaf_ids(head or "")
    result = maintain(store.repository, always=True)
    assert (result.done, result.before, result.after) == (True, before, Stored(0, 1))
    assert store.head() == head
    assert store.leaf_ids(head or "") == known
    assert store.file_at(head or "", "knowledge/all/leaf_3/qna.yaml") == b"n: 3\n"
    assert fsck(store) == ""


def test_a_tidy_repository_is_left_alone(store: TaxonomyStore) -> None:
    put(store, "one")
    result = maintain(store.repository)
    assert not result.done
    assert result.before == result.after == stored(store.repository)


def test_what_nothing_refers_to_goes_only_after_two_weeks(store: TaxonomyStore) -> None:
    put(store, "one")
    fresh, old = (str(store.repository.git.create_blob(data)) for data in (b"fresh", b"old"))
    file = store.repository.path / "objects" / old[:2] / old[2:]
    os.utime(file, (time.time() - 15 * 24 * 3600,) * 2)
    maintain(store.repository, always=True)
    assert store.read_blob(fresh) == b"fresh"
    assert not file.exists()
    with pytest.raises(StoreProblem):
        TaxonomyStore(store.repository.path).read_blob(old)


def test_only_one_tidies_at_a_time(store: TaxonomyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "one")
    inner = []
    monkeypatch.setattr(
        "taxonomy_repo.maintenance._git",
        lambda *_: inner.append(maintain(store.repository, always=True).done),
    )
    assert maintain(store.repository, always=True).done
    assert inner == [False, False]


def test_without_the_git_program_or_when_it_fails_the_problem_is_told(
    store: TaxonomyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, "one")
    with monkeypatch.context() as patched:
        patched.setenv("PATH", "/nowhere")
        with pytest.raises(StoreProblem, match="not installed"):
            maintain(store.repository, always=True)
    head = store.repository.path / "HEAD"
    head.rename(head.with_name("HEAD.away"))
    with pytest.raises(StoreProblem, match="could not be tidied") as caught:
        maintain(store.repository, always=True)
    assert caught.value.code == "maintenance"


def test_commits_and_reads_go_on_while_it_is_tidied(store: TaxonomyStore) -> None:
    put(store, "first")
    stop = threading.Event()

    def write() -> int:
        other, written = TaxonomyStore(store.repository.path), 0
        while not stop.is_set():
            put(other, f"leaf_{written}", f"n: {written}\n".encode())
            written += 1
        return written

    def read() -> int:
        other, read = TaxonomyStore(store.repository.path), 0
        while not stop.is_set():
            for entry in other.snapshot(other.head() or ""):
                read += len(other.read_blob(entry.blob))
        return read

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(write), pool.submit(read)]
        try:
            for _ in range(5):
                maintain(store.repository, always=True)
        finally:
            stop.set()
        written, read_bytes = (each.result() for each in both)
    assert written > 0
    assert read_bytes > 0
    assert len(list(store.snapshot(store.head() or ""))) == written + 1
    assert fsck(store) == ""
