"""A taxonomy that exists already comes in, and goes out again byte for byte."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from taxonomy_repo import archives
from taxonomy_repo.archives import ArchiveProblem, PlainFiles, read_archive, read_folder, write_archive
from taxonomy_repo.exporting import CHANGES_FILE, export_archive, export_folder, exported_files
from taxonomy_repo.importing import ImportResult, fetch_local, import_files, import_history, is_repository
from taxonomy_repo.leaf import read_leaf
from taxonomy_repo.store import FileChange, Person, StoreProblem, TaxonomyStore
from tests.git_host import commit_files, git

WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
AUTHOR = Person("Ines Aldana", "ines@example.org")
HAIKU = "compositional_skills/writing/haiku"
LIMERICK = "compositional_skills/Writing-old/limerick"
# Written as people write: other quotes, comments, line ends and an older version.
QNA = (
    b"""# by hand\r\ncreated_by: 'mara'\r\ntask_description: "Write a haiku."\r\nversion: 2\r\nseed_examples:\r\n"""
    + b"".join(
        b"  - question: Write about %s.\r\n    answer: '%s falls.'\r\n" % (word, word)
        for word in (b"rain", b"snow", b"fog", b"hail", b"dew")
    )
)
OLD = QNA.replace(b"version: 2\r\n", b"").replace(b"haiku", b"limerick")
FILES = {
    "LICENSE": b"Apache License\n",
    "README.md": b"# Seeds\n",
    f"{HAIKU}/qna.yaml": QNA,
    f"{HAIKU}/attribution.txt": b"Title of work: Rain\nLicense of the work: MIT\n",
    f"{LIMERICK}/qna.yaml": OLD,
}


@pytest.fixture
def store(tmp_path: Path) -> TaxonomyStore:
    made = TaxonomyStore(tmp_path / "taxonomy.git")
    made.create()
    return made


def folder_of(files: dict[str, bytes], folder: Path) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def take(store: TaxonomyStore, files: dict[str, bytes], mode: Any = "add") -> ImportResult:
    return import_files(store, PlainFiles(dict(files)), mode=mode, author=AUTHOR, when=WHEN, source="a folder")


def out(store: TaxonomyStore, since: str | None = None) -> dict[str, bytes]:
    return dict(exported_files(store, store.head() or "", since))


# --- Reading ------------------------------------------------------------------------------------


def test_a_folder_is_read_without_links_and_git_s_own_files(tmp_path: Path) -> None:
    folder = folder_of(FILES, tmp_path / "taxonomy")
    folder_of({".git/config": b"secret", ".github/workflows/check.yml": b"on: push\n"}, folder)
    (folder / "passwd").symlink_to("/etc/passwd")
    (folder / "linked").symlink_to("/etc")
    found = read_folder(folder)
    assert found.files == {**FILES, ".github/workflows/check.yml": b"on: push\n"}
    assert found.left_out == {"linked": "it is a link", "passwd": "it is a link"}


def test_a_folder_around_the_taxonomy_is_taken_off(tmp_path: Path) -> None:
    folder_of({**{f"taxonomy-main/{path}": data for path, data in FILES.items()}, "note.txt": b"x"}, tmp_path)
    found = read_folder(tmp_path)
    assert found.files == FILES
    assert found.left_out == {"note.txt": "it is outside the folder taxonomy-main"}


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_is_read_as_it_was_written(kind: Any) -> None:
    held = io.BytesIO()
    assert write_archive(held, FILES, kind=kind, when=WHEN) == len(FILES)
    again = io.BytesIO()
    write_archive(again, FILES, kind=kind, when=WHEN)
    assert again.getvalue() == held.getvalue()
    held.seek(0)
    assert read_archive(held, f"taxonomy.{kind}").files == FILES


def zip_with(**entries: bytes) -> io.BytesIO:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for path, data in {f"{HAIKU}/qna.yaml": QNA, **entries}.items():
            archive.writestr(path, data)
    held.seek(0)
    return held


def test_paths_that_lead_out_of_an_archive_are_left_out_and_counted() -> None:
    found = read_archive(
        zip_with(**{"../evil": b"x", "/etc/evil": b"x", "a/../../evil": b"x", ".git/hooks/x": b"x", "a\\b": b"x"}),
        "a.zip",
    )
    assert list(found.files) == [f"{HAIKU}/qna.yaml"]
    assert len(found.left_out) == 5


def test_links_in_a_tar_are_left_out() -> None:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        member = tarfile.TarInfo(f"{HAIKU}/qna.yaml")
        member.size = len(QNA)
        archive.addfile(member, io.BytesIO(QNA))
        link = tarfile.TarInfo("passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    held.seek(0)
    found = read_archive(held, "a.tar")
    assert (list(found.files), list(found.left_out)) == ([f"{HAIKU}/qna.yaml"], ["passwd"])


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.rar", b"Rar!", "archive-kind"),
        ("a.zip", b"no zip", "archive-damaged"),
        ("a.tar.gz", b"\x1f\x8b\x08no", "archive-damaged"),
        ("a.tar", b"no tar", "archive-damaged"),
        ("a.zip", zip_with().getvalue()[:-40], "archive-damaged"),
    ],
)
def test_what_is_no_archive_is_said(name: str, data: bytes, code: str) -> None:
    with pytest.raises(ArchiveProblem) as caught:
        read_archive(io.BytesIO(data), name)
    assert caught.value.code == code


