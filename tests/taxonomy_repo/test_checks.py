"""The checks: each finds what it is for, and together they agree with the public tools."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from instructlab.schema.taxonomy import TaxonomyParser, TaxonomyReadingException

from taxonomy_repo.checks import REGISTRY, Check, check_leaf
from taxonomy_repo.checks.registry import GOOD_ATTRIBUTION, GOOD_KNOWLEDGE, GOOD_PATH, GOOD_SKILL, load_checks
from taxonomy_repo.problem import Problem

SHARED = Path(os.environ.get("SEEDBED_SHARED_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
# A leaf that loops through a name has a name; a repeated seed has a repeated question.
ALSO = {"yaml-alias-loop": {"yaml-anchor"}, "duplicate-item": {"repeated-question"}}

if not REGISTRY:
    load_checks()


def codes(problems: list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


def check(qna: str, path: str = GOOD_PATH, attribution: str | None = GOOD_ATTRIBUTION) -> list[Problem]:
    return check_leaf(qna.encode(), path, None if attribution is None else attribution.encode())


@pytest.mark.parametrize("check", REGISTRY.values(), ids=REGISTRY)
def test_the_example_of_a_check_has_its_problem_and_no_other(check: Check) -> None:
    example = check.example
    attribution = None if example.attribution is None else example.attribution.encode()
    found = check_leaf(example.data, example.path, attribution)
    assert check.code in codes(found)
    assert set(codes(found)) <= {check.code} | ALSO.get(check.code, set())
    assert {problem.severity for problem in found if problem.code == check.code} == {check.severity}


@pytest.mark.parametrize("check", REGISTRY.values(), ids=REGISTRY)
def test_every_check_explains_itself(check: Check) -> None:
    assert check.explanation.endswith(".")
    assert len(check.explanation) > 40


def test_a_good_leaf_has_no_problem() -> None:
    assert check(GOOD_SKILL) == []
    assert check(GOOD_KNOWLEDGE, "knowledge/places/osk") == []


def test_problems_come_in_the_order_of_the_file() -> None:
    text = GOOD_SKILL.replace("Cold.", "no").replace("Light.", "4").replace("created_by: ann", "created_by: ann ")
    assert [problem.line for problem in check(text)] == [2, 6, 14]


def test_many_problems_of_one_kind_are_cut_off() -> None:
    seeds = "".join(f"  - question: q{number}\n    answer: a  \n" for number in range(500))
    found = check("version: 3\ncreated_by: ann\ntask_description: t\nseed_examples:\n" + seeds)
    assert codes(found) == ["lint-trailing-spaces"] * 50


def test_version_one_is_only_told_about_lint_because_the_public_tools_do_not_look() -> None:
    text = GOOD_SKILL.replace("version: 3", "version: 1").replace("created_by: ann", "created_by: ann  ")
    assert {problem.severity for problem in check(text)} == {"info"}


def test_a_source_without_a_licence_or_with_another_is_an_error_that_lists_the_allowed_ones() -> None:
    for attribution in ("Title of work: x\nCreator names: y\n", GOOD_ATTRIBUTION.replace("CC-BY-4.0", "Proprietary")):
        (problem,) = check(GOOD_SKILL, attribution=attribution)
        assert (problem.code, problem.severity) == ("licence-not-allowed", "error")
        assert "CC0-1.0" in problem.message


def test_addresses_kept_for_examples_are_not_taken_for_personal_data() -> None:
    assert check(GOOD_SKILL.replace("Cold.", "Write to ann@mail.example.org or bob@example.com.")) == []


def test_one_question_about_two_contexts_is_not_a_repetition() -> None:
    text = "version: 3\ncreated_by: ann\ntask_description: t\nseed_examples:\n" + "".join(
        f"  - context: Text number {number}\n    question: What number?\n    answer: Number {number}\n"
        for number in range(5)
    )
    assert check(text) == []


# --- Against the public tools -----------------------------------------------------------------------------------


def public_verdict(file: Path) -> bool:
    """Whether instructlab-schema's parser finds no error in ``file``, by the version that the file names."""
    parser = TaxonomyParser(schema_version=0, message_format="standard")
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            return parser.parse(file).errors == 0
    except TaxonomyReadingException:
        return False


@pytest.fixture
def public_tools(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The parser starts yamllint as a program, and yq for line numbers, which is not needed here."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert shutil.which("yamllint"), "yamllint comes with instructlab-schema"
    monkeypatch.setattr("instructlab.schema.taxonomy.subprocess.check_output", lambda *a, **k: "1")
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def public_leaves() -> list[tuple[Path, str]]:
    """Every shared leaf with the place that it has in its taxonomy."""
    found = []
    for taxonomy in sorted((SHARED / "taxonomies").glob("*")):
        found += [(f, f.parent.relative_to(taxonomy).as_posix()) for f in sorted(taxonomy.rglob("qna.yaml"))]
    samples = SHARED / "qna-samples"
    if samples.is_dir():
        for entry in json.loads((samples / "index.json").read_text(encoding="utf-8")):
            place = Path(entry["path"])
            for file in sorted((samples / entry["category"] / f"pr{entry['pr']:04d}").rglob("qna.yaml")):
                if place.name == "qna.yaml":
                    found.append((file, place.parent.as_posix()))
    return found


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no public leaves at {SHARED} (set SEEDBED_SHARED_DATA)")
@pytest.mark.timeout(600)
def test_the_verdict_on_every_public_leaf_is_that_of_the_public_parser(tmp_path: Path, public_tools: None) -> None:
    leaves = public_leaves()
    assert len(leaves) > 200
    different = []
    for number, (file, path) in enumerate(leaves):
        copy = tmp_path / str(number) / path / "qna.yaml"
        copy.parent.mkdir(parents=True)
        shutil.copy(file, copy)
        ours = not any(problem.severity == "error" for problem in check_leaf(file.read_bytes(), path))
        if ours != public_verdict(copy):
            different.append(f"{file} ({'we' if ours else 'they'} say it is valid)")
    assert different == []


@pytest.mark.parametrize("check", REGISTRY.values(), ids=REGISTRY)
def test_the_verdict_on_every_example_is_that_of_the_public_parser(
    check: Check, tmp_path: Path, public_tools: None
) -> None:
    stricter = {
        # Where this project refuses what the public parser lets pass, with the reason.
        "file-too-large": "it would be read for nothing",
        "empty-file": "there is no leaf",
        "yaml-alias-loop": "walking it would not end",
        "yaml-too-deep": "composing it could end the process",
        "yaml-merge-key": "the form cannot show it",
        "licence-not-allowed": "the public parser does not read attributions",
        "path-unsafe": "the public parser does not look at paths",
    }
    place = check.example.path if check.example.path and ".." not in check.example.path else GOOD_PATH
    file = tmp_path / place / "qna.yaml"
    file.parent.mkdir(parents=True)
    file.write_bytes(check.example.data)
    if check.code in stricter:
        assert check.severity == "error"
        return
    attribution = GOOD_ATTRIBUTION.encode()
    ours = not any(problem.severity == "error" for problem in check_leaf(check.example.data, place, attribution))
    assert ours == public_verdict(file)
