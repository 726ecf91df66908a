"""Artifacts on a local folder and on another fsspec file system."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.artifacts import MANIFEST, Artifact, ArtifactProblem, ArtifactStore


@pytest.fixture(params=["file", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    if request.param == "file":
        return ArtifactStore(f"file://{tmp_path / 'store'}")
    return ArtifactStore(f"memory://seedbed-{uuid.uuid4().hex}", tmp_path / "cache")


@pytest.fixture
def artifact(store: ArtifactStore) -> Artifact:
    return store.artifact("a1")


def test_what_was_written_is_read_back(artifact: Artifact) -> None:
    artifact.write_text("notes/one.txt", "grün\n")
    artifact.write_json("facts.json", {"b": 1, "a": [2]})
    artifact.write_text("rows.jsonl", '{"a":1}\n{"a":2}\n')
    assert artifact.read_text("notes/one.txt") == "grün\n"
    assert artifact.read_json("facts.json") == {"a": [2], "b": 1}
    assert list(artifact.lines("rows.jsonl")) == ['{"a":1}', '{"a":2}']
    assert artifact.names() == ["facts.json", "notes/one.txt", "rows.jsonl"]
    assert artifact.names("notes/") == ["notes/one.txt"]


def test_it_is_complete_only_when_its_manifest_is_there(artifact: Artifact) -> None:
    artifact.write_text("one", "1")
    assert not artifact.complete
    with pytest.raises(ArtifactProblem, match="not finished"):
        artifact.manifest()
    artifact.finish(kind="trial", inputs={"plan": "p"}, spec={"x": 1}, code_version="v")
    assert artifact.complete
    assert artifact.manifest()["inputs"] == {"plan": "p"}
    assert set(artifact.manifest()["files"]) == {"one"}


def test_a_finished_artifact_is_never_changed(artifact: Artifact) -> None:
    artifact.write_text("one", "1")
    artifact.finish(kind="trial")
    for change in (lambda: artifact.write_text("one", "2"), lambda: artifact.remove("one")):
        with pytest.raises(ArtifactProblem, match="finished"):
            change()
    artifact.finish(kind="another")
    assert artifact.manifest()["kind"] == "trial"


def test_a_part_can_be_replaced_and_taken_away_before_the_end(artifact: Artifact) -> None:
    artifact.write_text("one", "1")
    artifact.write_text("one", "2")
    artifact.write_text("two", "2")
    artifact.remove("two")
    artifact.remove("two")
    assert artifact.read_text("one") == "2"
    assert artifact.names() == ["one"]


def test_a_file_that_is_not_there_is_named(artifact: Artifact) -> None:
    with pytest.raises(ArtifactProblem, match=r"no file missing\.txt"):
        artifact.read_text("missing.txt")
    with pytest.raises(ArtifactProblem, match=r"no file missing\.txt"):
        list(artifact.lines("missing.txt"))


def test_a_changed_file_is_found_by_its_hash(artifact: Artifact) -> None:
    artifact.write_text("one", "1")
    artifact.write_text("two", "2")
    artifact.finish(kind="trial")
    artifact.verify()
    with artifact.store.fs.open(f"{artifact._root}/two", "wb") as file:
        file.write(b"3")
    with pytest.raises(ArtifactProblem, match="two is not the file"):
        artifact.verify()


def test_a_local_folder_holds_the_same_files_wherever_the_artifact_lies(artifact: Artifact) -> None:
    artifact.write_text("student/config.json", "{}")
    with pytest.raises(ArtifactProblem, match="not finished"):
        artifact.local_folder()
    artifact.finish(kind="trial")
    assert (artifact.local_folder() / "student/config.json").read_text() == "{}"
    assert (artifact.local_folder() / MANIFEST).exists()


@pytest.mark.parametrize("name", ["../x", "a/../b", "/etc/passwd", ".hidden", "a//b", "", "a b", "x" * 201])
def test_names_that_could_leave_the_folder_are_refused(artifact: Artifact, name: str) -> None:
    with pytest.raises(ArtifactProblem, match="cannot name"):
        artifact.write_text(name, "x")
    with pytest.raises(ArtifactProblem, match="cannot name"):
        artifact.store.artifact(name or "..")


@given(st.text(max_size=30))
def test_no_name_ever_leads_out_of_the_store(name: str) -> None:
    store = ArtifactStore("memory://nowhere")
    try:
        artifact = store.artifact(name)
    except ArtifactProblem:
        return
    assert ".." not in artifact._root.split("/")
    assert artifact._root.startswith(f"{store.root}/")


def test_links_are_not_copied_in(artifact: Artifact, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file.bin").write_bytes(b"1")
    artifact.put_folder(source)
    assert artifact.names() == ["deep/file.bin"]
    (source / "link").symlink_to("/etc/passwd")
    with pytest.raises(ArtifactProblem, match="link"):
        artifact.put_folder(source)


def test_a_reader_sees_whole_parts_only(tmp_path: Path) -> None:
    artifact = ArtifactStore(f"file://{tmp_path}").artifact("a1")
    sizes, over = set(), threading.Event()

    def read() -> None:
        while not over.is_set():
            if artifact.exists("part"):
                sizes.add(len(artifact.read_bytes("part")))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        artifact.write_bytes("part", bytes([number]) * 200_000)
    over.set()
    reader.join()
    assert sizes == {200_000}


def test_a_write_that_is_fenced_off_leaves_nothing(tmp_path: Path) -> None:
    class Lost(Exception):
        pass

    def fence() -> None:
        raise Lost

    artifact = ArtifactStore(f"file://{tmp_path}", fence=fence).artifact("a1")
    for write in (lambda: artifact.write_text("one", "1"), lambda: artifact.finish(kind="trial")):
        with pytest.raises(Lost):
            write()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
