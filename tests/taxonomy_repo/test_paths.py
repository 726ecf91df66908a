"""Where leaves may lie."""

from __future__ import annotations

import pytest

from taxonomy_repo.paths import check_path, unsafe_reason


@pytest.mark.parametrize("path", ["compositional_skills/writing/haiku", "knowledge/a1", "foundational_skills/x-y/z_2"])
def test_a_plain_place_is_fine(path: str) -> None:
    assert check_path(path) == []


@pytest.mark.parametrize(
    "path",
    ["", "/etc", "a/../b", "../x", "a//b", "a/./b", "a\\b", "C:/x", "a/.git/b", "a/.GIT/b", "a/git~1", "a/b\n", "a\x00",
     "knowledge/x/"],
)  # fmt: skip
def test_an_unsafe_place_is_an_error_for_old_leaves_too(path: str) -> None:
    assert unsafe_reason(path) is not None
    for new in (True, False):
        (problem,) = check_path(path, new=new)
        assert (problem.code, problem.severity) == ("path-unsafe", "error")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("skills/x", "path-branch"),
        ("knowledge", "path-depth"),
        ("knowledge/" + "/".join("abcdefghijk"), "path-depth"),
        ("knowledge/Big", "path-name"),
        ("knowledge/two words", "path-name"),
        ("knowledge/_x", "path-name"),
        ("knowledge/é", "path-name"),
        ("knowledge/x\u200b", "path-name"),
        ("knowledge/" + "x" * 61, "path-name"),
        ("knowledge/con", "path-reserved"),
        ("knowledge/qna.yaml", "path-reserved"),
        ("knowledge/knowledge", "path-reserved"),
    ],
)
def test_a_new_leaf_is_held_to_the_grammar_and_an_old_one_is_told(path: str, code: str) -> None:
    assert [(p.code, p.severity) for p in check_path(path)] == [(code, "error")]
    assert [(p.code, p.severity) for p in check_path(path, new=False)] == [(code, "warning")]
