"""The taxonomy's repository, with real git in temporary folders."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from taxonomy_repo.mutex import MUTEX_FILE, TURNSTILE_FILE
from taxonomy_repo.store import Conflict, FileChange, LeafChange, LeafEntry, Person, StoreProblem, TaxonomyStore

ANN = Person("Ann Other", "ann@example.org")
WHEN = datetime(2026, 3, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))
HAIKU = "compositional_skills/writing/haiku"
OSK = "knowledge/places/osk"


@pytest.fixture
def store(tmp_path: Path) -> TaxonomyStore:
    made = TaxonomyStore(tmp_path / "taxonomy.git")
    made.create()
    return made


def put(store: TaxonomyStore, path: str, data: bytes | None, base: str | None = None, **more: object) -> str:
    """Commit the qna.yaml of one leaf."""
    settings: dict[str, object] = {"author": ANN, "message": f"Change {path}", "when": WHEN} | more
    return store.commit([FileChange(f"{path}/qna.yaml", data, base)], **settings).commit  # type: ignore[arg-type]


def blob(store: TaxonomyStore, path: str) -> str:
    entry = store.snapshot(store.head() or "").get(path)
    assert entry is not None
    return entry.blob


def move(store: TaxonomyStore, old: str, new: str, data: bytes, *, told: bool = True) -> str:
    changes = [FileChange(f"{old}/qna.yaml", None, blob(store, old)), FileChange(f"{new}/qna.yaml", data, None)]
    moves = {old: new} if told else {}
    return store.commit(changes, author=ANN, message="Move", when=WHEN, moves=moves).commit


def git(store: TaxonomyStore, *arguments: str) -> str:
    command = ["git", "-C", str(store.repository.path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


# --- Commits ----------------------------------------------------------------------------------------------------


def test_making_the_repository_twice_keeps_what_is_in_it(store: TaxonomyStore) -> None:
    assert store.head() is None
    commit = put(store, HAIKU, b"a: 1\n")
    store.create()
    assert store.head() == commit
    assert git(store, "symbolic-ref", "HEAD").strip() == "refs/heads/main"


def test_a_commit_names_the_contributor_the_time_and_the_trailers(store: TaxonomyStore) -> None:
    trailers = {"Signed-off-by": "Ann <ann@example.org>", "Reviewed-by": ["Bo", "Cy"], "Submission": "S1"}
    commit = put(store, HAIKU, b"a: 1\n", trailers=trailers)
    told = git(store, "log", "-1", "--format=%an|%ae|%aI|%cn|%s|%(trailers:separator=;)", commit).strip()
    assert told == (
        "Ann Other|ann@example.org|2026-03-01T12:00:00+02:00|Seedbed|Change compositional_skills/writing/haiku|"
        "Signed-off-by: Ann <ann@example.org>;Reviewed-by: Bo;Reviewed-by: Cy;Submission: S1"
    )
    assert git(store, "fsck", "--strict", "--full") == ""


def test_only_the_changed_files_change(store: TaxonomyStore) -> None:
    put(store, HAIKU, b"a: 1\n")
    second = put(store, OSK, b"b: 1\n")
    assert store.file_at(second, f"{HAIKU}/qna.yaml") == b"a: 1\n"
    assert list(store.snapshot(second)) == [
        LeafEntry(HAIKU, blob(store, HAIKU)),
        LeafEntry(OSK, blob(store, OSK)),
    ]


def test_all_files_of_a_leaf_are_in_the_snapshot(store: TaxonomyStore) -> None:
    files = {"qna.yaml": b"a: 1\n", "attribution.txt": b"Title of work: x\n", "data.jsonl": b"{}\n"}
    changes = [FileChange(f"{HAIKU}/{name}", data, None) for name, data in files.items()]
    commit = store.commit(changes, author=ANN, message="Add", when=WHEN).commit
    (entry,) = store.snapshot(commit)
    blobs = (entry.blob, entry.attribution_blob, entry.data_blob)
    assert [store.read_blob(found or "") for found in blobs] == list(files.values())


def test_the_same_wish_twice_is_committed_once_and_names_the_first_commit(store: TaxonomyStore) -> None:
    first = put(store, HAIKU, b"a: 1\n")
    put(store, OSK, b"b: 1\n")
    change = FileChange(f"{HAIKU}/qna.yaml", b"a: 1\n", None)
    result = store.commit([change], author=ANN, message="Again", when=WHEN)
    assert (result.commit, result.already_there) == (first, True)
    assert git(store, "rev-list", "--count", "main").strip() == "2"


@pytest.mark.parametrize("data", [b"a: 3\n", None])
def test_a_change_based_on_what_is_gone_is_a_conflict_that_writes_nothing(
    store: TaxonomyStore, data: bytes | None
) -> None:
    put(store, HAIKU, b"a: 1\n")
    old = blob(store, HAIKU)
    head = put(store, HAIKU, b"a: 2\n", old)
    with pytest.raises(Conflict) as caught:
        put(store, HAIKU, data, old)
    (conflict,) = caught.value.files
    assert (conflict.path, conflict.base_blob, conflict.current_blob) == (f"{HAIKU}/qna.yaml", old, blob(store, HAIKU))
    assert caught.value.commit == store.head() == head


def test_one_stale_file_of_several_stops_them_all(store: TaxonomyStore) -> None:
    put(store, HAIKU, b"a: 1\n")
    changes = [FileChange(f"{OSK}/qna.yaml", b"b: 1\n", None), FileChange(f"{HAIKU}/qna.yaml", b"a: 2\n", None)]
    with pytest.raises(Conflict):
        store.commit(changes, author=ANN, message="Both", when=WHEN)
    assert store.file_at(store.head() or "", f"{OSK}/qna.yaml") is None


def test_taking_a_leaf_away_leaves_no_empty_folders(store: TaxonomyStore) -> None:
    put(store, OSK, b"b: 1\n")
    put(store, HAIKU, b"a: 1\n")
    put(store, HAIKU, None, blob(store, HAIKU))
    assert git(store, "ls-tree", "-r", "-t", "--name-only", "main").split() == [
        "knowledge", "knowledge/places", OSK, f"{OSK}/qna.yaml",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "path",
    ["../x/qna.yaml", "/x/qna.yaml", "a/.git/qna.yaml", "a/../qna.yaml", "a//qna.yaml", "qna.yaml", "a/README.md",
     "a/qna.yaml/qna.yaml", "a\\b/qna.yaml", "a/\x00/qna.yaml", "a/.GIT/qna.yaml", ""],
)  # fmt: skip
def test_a_path_that_is_not_a_leaf_file_is_never_written(store: TaxonomyStore, path: str) -> None:
    with pytest.raises(StoreProblem) as caught:
        store.commit([FileChange(path, b"x", None)], author=ANN, message="x", when=WHEN)
    assert caught.value.code == "bad-path"
    assert store.head() is None


def test_text_cannot_pass_itself_off_as_a_trailer_or_an_author(store: TaxonomyStore) -> None:
    commit = put(
        store,
        HAIKU,
        b"a: 1\n",
        author=Person("Eve\nReviewed-by: Bo <bo@x>", "eve@example.org>\n"),
        message="Title\n\nReviewed-by: Bo",
        trailers={"Signed-off-by": "Eve\nReviewed-by: Bo"},
    )
    (told,) = store.history(HAIKU)
    assert told.trailers == {"Signed-off-by": ("Eve Reviewed-by: Bo",)}
    assert told.author == Person("Eve Reviewed-by: Bo bo@x", "eve@example.org")
    other = put(store, OSK, b"b: 1\n", message="Title\n\nReviewed-by: Bo")
    assert store.history(OSK)[0].trailers == {}
    assert git(store, "log", "-1", "--format=%(trailers)", other).strip() == ""
    assert git(store, "fsck", "--strict") == ""
    assert commit
    with pytest.raises(ValueError, match="Leaf-Moved"):
        put(store, OSK, b"c: 1\n", trailers={"Leaf-Moved": "a => b"})


# --- The mutex --------------------------------------------------------------------------------------------------


def test_a_writer_refuses_to_write_after_it_gave_the_mutex_back(store: TaxonomyStore) -> None:
    with store.writing() as writer:
        writer.blob(b"inside")
    with pytest.raises(StoreProblem) as caught:
        writer.blob(b"outside")
    assert caught.value.code == "not-locked"


def test_commits_inside_the_mutex_share_it(store: TaxonomyStore) -> None:
    with store.writing():
        put(store, HAIKU, b"a: 1\n")
        put(store, OSK, b"b: 1\n")
    assert git(store, "rev-list", "--count", "main").strip() == "2"


def test_a_second_holder_waits_and_says_so_in_the_end(store: TaxonomyStore) -> None:
    other = TaxonomyStore(store.repository.path)
    started = time.monotonic()
    with store.writing(), pytest.raises(StoreProblem) as caught, other.writing(timeout=0.2):
        pass
    assert caught.value.code == "busy"
    assert time.monotonic() - started >= 0.2


def test_whoever_waits_comes_before_one_that_wants_it_again_and_again(store: TaxonomyStore) -> None:
    turns, stop = 0, threading.Event()

    def again_and_again() -> None:
        nonlocal turns
        other = TaxonomyStore(store.repository.path)
        while not stop.is_set():
            with other.writing():
                turns += 1
                time.sleep(0.05)

    thread = threading.Thread(target=again_and_again)
    thread.start()
    waited = []
    try:
        for _ in range(10):
            time.sleep(0.01)
            before = turns
            with store.writing():
                waited.append(turns - before)
    finally:
        stop.set()
        thread.join()
    assert max(waited) <= 1
    assert turns > 1


def test_a_branch_that_another_program_moved_is_read_again(
    store: TaxonomyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, HAIKU, b"a: 1\n")
    first = store.head()
    real = store.repository.head
    stale = iter([first])
    put(store, OSK, b"b: 1\n")
    monkeypatch.setattr(store.repository, "head", lambda: next(stale, None) or real())
    put(store, "knowledge/places/other", b"c: 1\n")
    assert git(store, "rev-list", "--count", "main").strip() == "3"
    assert {entry.path for entry in store.snapshot(real() or "")} == {HAIKU, OSK, "knowledge/places/other"}


WRITER = """
import sys
from datetime import UTC, datetime
from taxonomy_repo.store import FileChange, Person, TaxonomyStore
store, name, number = TaxonomyStore(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
for n in range(number):
    change = FileChange(f"knowledge/by_{name}/leaf_{n}/qna.yaml", f"{name}: {n}\\n".encode(), None)
    store.commit([change], author=Person(name, "x@example.org"), message=f"{name} {n}", when=datetime.now(UTC))
    print(n, flush=True)
"""


def start_writer(store: TaxonomyStore, name: str, number: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(store.repository.path), name, str(number)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def test_four_processes_writing_at_once_lose_nothing(store: TaxonomyStore) -> None:
    writers = [start_writer(store, name, 25) for name in "abcd"]
    assert [writer.wait(timeout=100) for writer in writers] == [0, 0, 0, 0]
    leaves = {entry.path for entry in store.snapshot(store.head() or "")}
    assert leaves == {f"knowledge/by_{name}/leaf_{number}" for name in "abcd" for number in range(25)}
    assert git(store, "rev-list", "--count", "main").strip() == "100"
    assert git(store, "fsck", "--strict", "--full") == ""


@pytest.mark.parametrize("after", [0.0, 0.003, 0.01, 0.02, 0.03])
def test_a_writer_killed_at_any_instant_leaves_the_repository_usable(store: TaxonomyStore, after: float) -> None:
    writer = start_writer(store, "killed", 100_000)
    assert writer.stdout is not None
    while writer.stdout.readline() not in ("3\n", ""):
        pass
    time.sleep(after)
    os.kill(writer.pid, signal.SIGKILL)
    told = [int(line) for line in writer.stdout.read().split()]
    writer.wait(timeout=10)
    put(store, HAIKU, b"a: 1\n")  # it would say that the repository is busy
    done = {entry.path for entry in store.snapshot(store.head() or "")} - {HAIKU}
    # Everything that was acknowledged is there, and at most the one more that was on its way.
    assert max(told, default=3) + 1 <= len(done) <= max(told, default=3) + 2
    assert "missing" not in git(store, "fsck", "--strict", "--full", "--no-dangling")


DYING = """
import os, sys
from pathlib import Path
from taxonomy_repo.store import TaxonomyStore
store = TaxonomyStore(sys.argv[1])
with store.writing():
    for name in sys.argv[2:]:
        (store.repository.path / name).touch()
    os._exit(1)
"""


def die_leaving(store: TaxonomyStore, *locks: str) -> None:
    """A process that took the mutex, left these lock files and ended without giving anything back."""
    command = [sys.executable, "-c", DYING, str(store.repository.path), *locks]
    assert subprocess.run(command, check=False, cwd=Path(__file__).parents[2]).returncode == 1
    assert (store.repository.path / MUTEX_FILE).stat().st_size > 0


def test_the_locks_of_a_dead_writer_are_removed_but_not_that_of_another_program(store: TaxonomyStore) -> None:
    put(store, HAIKU, b"a: 1\n")
    lock = store.repository.path / "refs/heads/main.lock"
    die_leaving(store, "refs/heads/main.lock", "refs/tags/x.lock", "packed-refs.lock")
    put(store, OSK, b"b: 1\n")
    assert {file.name for file in store.repository.path.rglob("*.lock")} == {MUTEX_FILE, TURNSTILE_FILE}
    lock.touch()  # now another program's: this one ended well
    with pytest.raises(StoreProblem) as caught:
        put(store, OSK, b"b: 2\n", blob(store, OSK))
    assert caught.value.code == "cannot-write"
    assert lock.exists()


def test_a_lock_older_than_the_dead_writer_or_open_in_a_living_program_stays(store: TaxonomyStore) -> None:
    put(store, HAIKU, b"a: 1\n")
    old, held, left = (store.repository.path / f"refs/heads/{name}.lock" for name in ("old", "held", "left"))
    old.touch()
    os.utime(old, (time.time() - 60, time.time() - 60))
    with held.open("w"):
        die_leaving(store, "refs/heads/held.lock", "refs/heads/left.lock")
        put(store, OSK, b"b: 1\n")
        assert [old.exists(), held.exists(), left.exists()] == [True, True, False]


def test_a_mutex_whose_holder_still_runs_is_not_taken_from_it(
    store: TaxonomyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_leaving(store, "refs/heads/main.lock")
    with subprocess.Popen(["sleep", "60"]) as living:  # as where a file system does not know flock
        dead = json.loads((store.repository.path / MUTEX_FILE).read_text())
        started = int(Path(f"/proc/{living.pid}/stat").read_text().rpartition(")")[2].split()[19])
        record = json.dumps(dead | {"pid": living.pid, "started": started})
        (store.repository.path / MUTEX_FILE).write_text(record)
        with pytest.raises(StoreProblem) as caught:
            put(store, HAIKU, b"a: 1\n")
        assert caught.value.code == "busy"
        assert (store.repository.path / "refs/heads/main.lock").exists()
        living.kill()
    put(store, HAIKU, b"a: 1\n")


def test_a_recovery_that_is_killed_itself_is_made_by_the_next(
    store: TaxonomyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_leaving(store, "refs/heads/main.lock")
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            put(store, HAIKU, b"a: 1\n")
    put(store, HAIKU, b"a: 1\n")
    assert not (store.repository.path / "refs/heads/main.lock").exists()


def test_a_change_that_is_refused_leaves_nothing_in_the_repository(store: TaxonomyStore) -> None:
    put(store, HAIKU, b"a: 1\n")
    before = sorted((store.repository.path / "objects").rglob("*"))
    with pytest.raises(Conflict):
        put(store, HAIKU, b"a: 2\n", None)
    assert sorted((store.repository.path / "objects").rglob("*")) == before


def test_many_files_at_once_are_kept_in_one_pack(store: TaxonomyStore) -> None:
    changes = [FileChange(f"knowledge/by/leaf_{n}/qna.yaml", f"n: {n}\n".encode(), None) for n in range(100)]
    commit = store.commit(changes, author=ANN, message="Add many", when=WHEN).commit
    assert len(list((store.repository.path / "objects/pack").glob("*.pack"))) == 1
    assert store.file_at(commit, "knowledge/by/leaf_99/qna.yaml") == b"n: 99\n"
    assert git(store, "fsck", "--strict", "--full") == ""


def test_every_file_of_a_commit_is_flushed_before_the_branch_names_it(
    store: TaxonomyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, HAIKU, b"a: 1\n")
    flushed: list[str] = []
    real = os.fsync

    def watched(descriptor: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        assert store.head() == first
        real(descriptor)

    first = store.head()
    there = set((store.repository.path / "objects").glob("??/*"))
    monkeypatch.setattr(os, "fsync", watched)
    put(store, OSK, b"b: 1\n")
    made = set((store.repository.path / "objects").glob("??/*")) - there
    assert len([path for path in flushed if "/objects/tmp_obj_" in path]) == len(made) == 6
    assert {str(path.parent) for path in made} <= set(flushed)


def test_a_second_process_is_killed_again_and_again_and_nothing_is_lost() -> None:
    """A short run of the benchmark that does it 200 times."""
    program = Path(__file__).parents[2] / "bench/taxonomy_kills.py"
    told = subprocess.run([sys.executable, program, "--kills", "10"], check=False, capture_output=True, text=True)
    results = json.loads(told.stdout)
    assert results["ok"], results
    assert results["inside_a_commit"] > 0


# --- Tags -------------------------------------------------------------------------------------------------------


def test_a_tag_names_a_commit_for_good(store: TaxonomyStore) -> None:
    first, second = put(store, HAIKU, b"a: 1\n"), put(store, OSK, b"b: 1\n")
    store.tag("release-1", first, message="Release 1", when=WHEN)
    store.tag("release-1", first, message="Release 1", when=WHEN)
    assert store.tags() == {"release-1": first}
    told = git(
        store, "for-each-ref", "--format=%(objecttype)|%(taggername)|%(taggerdate:iso-strict)|%(contents)"
    ).split("\n")
    assert "tag|Seedbed|2026-03-01T12:00:00+02:00|Release 1" in told
    with pytest.raises(StoreProblem) as caught:
        store.tag("release-1", second, message="Release 1", when=WHEN)
    assert caught.value.code == "tag-taken"
    assert git(store, "fsck", "--strict", "--full") == ""


@pytest.mark.parametrize("name", ["", "a b", "../x", "a..b", "x.lock", "x.", "-x", "A", "x/y", "x\n"])
def test_what_cannot_be_the_name_of_a_tag_is_refused(store: TaxonomyStore, name: str) -> None:
    commit = put(store, HAIKU, b"a: 1\n")
    with pytest.raises(StoreProblem) as caught:
        store.tag(name, commit, message="x", when=WHEN)
    assert caught.value.code == "bad-tag"
    assert store.tags() == {}


def test_the_machines_git_configuration_has_no_effect(
    store: TaxonomyStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\n\tname = Someone Else\n[core]\n\tautocrlf = true\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    commit = put(store, HAIKU, b"a: 1\r\n")
    assert store.file_at(commit, f"{HAIKU}/qna.yaml") == b"a: 1\r\n"
    assert git(store, "log", "-1", "--format=%cn").strip() == "Seedbed"


# --- Reading ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "main", "abc", "0" * 40, "HEAD", "g" * 40])
def test_what_is_not_the_full_name_of_a_commit_or_blob_is_refused(store: TaxonomyStore, name: str) -> None:
    put(store, HAIKU, b"a: 1\n")
    for read in (store.snapshot, store.read_blob, store.leaf_ids):
        with pytest.raises(StoreProblem):
            read(name)


def test_a_file_outside_of_the_taxonomy_is_not_there(store: TaxonomyStore) -> None:
    commit = put(store, HAIKU, b"a: 1\n")
    for path in ("../config", "/etc/passwd", HAIKU, "nowhere/qna.yaml"):
        assert store.file_at(commit, path) is None
    assert store.snapshot(commit).get("../x") is None
    assert store.snapshot(commit).get("compositional_skills") is None


def test_a_commit_contains_itself_and_what_came_before(store: TaxonomyStore) -> None:
    first, second = put(store, HAIKU, b"a: 1\n"), put(store, OSK, b"b: 1\n")
    assert store.contains(second, first)
    assert store.contains(second, second)
    assert not store.contains(first, second)


def test_changes_between_commits_are_told_leaf_by_leaf(store: TaxonomyStore) -> None:
    first = put(store, HAIKU, b"a: 1\n")
    put(store, OSK, b"b: 1\n")
    second = put(store, "knowledge/places/gone", b"c: 1\n")
    put(store, HAIKU, b"a: 2\n", blob(store, HAIKU))
    put(store, "knowledge/places/gone", None, blob(store, "knowledge/places/gone"))
    third = move(store, OSK, "knowledge/towns/osk", b"b: 2\n")
    assert store.changes(None, first) == [LeafChange("added", HAIKU)]
    assert store.changes(second, third) == [
        LeafChange("modified", HAIKU),
        LeafChange("removed", "knowledge/places/gone"),
        LeafChange("moved", "knowledge/towns/osk", OSK),
    ]
    assert store.changes(third, third) == []
    assert store.changes(third, first) == [LeafChange("modified", HAIKU), LeafChange("removed", "knowledge/towns/osk")]


def test_an_attribution_that_changes_changes_its_leaf(store: TaxonomyStore) -> None:
    first = put(store, HAIKU, b"a: 1\n")
    change = FileChange(f"{HAIKU}/attribution.txt", b"Title of work: x\n", None)
    second = store.commit([change], author=ANN, message="Name the source", when=WHEN).commit
    assert store.changes(first, second) == [LeafChange("modified", HAIKU)]


def test_the_history_of_a_leaf_follows_its_moves_back_to_its_birth(store: TaxonomyStore) -> None:
    put(store, "knowledge/places/other", b"o: 1\n")
    born = put(store, OSK, b"b: 1\n")
    edited = put(store, OSK, b"b: 2\n", blob(store, OSK), when=WHEN + timedelta(days=1))
    put(store, HAIKU, b"a: 1\n")
    moved = move(store, OSK, "knowledge/towns/osk", b"b: 3\n")
    identity = store.leaf_ids(moved)["knowledge/towns/osk"]
    for name in ("knowledge/towns/osk", identity):
        told = store.history(name)
        assert [(step.commit, step.kind, step.path) for step in told] == [
            (moved, "moved", "knowledge/towns/osk"),
            (edited, "modified", OSK),
            (born, "added", OSK),
        ]
    assert told[1].when == WHEN + timedelta(days=1)
    assert told[1].author == ANN
    assert [step.commit for step in store.history(identity, limit=1)] == [moved]
    assert [step.commit for step in store.history(identity, commit=edited)] == [edited, born]
    assert store.history("knowledge/places/never") == []


def test_a_leaf_that_was_taken_away_keeps_its_history(store: TaxonomyStore) -> None:
    put(store, HAIKU, b"a: 1\n")
    identity = store.leaf_ids(store.head() or "")[HAIKU]
    put(store, OSK, b"b: 1\n")
    put(store, HAIKU, None, blob(store, HAIKU))
    assert [step.kind for step in store.history(identity)] == ["removed", "added"]


def test_a_leaf_that_came_back_has_its_whole_history_without_that_of_who_was_there_between(
    store: TaxonomyStore,
) -> None:
    born = put(store, OSK, b"b: 1\n")
    identity = store.leaf_ids(born)[OSK]
    gone = put(store, OSK, None, blob(store, OSK))
    put(store, OSK, b"other: 1\n")
    other = store.leaf_ids(store.head() or "")[OSK]
    assert [step.commit for step in store.history(identity)] == [gone, born]
    away = move(store, OSK, HAIKU, b"other: 2\n")
    back = put(store, OSK, b"b: 1\n")
    assert store.leaf_ids(back)[OSK] == identity
    for name in (OSK, identity):
        assert [step.commit for step in store.history(name)] == [back, gone, born]
    assert [step.kind for step in store.history(other)] == ["moved", "added"]
    assert store.history(other)[0].commit == away


def test_a_place_whose_leaf_moved_on_says_so(store: TaxonomyStore) -> None:
    put(store, OSK, b"b: 1\n")
    moved = move(store, OSK, HAIKU, b"b: 2\n")
    step = store.history(OSK)[0]
    assert (step.commit, step.kind, step.path) == (moved, "moved", HAIKU)


def test_an_empty_taxonomy_has_no_history(store: TaxonomyStore) -> None:
    assert store.history(HAIKU) == []