def test_an_archive_without_leaves_and_one_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    held = io.BytesIO()
    write_archive(held, {"README.md": b"x", "qna.yaml": b"x"}, kind="zip", when=WHEN)
    with pytest.raises(ArchiveProblem) as caught:
        read_archive(held, "a.zip")
    assert caught.value.code == "no-leaves"
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    with pytest.raises(ArchiveProblem) as caught:
        read_archive(zip_with(bomb=b"\x00" * 10_000), "a.zip")
    assert caught.value.code == "too-large"


# --- Taking in ----------------------------------------------------------------------------------


def test_an_empty_taxonomy_becomes_the_imported_one_byte_for_byte(store: TaxonomyStore) -> None:
    done = take(store, FILES)
    assert (done.added, done.changed, done.left_out) == ([LIMERICK, HAIKU], [], {})
    assert out(store) == FILES
    [commit] = store.history(HAIKU)
    assert (commit.author, commit.message) == (AUTHOR, "Import 2 leaves from a folder\n")


def test_much_that_comes_in_is_one_pack_that_git_finds_sound(store: TaxonomyStore) -> None:
    take(
        store,
        {f"compositional_skills/many/leaf_{n}/qna.yaml": QNA.replace(b"rain", b"rain %d" % n) for n in range(300)},
    )
    objects = store.repository.path / "objects"
    assert len(list((objects / "pack").glob("*.pack"))) == 1
    assert list(objects.glob("??/*")) == []
    git("fsck", "--strict", cwd=store.repository.path)
    assert len(out(store)) == 300


def test_a_file_where_a_folder_is_needed_is_said(store: TaxonomyStore) -> None:
    with pytest.raises(StoreProblem) as caught:
        take(store, {f"{HAIKU}/qna.yaml": QNA, HAIKU: b"x"})
    assert (caught.value.code, store.head()) == ("path-taken", None)


def test_the_same_again_commits_nothing(store: TaxonomyStore) -> None:
    head = take(store, FILES).commit
    for mode in ("add", "replace"):
        again = take(store, FILES, mode)
        assert (again.commit, again.added, again.changed, sorted(again.same)) == (
            head,
            [],
            [],
            sorted([HAIKU, LIMERICK]),
        )
    assert store.head() == head


def test_added_leaves_stand_beside_those_that_are_there_and_are_joined_with_them(store: TaxonomyStore) -> None:
    take(store, {f"{HAIKU}/qna.yaml": QNA, "README.md": b"# Ours\n"})
    more = QNA + b"  - question: Write about wind.\r\n    answer: 'wind falls.'\r\n"
    done = take(store, {**FILES, f"{HAIKU}/qna.yaml": more})
    assert (done.added, done.changed) == ([LIMERICK], [HAIKU])
    assert done.left_out == {"LICENSE": "it is not a file of a leaf", "README.md": "it is not a file of a leaf"}
    leaf = read_leaf(out(store)[f"{HAIKU}/qna.yaml"], HAIKU).leaf
    assert leaf is not None
    assert len(leaf.seed_examples) == 6
    assert out(store)["README.md"] == b"# Ours\n"


def test_a_leaf_that_cannot_be_joined_is_left_alone_and_told(store: TaxonomyStore) -> None:
    take(store, {f"{HAIKU}/qna.yaml": QNA})
    done = take(store, {**FILES, f"{HAIKU}/qna.yaml": QNA.replace(b"rain falls", b"rain stops")})
    assert list(done.left_alone) == [HAIKU]
    assert done.added == [LIMERICK]
    assert out(store)[f"{HAIKU}/qna.yaml"] == QNA


def test_a_replacement_is_exactly_what_was_given_and_keeps_what_was_there_in_history(store: TaxonomyStore) -> None:
    take(store, {f"{HAIKU}/qna.yaml": QNA, "compositional_skills/old/one/qna.yaml": OLD})
    identity = store.leaf_ids(store.head() or "")[HAIKU]
    before = store.head()
    done = take(store, FILES, "replace")
    assert (done.removed, done.before) == (["compositional_skills/old/one"], before)
    assert out(store) == FILES
    assert store.leaf_ids(store.head() or "")[HAIKU] == identity
    assert store.contains(done.commit or "", before or "")


