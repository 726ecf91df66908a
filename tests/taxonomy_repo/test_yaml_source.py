"""Guarding against YAML that hurts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy_repo.checks import check_leaf
from taxonomy_repo.checks.registry import GOOD_SKILL
from taxonomy_repo.yaml_source import MOST_BYTES, MOST_DEPTH, read_source
from tests.taxonomy_repo.hostile import count_parts

BILLION_LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))


def codes(data: bytes | str) -> list[str]:
    source = read_source(data.encode() if isinstance(data, str) else data)
    return [problem.code for problem in source.problems if problem.severity == "error"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"x" * (MOST_BYTES + 1), "file-too-large"),
        (GOOD_SKILL.encode("utf-16"), "not-utf8"),
        (b"a: \xe4\n", "not-utf8"),
        ("a: b\x00c\n", "control-character"),
        ("a: \x1b[31m\n", "control-character"),
        ("a: " + "[" * 100_000, "yaml-too-deep"),
        ("a: " + "{a: " * 100_000, "yaml-too-deep"),
        ("- " * 100_000 + "a", "yaml-too-deep"),
        ("? " * 100_000 + "a", "yaml-too-deep"),
        (BILLION_LAUGHS, "yaml-alias-loop"),
        ("a: &a [*a]\n", "yaml-alias-loop"),
        ("a: &a {b: *a}\n", "yaml-alias-loop"),
        ("a: *nowhere\n", "yaml-syntax"),
        ("a:\tb\n", "yaml-tab"),
        ("a: 1\n---\nb: 2\n", "yaml-syntax"),
    ],
)
def test_what_could_hurt_is_refused_with_little_work(
    data: bytes | str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = count_parts(monkeypatch)
    assert codes(data) == [code]
    assert parts["nodes"] <= 500
    assert parts["tokens"] <= 500


def test_nesting_up_to_the_limit_is_read() -> None:
    depth = MOST_DEPTH - 1
    assert codes("a: " + "[" * depth + "]" * depth + "\n") == []


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_checking_never_raises_whatever_the_bytes(data: bytes) -> None:
    for problem in check_leaf(data, "knowledge/a", data):
        assert problem.message.endswith((".", ")"))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, len(GOOD_SKILL)), st.sampled_from(list(":-#|>[]{}'\"\t\n &*!%@`?,\\~é\x07")), st.booleans())
def test_every_problem_of_a_damaged_leaf_lies_within_the_file(position: int, character: str, replace: bool) -> None:
    damaged = GOOD_SKILL[:position] + character + GOOD_SKILL[position + replace :]
    lines = damaged.count("\n") + 1
    for problem in check_leaf(damaged.encode(), "compositional_skills/a", b""):
        assert problem.line is None or 1 <= problem.line <= lines


def test_a_colon_in_plain_text_is_explained_at_its_place() -> None:
    (problem,) = read_source(b"a: 1\nquestion: Which is right: this?\n").problems
    assert (problem.line, problem.column) == (2, 25)
    assert "Put the text in quotes" in problem.message


def test_an_unclosed_quote_is_shown_where_it_opens() -> None:
    (problem,) = read_source(b"a: 1\nb: 'never closed\nc: 2\n").problems
    assert problem.line == 2
    assert "never closed" in problem.message


def test_columns_count_characters_not_bytes() -> None:
    (problem,) = read_source("é😀: a: b\n".encode()).problems
    assert problem.column == 6
