"""The short way of telling that a file is indented rightly, beside the walk over its tokens."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy_repo.checks.indentation import _Shape, _Walk
from taxonomy_repo.checks.registry import GOOD_KNOWLEDGE, GOOD_SKILL
from taxonomy_repo.yaml_source import YamlSource, read_source


def told(source: YamlSource) -> tuple[bool, bool]:
    """Whether the short way lets the file pass, and whether the walk finds nothing."""
    assert source.root is not None
    short = _Shape(source.text).is_regular(source.root)
    return short, not list(_Walk(source.text).misplaced(source.tokens))


@pytest.mark.parametrize(
    "text", [GOOD_SKILL, GOOD_KNOWLEDGE, GOOD_SKILL.replace("\n  ", "\n")], ids=["skill", "knowledge", "flat"]
)
def test_an_ordinary_leaf_needs_no_walk(text: str) -> None:
    assert told(read_source(text.encode())) == (True, True)


@pytest.mark.parametrize(
    "text",
    [
        "a:\n  - b\nc:\n- d\n",
        "a:\n- b\nc:\n  - d\n",
        "a:\n  b: c\nd:\n    e: f\n",
        "a:\n   - b\nc:\n  d: e\n",
        "a:\n  b\nc:\n   d\n",
        "a:\n  -\n    b: c\n  -\n      d: e\n",
    ],
)
def test_what_is_indented_now_so_now_otherwise_does_not_pass_the_short_way(text: str) -> None:
    assert told(read_source(text.encode())) == (False, False)


def mapping(choose: Random, column: int, depth: int = 0) -> str:
    """Keys with values of all kinds, mostly but not always indented alike."""
    lines = []
    for number in range(choose.randint(1, 3)):
        further = column + choose.choice([2, 2, 2, 2, 1, 3, 4])
        head, below = f"{' ' * column}k{number}:", " " * further
        kind = choose.randrange(12) if depth < 4 else 0
        if kind < 2:
            lines.append(f"{head} v" + choose.choice(["", "", f"\n{below}w"]))
        elif kind < 4:
            values = [
                f"\n{below}v",
                f" |\n{below}v",
                "",
                ' ""',
                " [a, b]",
                " {a: b}",
                f" [a,\n{below}b]",
                " &n v",
                " !!str v",
            ]
            lines.append(head + choose.choice(values))
        elif kind < 7:
            lines.append(f"{head}\n{mapping(choose, further, depth + 1)}")
        else:
            lines.append(f"{head}\n{sequence(choose, choose.choice([column, further, further]), depth)}")
    return "\n".join(lines)


def sequence(choose: Random, column: int, depth: int) -> str:
    lines = []
    for _ in range(choose.randint(1, 3)):
        spaces = choose.choice([1, 1, 1, 2, 3])
        item = mapping(choose, column + 1 + spaces, depth + 1)[column + 1 + spaces :]
        items = [
            "v",
            "v",
            "",
            f"\n{' ' * (column + 2)}v",
            f"- v\n{' ' * (column + 2)}- w",
            "[a]",
            item,
            item,
            item,
            item,
        ]
        chosen = choose.choice(items)
        lines.append(f"{' ' * column}-{' ' * spaces if chosen is item else ' '}{chosen}")
    return "\n".join(lines)


@settings(max_examples=400, deadline=None)
@given(st.randoms(use_true_random=False))
def test_what_passes_the_short_way_is_what_the_walk_finds_nothing_in(choose: Random) -> None:
    source = read_source(f"{mapping(choose, 0)}\n".encode())
    if source.root is not None:
        short, walked = told(source)
        assert walked or not short
