"""Mending: what is mended can be read, says the same, and stays as it is when it is mended again."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy_repo.checks import REGISTRY, check_leaf
from taxonomy_repo.checks.registry import GOOD_KNOWLEDGE, GOOD_PATH, GOOD_SKILL, load_checks
from taxonomy_repo.leaf import read_leaf, write_leaf
from taxonomy_repo.mending import mend_leaf
from tests.taxonomy_repo.strategies import SKILL_LEAVES

load_checks()


def skill(answer: str) -> bytes:
    """A good leaf whose first answer is written as ``answer``, with all that stands behind its key."""
    return GOOD_SKILL.replace(" Cold.", answer, 1).encode()


def first_answer(data: bytes) -> str:
    reading = read_leaf(data, GOOD_PATH)
    assert reading.valid, reading.problems
    assert reading.leaf is not None
    return reading.leaf.pairs()[0].answer


BROKEN = {
    "a colon inside plain text": (" Look: it is cold.", "Look: it is cold."),
    "a colon in a later line of plain text": (" It is\n      so: cold.", "It is so: cold."),
    "text below a sign that is not indented": (" |\n    Cold\n    and wet.", "Cold\nand wet."),
    "text below a sign at the very start of its line": (" |\nCold\n  and wet.", "Cold\n  and wet.\n"),
    "a second line that is less indented": (" |\n        Cold\n      and wet.", "Cold\nand wet."),
    "text behind the sign": (" | Cold.", "Cold."),
    "text glued to the sign": (" |Cold.", "Cold."),
    "a comment glued to the sign": (" |-# why\n      Cold.", "Cold."),
    "a truth value": (" no", "no"),
    "a number": (" 42", "42"),
    "a date": (" 2024-05-01", "2024-05-01"),
    "a sign that YAML keeps": (" @home", "@home"),
    "a star": (" *bold* text", "*bold* text"),
    "a percent sign": (" % of all", "% of all"),
    "an apostrophe inside single quotes": (" 'It's cold.'", "It's cold."),
    "words behind a quotation": (' "Cold" is right.', '"Cold" is right.'),
    "a backslash inside double quotes": (r' "C:\good"', r"C:\good"),
    "a tab before the text": ("\tCold.", "Cold."),
    "no space behind the colon": ("Cold.", "Cold."),
}


@pytest.mark.parametrize(("written", "meant"), BROKEN.values(), ids=BROKEN)
def test_what_people_get_wrong_is_mended_to_what_they_meant(written: str, meant: str) -> None:
    data = skill(written)
    assert not read_leaf(data, GOOD_PATH).valid
    mending = mend_leaf(data)
    assert first_answer(mending.data).rstrip("\n") == meant.rstrip("\n")
    assert [p for p in check_leaf(mending.data, GOOD_PATH, None) if p.severity == "error"] == []
    assert mending.repairs[0].line == 6
    assert mending.repairs[0].message.endswith(".")


def test_several_faults_in_one_file_are_all_mended() -> None:
    text = GOOD_SKILL.replace("Cold.", "a: b").replace("Low.", "|\n    down\n    there").replace("Late.", "yes")
    mending = mend_leaf(text.encode())
    reading = read_leaf(mending.data, GOOD_PATH)
    assert reading.leaf is not None
    assert [pair.answer.strip() for pair in reading.leaf.pairs()] == ["a: b", "down\nthere", "Closed.", "yes", "Light."]
    assert len(mending.repairs) == 3


def test_the_rest_of_the_file_stays_as_it_was() -> None:
    text = "# written by hand\n" + GOOD_SKILL.replace("Cold.", "no # really").replace("Low.", "'Low.'")
    assert mend_leaf(text.encode()).data.decode() == text.replace("no # really", '"no" # really')


def test_values_that_are_no_texts_are_left_alone() -> None:
    assert mend_leaf(GOOD_KNOWLEDGE.encode()).repairs == ()
    assert b"version: 3\n" in mend_leaf(GOOD_KNOWLEDGE.replace("domain: Harbours", "domain: 7").encode()).data


def test_what_cannot_be_read_at_all_is_given_back() -> None:
    for data in (b"", b"\xff\xfe", b"a\x00b: c: d", b"[" * 30_000, b"x" * 2_000_000):
        assert mend_leaf(data) == (mend_leaf(data).__class__)(data, ())


@pytest.mark.parametrize("check", [c for c in REGISTRY.values() if c.example], ids=lambda check: check.code)
def test_mending_makes_no_example_worse_and_is_done_once(check) -> None:  # type: ignore[no-untyped-def]
    data = check.example.data
    before = sum(p.severity == "error" for p in check_leaf(data, check.example.path))
    mending = mend_leaf(data)
    assert sum(p.severity == "error" for p in check_leaf(mending.data, check.example.path)) <= before
    assert mend_leaf(mending.data).repairs == ()


@settings(max_examples=60, deadline=None)
@given(SKILL_LEAVES)
def test_a_leaf_that_is_written_here_needs_no_mending(leaf) -> None:  # type: ignore[no-untyped-def]
    data = write_leaf(leaf)
    assert mend_leaf(data).data == data


_LINES = st.sampled_from(
    [
        "created_by:ann",
        "seed_examples:",
        "  - question: What: now?",
        "  - question: plain",
        "    answer: |",
        "    answer: 'it's'",
        "    answer: no",
        "    context: >",
        "      more: text",
        "text",
        "- y",
        "key:",
        "\tx",
        "",
        "'",
        '"',
        "  # note",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_LINES, max_size=12).map("\n".join))
def test_no_letter_is_lost_or_added_whatever_the_file(text: str) -> None:
    mending = mend_leaf(text.encode())
    letters = re.compile(r"[\W\d_]+")
    assert letters.sub("", mending.data.decode()) == letters.sub("", text)
    assert mend_leaf(mending.data).repairs == ()