# --- With its history ---------------------------------------------------------------------------


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A repository on disk with three versions."""
    folder = tmp_path / "work"
    folder.mkdir()
    git("init", "--quiet", "--initial-branch=main", cwd=folder)
    commit_files(folder, {f"{HAIKU}/qna.yaml": QNA}, "Add haiku")
    commit_files(folder, {f"{HAIKU}/qna.yaml": QNA.replace(b"rain falls", b"rain stops")}, "Improve haiku")
    commit_files(folder, dict(FILES), "Add limerick")
    return folder


def take_history(store: TaxonomyStore, work: Path, mode: Any = "add") -> ImportResult:
    commit = fetch_local(store, work)
    return import_history(store, commit, mode=mode, author=AUTHOR, when=WHEN, source="a repository")


def test_a_repository_comes_in_with_its_history(store: TaxonomyStore, work: Path) -> None:
    assert is_repository(work)
    assert is_repository(work / ".git")
    assert not is_repository(work / "compositional_skills")
    done = take_history(store, work)
    assert done.commit == git("rev-parse", "HEAD", cwd=work)
    assert (done.versions, sorted(done.added)) == (3, sorted([HAIKU, LIMERICK]))
    assert [step.message for step in store.history(HAIKU)] == ["Add limerick\n", "Improve haiku\n", "Add haiku\n"]
    assert out(store) == FILES


def test_a_history_beside_another_is_joined_and_one_in_its_place_keeps_the_other_reachable(
    store: TaxonomyStore, work: Path
) -> None:
    other = "compositional_skills/old/one"
    take(store, {f"{other}/qna.yaml": OLD, f"{HAIKU}/qna.yaml": QNA.replace(b"rain falls", b"rain halts")})
    before = store.head() or ""
    done = take_history(store, work)
    assert list(done.left_alone) == [HAIKU]
    assert (done.added, done.same) == ([LIMERICK], [other])
    assert b"rain halts" in out(store)[f"{HAIKU}/qna.yaml"]
    joined = store.head() or ""
    assert store.contains(joined, before)
    replaced = take_history(store, work, "replace")
    assert store.head() == git("rev-parse", "HEAD", cwd=work)
    assert replaced.removed == [other]
    kept = [name for name in store.repository.git.references if name.startswith("refs/seedbed/replaced/")]
    assert [str(store.repository.git.references[name].target) for name in kept] == [joined]


def test_a_folder_that_is_no_repository_or_has_no_such_branch(store: TaxonomyStore, work: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, branch in ((tmp_path / "empty", ""), (work, "nothing")):
        with pytest.raises(StoreProblem):
            fetch_local(store, folder, branch)
    assert store.head() is None


# --- Handing out --------------------------------------------------------------------------------


def test_only_leaves_that_changed_since_a_commit_are_handed_out_and_the_others_told(store: TaxonomyStore) -> None:
    since = take(store, {**FILES, "compositional_skills/a/gone/qna.yaml": OLD}).commit or ""
    blob = store.repository.blob_at(since, f"{HAIKU}/qna.yaml")
    gone = store.repository.blob_at(since, "compositional_skills/a/gone/qna.yaml")
    changed = QNA.replace(b"rain falls", b"rain stops")
    store.commit(
        [
            FileChange(f"{HAIKU}/qna.yaml", changed, blob),
            FileChange("compositional_skills/a/gone/qna.yaml", None, gone),
            FileChange("compositional_skills/a/new/qna.yaml", QNA, None),
        ],
        author=AUTHOR,
        message="Change",
        when=WHEN,
    )
    files = out(store, since)
    told = json.loads(files.pop(CHANGES_FILE))
    assert files == {
        "compositional_skills/a/new/qna.yaml": QNA,
        f"{HAIKU}/qna.yaml": changed,
        f"{HAIKU}/attribution.txt": FILES[f"{HAIKU}/attribution.txt"],
    }
    assert {leaf["path"]: leaf["kind"] for leaf in told["leaves"]} == {
        "compositional_skills/a/gone": "removed",
        "compositional_skills/a/new": "added",
        HAIKU: "modified",
    }
    assert told["since"] == since


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_exported_archive_imported_elsewhere_gives_the_same_tree(
    kind: Any, store: TaxonomyStore, tmp_path: Path
) -> None:
    take(store, FILES)
    held = io.BytesIO()
    result = export_archive(store, store.head() or "", held, kind=kind)
    assert (result.files, result.leaves) == (5, 2)
    elsewhere = TaxonomyStore(tmp_path / "elsewhere.git")
    held.seek(0)
    import_files(elsewhere, read_archive(held, f"a.{kind}"), mode="add", author=AUTHOR, when=WHEN, source="an archive")
    trees = [one.repository.commit(one.head() or "").tree.id for one in (store, elsewhere)]
    assert trees[0] == trees[1]


def test_a_folder_with_anything_in_it_is_not_written_over(store: TaxonomyStore, tmp_path: Path) -> None:
    take(store, FILES)
    target = tmp_path / "out"
    export_folder(store, store.head() or "", target)
    assert read_folder(target).files == FILES
    with pytest.raises(FileExistsError):
        export_folder(store, store.head() or "", target)
