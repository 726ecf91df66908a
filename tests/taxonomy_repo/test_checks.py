"""The checks: each finds what it is for, and together they agree with the public tools."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from taxonomy_repo.checks import REGISTRY, Check, check_leaf
from taxonomy_repo.checks.registry import GOOD_ATTRIBUTION, GOOD_KNOWLEDGE, GOOD_PATH, GOOD_SKILL, load_checks
from taxonomy_repo.problem import Problem
from tests.taxonomy_repo.public_checker import public_verdict

SHARED = Path(os.environ.get("SEEDBED_SHARED_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
# A leaf that loops through a name has a name; a repeated seed has a repeated question.
ALSO = {"yaml-alias-loop": {"yaml-anchor"}, "yaml-value": {"unknown-pair-key"}, "duplicate-item": {"repeated-question"}}

load_checks()


def codes(problems: list[Problem]) -> list[str]:
    return [problem.code for problem in problems]


def valid(problems: list[Problem]) -> bool:
    return not any(problem.severity == "error" for problem in problems)


def check(qna: str, path: str = GOOD_PATH, attribution: str | None = GOOD_ATTRIBUTION) -> list[Problem]:
    return check_leaf(qna.encode(), path, None if attribution is None else attribution.encode())


WITH_EXAMPLE = {code: check for code, check in REGISTRY.items() if check.example is not None}


@pytest.mark.parametrize("check", WITH_EXAMPLE.values(), ids=WITH_EXAMPLE)
def test_the_example_of_a_check_has_its_problem_and_no_other(check: Check) -> None:
    example = check.example
    assert example is not None
    attribution = None if example.attribution is None else example.attribution.encode()
    found = check_leaf(example.data, example.path, attribution, schema_version=example.schema_version)
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


def test_a_source_without_a_licence_or_with_another_is_told_the_allowed_ones() -> None:
    for attribution in ("Title of work: x\nCreator names: y\n", GOOD_ATTRIBUTION.replace("CC-BY-4.0", "Proprietary")):
        (problem,) = check(GOOD_SKILL, attribution=attribution)
        assert (problem.code, problem.severity) == ("licence-not-allowed", "warning")
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
def test_the_verdict_on_every_public_leaf_is_that_of_the_public_checker() -> None:
    leaves = public_leaves()
    assert len(leaves) > 200
    different = []
    for file, path in leaves:
        data = file.read_bytes()
        for version in (None, 3):
            ours = valid(check_leaf(data, path, schema_version=version))
            if ours != public_verdict(data, path, version)[0]:
                different.append(f"{file} as {version} ({'we' if ours else 'they'} say it is valid)")
    assert different == []


STRICTER = {
    # Where this project refuses what the public checker lets pass, with the reason.
    "file-too-large": "it would be read for nothing",
    "yaml-alias-loop": "walking it would not end",
    "yaml-too-deep": "composing it could end the process",
    "path-unsafe": "the public checker does not look at paths",
}


@pytest.mark.parametrize("check", WITH_EXAMPLE.values(), ids=WITH_EXAMPLE)
def test_the_verdict_on_every_example_is_that_of_the_public_checker(check: Check) -> None:
    if check.code in STRICTER:
        assert check.severity == "error"
        return
    example = check.example
    assert example is not None
    problems = check_leaf(example.data, example.path, GOOD_ATTRIBUTION.encode(), schema_version=example.schema_version)
    assert valid(problems) == public_verdict(example.data, example.path, example.schema_version)[0]


INDENTED = [
    "a:\n- b\n- c:\n  - d\n",
    "a:\n  - b\nc:\n- d\n",
    "a:\n    - b\nc:\n  d: e\n",
    "a: [b,\n  c]\nd: {e: f,\n    g: h\n}\n",
    "a: {\n  b: c\n}\nd: [\n  e,\n  f\n  ]\n",
    "a: &x\n  b: c\nd: !!str\n  e\n",
    "a:\n  -\n    b: c\n  -\n      d: e\n",
    "? a\n: b\n? c\n:\n  d\n",
    "a: |\n     b\n      c\nd:\n  e: >-\n     f\n",
    'a: "b\n  c"\nd:\n  - "e\n f"\n',
    "a:\n- - b\n  - c\n-   - d\n    - e\n",
    "a: b\n  # out of line\nc:\n   d: e\n",
    "a: ''\n \nb:\n  c:\n  - d\n",
    "a: {b: c , d: e}\nf: [ g,h ]\ni: [  j]\n",
    "a : b\nc:  d\n-   e\n",
    "a: *x\nb: [c\n  , d]\n? [e]\n",
    "? a\n?   b\n",
    "a: {b, c: , ? d : e}\n",
]


@pytest.mark.parametrize("text", INDENTED)
def test_the_lint_of_any_yaml_is_that_of_the_public_linter(text: str) -> None:
    """Below keys that a pair may have besides its own nothing but the form is judged."""
    body = "".join(f"          {line}\n" if line else "\n" for line in text.splitlines())
    leaf = GOOD_KNOWLEDGE.replace("        answer: There is.\n", f"        answer: There is.\n        more:\n{body}", 1)
    ours = valid(check(leaf, "knowledge/places/osk"))
    theirs, said = public_verdict(leaf.encode(), "knowledge/places/osk")
    assert ours == theirs, said


@pytest.mark.parametrize("sign", ["| # x", "|# x", ">#", ">-# x", "|2#x", "'|'# x", '"a|#b"', "a |# x"])
def test_a_comment_right_behind_the_sign_of_a_block_is_refused_as_the_public_parser_does(sign: str) -> None:
    text = GOOD_SKILL.replace("answer: Cold.", f"answer: {sign}" + ("\n      Cold." if sign[0] in "|>" else ""))
    found = check(text)
    assert valid(found) == public_verdict(text.encode(), GOOD_PATH)[0]
    assert valid(found) or [(problem.line, "before its #" in problem.message) for problem in found] == [(6, True)]
