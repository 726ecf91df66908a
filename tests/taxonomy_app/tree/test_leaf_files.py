"""Reading leaves' files for the index: the same whether this process reads them or others do."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import select
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from taxonomy_app.tree import leaf_files
from taxonomy_app.tree.leaf_files import LeafContent, LeafFile, leaf_content, read_contents
from taxonomy_repo.checks.registry import GOOD_KNOWLEDGE, GOOD_SKILL
from taxonomy_repo.store import FileChange, Person, StoreProblem, TaxonomyStore

WHEN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> TaxonomyStore:
    store = TaxonomyStore(tmp_path / "taxonomy.git")
    store.create()
    changes = [
        FileChange(
            f"{branch}/leaf_{number}/qna.yaml", text.replace("ann", f"ann {number}").encode() + b"# \n" * number, None
        )
        for number in range(10)
        for branch, text in (("compositional_skills", GOOD_SKILL), ("knowledge", GOOD_KNOWLEDGE))
    ]
    changes.append(FileChange("knowledge/broken/qna.yaml", b"a: b: c\n", None))
    store.commit(changes, author=Person("Ann", "ann@example.org"), message="Add leaves", when=WHEN)
    return store


@pytest.fixture
def batches(store: TaxonomyStore) -> list[list[LeafFile]]:
    files = [LeafFile(leaf.blob, leaf.path) for leaf in store.snapshot(store.head() or "")]
    return [files[start : start + 4] for start in range(0, len(files), 4)]


@pytest.fixture
def read_here(store: TaxonomyStore, batches: list[list[LeafFile]]) -> list[list[LeafContent]]:
    return [[leaf_content(store.read_blob(file.blob), file.path) for file in batch] for batch in batches]


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were leaves enough, and two processors, and no other thread (a test's time limit may have one)."""
    monkeypatch.setattr(leaf_files, "LEAST_LEAVES", 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(threading, "active_count", lambda: 1)


def test_few_leaves_are_read_by_this_process(
    store: TaxonomyStore, batches: list[list[LeafFile]], read_here: list[list[LeafContent]]
) -> None:
    assert list(read_contents(store, batches)) == read_here
    broken = next(content for batch in read_here for content in batch if content.seeds is None)
    assert "Put the text in quotes" in broken.problem


@pytest.mark.usefixtures("two_processes")
def test_many_leaves_are_read_by_other_processes_with_the_same_outcome_in_the_same_order(
    store: TaxonomyStore,
    batches: list[list[LeafFile]],
    read_here: list[list[LeafContent]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def not_here(*_: object) -> list[LeafContent]:
        raise AssertionError("this process read it")

    here = os.getpid()
    read = leaf_files._read
    monkeypatch.setattr(leaf_files, "_read", lambda *given: not_here() if os.getpid() == here else read(*given))
    assert list(read_contents(store, batches)) == read_here


@pytest.mark.usefixtures("two_processes")
def test_where_a_reading_process_is_killed_this_one_reads_the_rest(
    store: TaxonomyStore,
    batches: list[list[LeafFile]],
    read_here: list[list[LeafContent]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def die(*_: object) -> list[LeafContent]:
        os.kill(os.getpid(), signal.SIGKILL)
        return []

    third, here = batches[2], os.getpid()
    read = leaf_files._read
    monkeypatch.setattr(
        leaf_files,
        "_read",
        lambda store, batch: die() if os.getpid() != here and batch == third else read(store, batch),
    )
    assert list(read_contents(store, batches)) == read_here


@pytest.mark.usefixtures("two_processes")
def test_reading_processes_end_with_the_one_that_started_them(
    store: TaxonomyStore, batches: list[list[LeafFile]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have copies of its connection to the database, whose transaction would stay open with its lock."""
    said, says = os.pipe()

    def stay(*_: object) -> list[LeafContent]:
        os.write(says, f"{os.getpid()}\n".encode())
        while True:
            time.sleep(1)

    monkeypatch.setattr(leaf_files, "_read", stay)
    indexing = os.fork()
    if indexing == 0:
        try:
            list(read_contents(store, batches))
        finally:
            os._exit(1)
    readers = []
    try:
        with os.fdopen(said) as lines:
            readers = [int(lines.readline()) for _ in range(2)]
        left = [os.pidfd_open(reader) for reader in readers]
        assert not select.select(left, [], [], 0)[0]
        os.kill(indexing, signal.SIGKILL)
        for each in left:
            assert select.select([each], [], [], 30)[0], "it lives on"
            os.close(each)
    finally:
        os.close(says)
        for pid in (indexing, *readers):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.waitpid(indexing, 0)


@pytest.mark.usefixtures("two_processes")
def test_a_file_that_is_not_there_is_told_wherever_it_is_read(
    store: TaxonomyStore, batches: list[list[LeafFile]]
) -> None:
    with pytest.raises(StoreProblem, match="There is no content"):
        list(read_contents(store, [*batches, [LeafFile("0" * 40, "knowledge/a")]]))


@pytest.mark.usefixtures("two_processes")
def test_neither_a_daemonic_process_nor_one_of_several_threads_starts_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert leaf_files._processes(10) == 2
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert leaf_files._processes(10) == 1
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setitem(multiprocessing.current_process()._config, "daemon", True)
    assert leaf_files._processes(10) == 1
