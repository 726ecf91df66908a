"""Comments that tell the public linter to be silent: obeyed here as there."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taxonomy_repo.checks import check_leaf
from taxonomy_repo.checks.directives import RULES, Directives
from taxonomy_repo.checks.registry import GOOD_PATH, GOOD_SKILL
from taxonomy_repo.yaml_source import read_source
from tests.taxonomy_repo.public_checker import public_verdict

# Each breaks one rule of the linter, in a line of its own.
FAULTS = {
    "trailing-spaces": ("answer: Cold.", "answer: Cold.  "),
    "colons": ("answer: Low.", "answer:  Low."),
    "hyphens": (
        "  - question: What is the opposite of open?\n    a",
        "  -  question: What is the opposite of open?\n     a",
    ),
    "empty-lines": ("    answer: Late.\n", "    answer: Late.\n\n\n\n"),
    "indentation": (
        "    answer: Light.\n",
        "    answer: Light.\n  - question: Up?\n    answer:\n            Down.\n",
    ),
    "key-duplicates": ("    answer: Closed.\n", "    answer: Shut.\n    answer: Closed.\n"),
    "new-line-at-end-of-file": ("    answer: Light.\n", "    answer: Light."),
}
DIRECTIVES = st.builds(
    "{}# yamllint {}{}{}".format,
    st.sampled_from(["", "", " ", "  "]),
    st.sampled_from(["disable", "enable", "disable-line", "disable-file", "disable-lines", "off"]),
    st.lists(st.sampled_from([*sorted(RULES), "no-such-rule"]), max_size=3).map(
        lambda names: "".join(f" rule:{name}" for name in names)
    ),
    st.sampled_from(["", "", " ", " because"]),
)


def verdicts(text: str) -> tuple[bool, bool]:
    """Ours and the public checker's: whether the text has no error."""
    ours = not any(problem.severity == "error" for problem in check_leaf(text.encode(), GOOD_PATH))
    return ours, public_verdict(text.encode(), GOOD_PATH)[0]


def broken(*rules: str) -> str:
    text = GOOD_SKILL
    for rule in rules:
        assert FAULTS[rule][0] in text
        text = text.replace(*FAULTS[rule], 1)
    return text


@pytest.mark.parametrize("rule", FAULTS)
def test_a_rule_is_silent_where_it_is_told_to_be_and_speaks_otherwise(rule: str) -> None:
    text = broken(rule)
    assert verdicts(text) == (False, False)
    for directive, silent in (
        ("# yamllint disable", True),
        (f"# yamllint disable rule:{rule}", True),
        ("# yamllint disable-file", True),
        ("# yamllint disable rule:no-such-rule", False),
        ("# yamllint disable\n# yamllint enable", False),
        (f"# yamllint disable\n# yamllint enable rule:{rule}", False),
        ("# yamllint disable-line", False),
        ("# yamllint disable because", False),
    ):
        assert verdicts(f"{directive}\n{text}") == (silent, silent), directive


def test_a_line_is_silent_by_a_comment_behind_it_or_above_it() -> None:
    text = broken("colons")
    assert verdicts(text.replace("answer:  Low.", "answer:  Low. # yamllint disable-line")) == (True, True)
    assert verdicts(text.replace("    answer:  Low.", "    # yamllint disable-line\n    answer:  Low.")) == (True, True)
    # Not in a text, and not two lines above.
    assert verdicts(text.replace("answer:  Low.", "answer:  'Low. # yamllint disable-line'")) == (False, False)
    assert verdicts(text.replace("high?", "high? # yamllint disable-line")) == (False, False)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=2, unique=True),
    st.lists(st.tuples(st.integers(0, 16), st.booleans(), DIRECTIVES), min_size=1, max_size=4),
)
@example(["new-line-at-end-of-file"], [(0, True, "# yamllint disable"), (14, False, "# yamllint enable")])
def test_whatever_comments_say_the_verdict_is_that_of_the_public_checker(
    rules: list[str], directives: list[tuple[int, bool, str]]
) -> None:
    if {"indentation", "new-line-at-end-of-file"} <= set(rules):
        rules = rules[:1]  # both change the last line
    lines = broken(*rules).split("\n")
    for at, alone, directive in sorted(directives, reverse=True):
        at = min(at, len(lines) - 1)  # noqa: PLW2901
        if alone:
            lines.insert(at, directive)
        else:
            lines[at] += f" {directive}"
    ours, theirs = verdicts("\n".join(lines))
    assert ours == theirs


def test_comments_are_found_between_tokens_only() -> None:
    text = "# yamllint disable rule:colons\na: '# yamllint enable'\nb: |\n  # yamllint enable\nc: d # yamllint enable\n"
    directives = Directives(text, read_source(text.encode()).tokens)
    assert [directives.silence("colons", line) for line in range(1, 7)] == [True, True, True, True, False, False]
