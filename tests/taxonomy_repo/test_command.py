"""The taxonomy from a shell."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from taxonomy_repo.__main__ import main
from taxonomy_repo.checks.registry import GOOD_ATTRIBUTION, GOOD_SKILL
from taxonomy_repo.folder import leaf_path
from taxonomy_repo.starter import FOLDER


@pytest.fixture
def taxonomy(tmp_path: Path) -> Path:
    """A taxonomy with a good and a bad leaf and what lies about beside them."""
    for name, text in {"good": GOOD_SKILL, "bad": GOOD_SKILL.replace("Cold.", "no")}.items():
        folder = tmp_path / "compositional_skills" / "writing" / name
        folder.mkdir(parents=True)
        (folder / "qna.yaml").write_text(text)
        (folder / "attribution.txt").write_text(GOOD_ATTRIBUTION)
    (tmp_path / ".github").mkdir()
    (tmp_path / ".github" / "workflow.yaml").write_text("a: 1\n")
    (tmp_path / "settings.yml").write_text("a: 1\n")
    return tmp_path


def summary(text: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(text.strip().splitlines()[-1])
    found.pop("seconds")
    return found


def test_a_whole_taxonomy_is_checked_and_its_errors_decide_the_exit_status(
    taxonomy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(taxonomy)]) == 1
    lines = capsys.readouterr().out.splitlines()
    bad = taxonomy / "compositional_skills/writing/bad/qna.yaml"
    assert lines[0].startswith(f"{bad}:6:13: error: YAML reads no as yes or no")
    assert lines[0].endswith("[not-text]")
    assert summary(lines[-1]) == {"verb": "check", "files": 2, "valid": 1, "errors": 1, "warnings": 0, "notes": 0}


def test_a_leaf_folder_and_a_file_can_be_named_alone_and_count_once(
    taxonomy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = taxonomy / "compositional_skills/writing/good"
    assert main(["check", str(good), str(good / "qna.yaml")]) == 0
    assert summary(capsys.readouterr().out)["files"] == 1


def test_json_gives_one_object_for_each_file_and_the_summary_apart(
    taxonomy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", "--format", "json", str(taxonomy)]) == 1
    written = capsys.readouterr()
    bad, good = (json.loads(line) for line in written.out.splitlines())
    assert good["valid"] is True
    assert good["problems"] == []
    assert bad["valid"] is False
    (problem,) = bad["problems"]
    assert set(problem) == {"code", "severity", "message", "line", "column", "field"}
    assert (problem["code"], problem["line"], problem["field"]) == ("not-text", 6, "seed_examples[0].answer")
    assert summary(written.err)["errors"] == 1


def test_a_leaf_under_another_name_is_told_what_it_should_be_called(
    taxonomy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (taxonomy / "compositional_skills/writing/good/jokes.yml").write_text(GOOD_SKILL)
    assert main(["check", str(taxonomy / "compositional_skills/writing/good")]) == 1
    assert "Rename jokes.yml" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nowhere", "empty"])
def test_where_nothing_can_be_checked_one_sentence_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["check", str(tmp_path / name)]) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert len(written.err.splitlines()) == 1


def test_it_runs_as_a_program_without_django_or_torch() -> None:
    program = (
        "import runpy, sys; sys.argv = ['x', 'check', sys.argv[1]]\n"
        "try: runpy.run_module('taxonomy_repo', run_name='__main__')\n"
        "except SystemExit as end: status = end.code\n"
        "print(status, sorted({'django', 'torch', 'pygit2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program, FOLDER], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []"


def test_help_tells_the_verbs_and_the_forms(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in ((["--help"], "check"), (["check", "--help"], "Exit status")):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
        assert words in capsys.readouterr().out


def test_the_place_of_a_leaf_starts_at_its_branch(tmp_path: Path) -> None:
    assert leaf_path(tmp_path / "knowledge/x/qna.yaml") == "knowledge/x"
    assert leaf_path(tmp_path / "knowledge/old/compositional_skills/x/qna.yaml") == "compositional_skills/x"
    assert leaf_path(tmp_path / "other/qna.yaml") == ""
