"""The taxonomy from a shell."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from taxonomy_repo.__main__ import main
from taxonomy_repo.checks.registry import GOOD_ATTRIBUTION, GOOD_SKILL
from taxonomy_repo.folder import leaf_path
from taxonomy_repo.starter import FOLDER


@pytest.fixture
def taxonomy(tmp_path: Path) -> Path:
    """A taxonomy with a good and a bad leaf and what lies about beside them."""
    bad = GOOD_SKILL.replace("What is the opposite of", "Which word is the contrary of").replace("Cold.", "no")
    for name, text in {"good": GOOD_SKILL, "bad": bad}.items():
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


def test_github_gets_commands_that_no_text_can_forge(taxonomy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = taxonomy / "compositional_skills/writing/bad/qna.yaml"
    bad.write_text(GOOD_SKILL.replace("Cold.", '"a\\n::error::b" : c'))
    main(["check", "--format", "github", str(bad)])
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith(("::error file=", "::warning file=", "::notice file=")) for line in lines)
    assert f"::error file={bad},line=6,col=" in lines[0]
    assert "in YAML%0A" not in lines[0]


def test_github_properties_escape_what_ends_them(taxonomy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = taxonomy / "compositional_skills/writing/a,line=9::x"
    folder.mkdir()
    (folder / "qna.yaml").write_text(GOOD_SKILL.replace("Cold.", "no"))
    main(["check", "--format", "github", str(folder)])
    assert "a%2Cline=9%3A%3Ax/qna.yaml,line=6" in capsys.readouterr().out.splitlines()[0]


def test_fix_mends_in_place_says_what_and_checks_what_is_then_there(
    taxonomy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = taxonomy / "compositional_skills/writing/bad/qna.yaml"
    bad.chmod(0o640)
    assert main(["check", "--fix", str(taxonomy)]) == 0
    written = capsys.readouterr()
    assert f"{bad}:6: mended: Put quotes around the answer no" in written.err
    assert summary(written.out)["mended"] == 1
    assert '    answer: "no"\n' in bad.read_text()
    assert bad.stat().st_mode & 0o777 == 0o640
    assert main(["check", "--fix", str(taxonomy)]) == 0
    assert summary(capsys.readouterr().out)["mended"] == 0


def test_a_version_can_be_asked_for(taxonomy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = taxonomy / "compositional_skills/writing/good"
    assert main(["check", "--schema-version", "3", str(good)]) == 0
    assert main(["check", "--schema-version", "2", str(good)]) == 1
    assert "checked as version 2" in capsys.readouterr().out


def test_convert_writes_old_skills_as_the_current_version_and_leaves_what_is_broken(
    taxonomy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = taxonomy / "compositional_skills/writing/good/qna.yaml"
    good.write_text(GOOD_SKILL.replace("version: 3\n", ""))
    bad = taxonomy / "compositional_skills/writing/bad/qna.yaml"
    before = bad.read_bytes()
    assert main(["convert", "--dry-run", str(taxonomy)]) == 1
    assert "version" not in good.read_text()
    assert main(["convert", str(taxonomy)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert json.loads(lines[-1]) == {"verb": "convert", "files": 2, "converted": 1, "current": 0, "left": 1}
    assert good.read_text() == GOOD_SKILL
    assert bad.read_bytes() == before
    assert any(line.startswith(f"{bad}: left: line 6: YAML reads no") for line in lines)


def test_stats_count_what_is_there(taxonomy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stats", str(FOLDER)]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (found["leaves"], found["unreadable"]) == (9, 0)
    assert found["kinds"]["knowledge"] == 3
    assert sum(found["branches"].values()) == 9
    assert found["pairs"] > found["seeds"] > 40
    assert main(["stats", str(taxonomy / "nowhere")]) == 2


def test_merge_joins_edits_of_different_seeds_and_names_the_fields_of_a_conflict(
    taxonomy: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    sides = {
        "base": GOOD_SKILL,
        "ours": GOOD_SKILL.replace("Cold.", "Chilly."),
        "theirs": GOOD_SKILL.replace("Light.", "Weightless."),
        "other": GOOD_SKILL.replace("Cold.", "Freezing."),
    }
    for name, text in sides.items():
        (taxonomy / name).write_text(text)
    base, ours, theirs, other = (str(taxonomy / name) for name in sides)
    place = ["--path", "compositional_skills/writing/good/qna.yaml"]
    assert main(["merge", base, ours, theirs, *place]) == 0
    merged = capsysbinary.readouterr().out.decode()
    assert merged == sides["ours"].replace("Light.", "Weightless.")
    assert main(["merge", base, ours, theirs, "--output", ours, *place]) == 0
    assert Path(ours).read_text() == merged
    assert main(["merge", base, ours, other, *place]) == 1
    assert b"seed_examples[0].answer" in capsysbinary.readouterr().err
    (taxonomy / "other").write_text("a: [")
    assert main(["merge", base, ours, other, *place]) == 2


def test_diff_tells_leaves_and_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    def put(name: str, text: str) -> None:
        file = tmp_path / "compositional_skills" / name / "qna.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    git("init", "-q")
    put("a", GOOD_SKILL)
    put("b", GOOD_SKILL.replace("ann", "bob"))
    git("add", ".")
    git("commit", "-qm", "one")
    put("a", GOOD_SKILL.replace("Light.", "Weightless.").replace("created_by: ann", "created_by: eve"))
    put("c", GOOD_SKILL.replace("ann", "cleo").replace("opposite", "contrary"))
    git("rm", "-rq", "compositional_skills/b")
    git("add", ".")
    git("commit", "-qm", "two")
    where = ["--repository", str(tmp_path)]
    assert main(["diff", "HEAD~1", "HEAD", "--format", "json", *where]) == 1
    written = capsys.readouterr()
    told = {line["path"]: line for line in map(json.loads, written.out.splitlines())}
    assert {path: line["kind"] for path, line in told.items()} == {
        "compositional_skills/a": "modified",
        "compositional_skills/b": "removed",
        "compositional_skills/c": "added",
    }
    assert told["compositional_skills/a"]["fields"] == [
        {"field": "created_by", "before": "ann", "after": "eve"},
        {"field": "seed_examples[4].answer", "before": "Light.", "after": "Weightless."},
    ]
    assert main(["diff", "HEAD", "HEAD", *where]) == 0
    assert main(["diff", "HEAD", "nowhere", *where]) == 2
    assert "There is no version nowhere" in capsys.readouterr().err
    assert main(["diff", "HEAD", "HEAD", "--repository", str(tmp_path / "compositional_skills" / "none")]) == 2


def test_checking_loads_no_git_and_needs_two_packages_only(taxonomy: Path) -> None:
    program = (
        "import sys; from taxonomy_repo.__main__ import main; main(['check', sys.argv[1]]); "
        "print(sorted({'pygit2', 'git', 'django', 'torch', 'instructlab', 'yamllint'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(taxonomy)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_output_that_nobody_reads_to_its_end_is_no_failure_of_the_program(taxonomy: Path) -> None:
    bad = taxonomy / "compositional_skills/writing/bad/qna.yaml"
    bad.write_text("version: 3\n" + "x: y \n" * 3000)
    command = [sys.executable, "-m", "taxonomy_repo", "check", str(taxonomy)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 1


# --- For a taxonomy on a code host ------------------------------------------------------------------------------

PROJECT = Path(__file__).resolve().parents[2]


def run_shell(command: list[str], taxonomy: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=taxonomy,
        env={**os.environ, "PYTHON": sys.executable, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_hooks_of_pre_commit_check_the_files_that_they_are_given(taxonomy: Path) -> None:
    # A folder of the taxonomy must not stand in for a module of the program.
    (taxonomy / "taxonomy_repo").mkdir()
    (taxonomy / "taxonomy_repo" / "__init__.py").write_text("raise SystemExit('the wrong one')")
    hooks = {hook["id"]: hook for hook in yaml.safe_load((PROJECT / ".pre-commit-hooks.yaml").read_text())}
    bad = "compositional_skills/writing/bad/qna.yaml"
    for name, status in (("seedbed-check", 1), ("seedbed-mend", 0)):
        hook = hooks[name]
        assert hook["language"] == "script"
        assert re.search(hook["files"], bad)
        program, *arguments = hook["entry"].split()
        done = run_shell([str(PROJECT / program), *arguments, bad], taxonomy)
        assert done.returncode == status, done.stderr
        assert '"files": 1' in done.stdout


def test_the_action_shows_problems_beside_their_lines(taxonomy: Path) -> None:
    action = yaml.safe_load((PROJECT / "action.yml").read_text())
    (step,) = action["runs"]["steps"]
    assert "${{" not in step["run"]
    environ = {"PATHS": "compositional_skills\n\n", "SCHEMA_VERSION": "0", "ACTION": str(PROJECT)}
    assert set(environ) == set(step["env"])
    done = run_shell(["bash", "-e", "-o", "pipefail", "-c", step["run"]], taxonomy, **environ)
    assert done.returncode == 1
    assert "::error file=compositional_skills/writing/bad/qna.yaml,line=6,col=13,title=not-text::" in done.stdout


def test_a_python_that_is_too_old_is_said_in_one_sentence(taxonomy: Path) -> None:
    old = taxonomy / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = run_shell([str(PROJECT / "deploy/taxonomy_check.sh"), "check", "."], taxonomy, PYTHON=str(old))
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs Python 3.11 or newer" in done.stderr
