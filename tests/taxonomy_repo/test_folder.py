"""Leaves on a disk: what is found, and what is not opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from taxonomy_repo.checks.registry import GOOD_ATTRIBUTION, GOOD_KNOWLEDGE, GOOD_SKILL
from taxonomy_repo.folder import check_file, check_files, find_files, leaf_path
from taxonomy_repo.yaml_source import MOST_NODES
from tests.taxonomy_repo.hostile import HOSTILE, count_parts


def put(root: Path, place: str, text: str | bytes = GOOD_SKILL) -> Path:
    file = root / place / "qna.yaml"
    file.parent.mkdir(parents=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.with_name("attribution.txt").write_text(GOOD_ATTRIBUTION)
    return file


def codes(file: Path) -> list[str]:
    return [problem.code for problem in check_file(file).problems]


def test_links_are_neither_followed_nor_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("password: x\n")
    file = tmp_path / "compositional_skills" / "a" / "qna.yaml"
    file.parent.mkdir(parents=True)
    file.symlink_to(secret)
    (tmp_path / "compositional_skills" / "loop").symlink_to(tmp_path)
    assert list(find_files(tmp_path)) == [file]
    (problem,) = check_file(file).problems
    assert problem.code == "file-link"
    assert "link to another place" in problem.message


def test_a_linked_attribution_is_not_read_either(tmp_path: Path) -> None:
    file = put(tmp_path, "compositional_skills/a")
    secret = tmp_path / "secret.txt"
    secret.write_text(GOOD_ATTRIBUTION)
    file.with_name("attribution.txt").unlink()
    file.with_name("attribution.txt").symlink_to(secret)
    assert codes(file) == ["attribution-missing", "attribution-unreadable"]


@pytest.mark.parametrize("kind", ["pipe", "folder", "missing"])
def test_what_is_no_ordinary_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "qna.yaml"
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "folder":
        file.mkdir()
    assert codes(file) == ["file-unreadable"]


def bytes_read() -> int:
    """What this process has read so far, from files and all else (proc(5), io)."""
    return int(Path("/proc/self/io").read_text().split()[1])


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="this system does not count what is read")
def test_of_a_file_of_100_megabytes_nothing_is_read(tmp_path: Path) -> None:
    file = put(tmp_path, "compositional_skills/a")
    check_file(file)  # what is imported on the way is read now
    os.truncate(file, 100_000_000)
    before = bytes_read()
    (problem,) = check_file(file).problems
    assert bytes_read() - before < 10_000
    assert problem.code == "file-too-large"
    assert "100,000,000" in problem.message


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_clearly_and_with_little_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = HOSTILE[name]
    file = put(tmp_path, "compositional_skills/a", case.data)
    parts = count_parts(monkeypatch)
    checked = check_file(file)
    assert not checked.valid
    assert case.code in [problem.code for problem in checked.problems]
    assert all(problem.line is not None for problem in checked.problems if problem.code == case.code)
    # How long it takes is measured by bench/hostile_files.py; it follows from how much of the file is looked at.
    assert parts["nodes"] <= (MOST_NODES + 1 if case.many_parts else 1_000)
    assert parts["tokens"] <= 2_000


def test_the_place_of_a_leaf_follows_the_last_branch_that_the_public_tools_know(tmp_path: Path) -> None:
    assert leaf_path(Path("/x/knowledge/compositional_skills/a/qna.yaml")) == "compositional_skills/a"
    assert leaf_path(Path("/x/knowledge/foundational_skills/a/qna.yaml")) == "knowledge/foundational_skills/a"
    assert leaf_path(Path("/x/foundational_skills/a/qna.yaml")) == "foundational_skills/a"
    assert leaf_path(Path("/x/elsewhere/qna.yaml")) == ""


def test_places_that_differ_only_by_capitals_are_told(tmp_path: Path) -> None:
    files = [put(tmp_path, "compositional_skills/Writing/haiku"), put(tmp_path, "compositional_skills/writing/odes")]
    told = [[problem.code for problem in checked.problems] for checked in check_files(files)]
    assert "path-collision" not in told[0]
    assert "path-collision" in told[1]


def test_a_seed_that_another_leaf_has_is_told_once_with_where_it_is(tmp_path: Path) -> None:
    other = GOOD_SKILL.replace("What is", "What do people call").replace("hot?", "hot weather?")
    copied = "  - question: What is the opposite of heavy?\n    answer: Light.\n"
    files = [
        put(tmp_path, "compositional_skills/writing/one"),
        put(tmp_path, "compositional_skills/writing/two", other + copied),
        put(tmp_path, "knowledge/places/osk", GOOD_KNOWLEDGE),
    ]
    results = list(check_files(files))
    assert [checked.path for checked in results] == files
    told = [p for checked in results for p in checked.problems if p.code == "near-duplicate-elsewhere"]
    (problem,) = told
    assert "seed 5 of compositional_skills/writing/one (100% alike)" in problem.message
    assert (problem.line, problem.field) == (15, "seed_examples[5]")
    assert all(checked.valid for checked in results)
