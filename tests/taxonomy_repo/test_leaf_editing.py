"""A leaf changed in its own text: what did not change stays byte for byte."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from taxonomy_repo.leaf import KnowledgeSeed, Leaf, QuestionAnswer, Seed, SeedExample, read_leaf, write_leaf
from taxonomy_repo.leaf_editing import edit_leaf
from tests.taxonomy_repo.strategies import KNOWLEDGE_LEAVES, SKILL_LEAVES

SKILL = "compositional_skills/writing/haiku"
KNOWLEDGE = "knowledge/places/osk"
SHARED = Path(os.environ.get("SEEDBED_SHARED_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
PUBLIC = SHARED / "taxonomies"

# As somebody might keep it: keys in an order of their own, every style of text, comments everywhere.
OWN_WAY = """\
# Riddles of our allotment
version: 3
task_description: 'Make a riddle.'   # one line
created_by: rosa

seed_examples:
# the first one is the best
- answer: |   # a block
    I grow in rows,
    my name is bean.
  question: "Make a riddle about the bean."

# this one needs work
- question: Make a riddle about the pea.
  answer: >-
    Round and green
    and five in a pod.
  # nothing more

- question: >
    Make a riddle about kale.
  answer: Curly and bitter.
# the end
"""


def changed(leaf: Leaf, at: int, **parts: str) -> Leaf:
    seeds = list(leaf.seed_examples)
    seeds[at] = replace(seeds[at], **parts)
    return replace(leaf, seed_examples=tuple(seeds))


def lines_changed(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that were taken out and those that came in, between what both begin and end with."""
    old, new = before.split("\n"), after.split("\n")
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return old, new


def edited(text: str, wanted: Leaf, path: str = SKILL) -> str:
    made = edit_leaf(text.encode(), path, wanted).decode()
    assert read_leaf(made.encode(), path).leaf == wanted
    return made


@pytest.fixture
def own() -> Leaf:
    leaf = read_leaf(OWN_WAY.encode(), SKILL).leaf
    assert leaf is not None
    return leaf


def test_what_is_not_changed_comes_back_to_the_letter(own: Leaf) -> None:
    assert edit_leaf(OWN_WAY.encode(), SKILL, own) == OWN_WAY.encode()
    windows = OWN_WAY.replace("\n", "\r\n").encode()
    assert edit_leaf(windows, SKILL, own) == windows


@pytest.mark.parametrize(
    ("at", "parts", "out", "come"),
    [
        (0, {"answer": "I climb a pole,\nmy name is bean.\n"}, ["    I grow in rows,"], ["    I climb a pole,"]),
        (
            0,
            {"question": 'Say "bean".'},
            ['  question: "Make a riddle about the bean."'],
            ['  question: "Say \\"bean\\"."'],
        ),
        (1, {"question": "And the pea?"}, ["- question: Make a riddle about the pea."], ["- question: And the pea?"]),
        (1, {"answer": "Round."}, ["    Round and green", "    and five in a pod."], ["    Round."]),
        (2, {"question": "And kale?\n"}, ["    Make a riddle about kale."], ["    And kale?"]),
        (
            2,
            {"answer": "Curly:\nbitter."},
            ["  answer: Curly and bitter."],
            ["  answer: |-", "    Curly:", "    bitter."],
        ),
    ],
)
def test_a_field_is_changed_in_its_own_style(
    own: Leaf, at: int, parts: dict[str, str], out: list[str], come: list[str]
) -> None:
    assert lines_changed(OWN_WAY, edited(OWN_WAY, changed(own, at, **parts))) == (out, come)


def test_a_value_with_a_comment_behind_it_keeps_the_comment(own: Leaf) -> None:
    made = edited(OWN_WAY, replace(own, task_description="Make it rhyme."))
    assert "task_description: 'Make it rhyme.'   # one line\n" in made


def test_a_seed_that_moves_takes_its_comments_with_it(own: Leaf) -> None:
    first, second, third = own.seed_examples
    made = edited(OWN_WAY, replace(own, seed_examples=(second, first, third)))
    assert made.index("# this one needs work\n- question: Make a riddle about the pea.") < made.index(
        "# the first one is the best\n- answer: |   # a block\n"
    )
    assert sorted(made.split("\n")) == sorted(OWN_WAY.split("\n"))


def test_a_seed_taken_out_leaves_the_others_alone(own: Leaf) -> None:
    first, _, third = own.seed_examples
    made = edited(OWN_WAY, replace(own, seed_examples=(first, third)))
    out, come = lines_changed(OWN_WAY, made)
    assert come == []
    assert "pea" in "\n".join(out)
    assert "# the end\n" in made


def test_a_new_seed_stands_where_it_was_put_and_as_far_in_as_the_others(own: Leaf) -> None:
    new = SeedExample("Make a riddle about leeks.", "White below,\ngreen above.")
    first, second, third = own.seed_examples
    out, come = lines_changed(OWN_WAY, edited(OWN_WAY, replace(own, seed_examples=(first, second, new, third))))
    assert out == []
    assert come == [
        "- question: Make a riddle about leeks.",
        "  answer: |-",
        "    White below,",
        "    green above.",
    ]


def test_a_question_added_to_a_passage_leaves_its_other_questions_alone() -> None:
    pairs = tuple(QuestionAnswer(f"What {n}?", f"That {n}.") for n in range(3))
    seeds = tuple(KnowledgeSeed(f"Passage {n}.", pairs) for n in range(5))
    leaf = Leaf(3, "ann", "", seeds, "gardening", "Compost.")
    text = write_leaf(leaf).decode().replace("    questions_and_answers:\n", "    questions_and_answers: # asked\n")
    more = replace(seeds[1], questions_and_answers=(*pairs, QuestionAnswer("Why?", "Because.")))
    wanted = replace(leaf, seed_examples=(seeds[0], more, *seeds[2:]))
    made = edit_leaf(text.encode(), KNOWLEDGE, wanted).decode()
    out, come = lines_changed(text, made)
    assert (out, come) == ([], ["      - question: Why?", "        answer: Because."])


def test_an_old_version_becomes_the_current_one_with_the_first_change_only(own: Leaf) -> None:
    old = OWN_WAY.replace("version: 3", "version: 2")
    assert edit_leaf(old.encode(), SKILL, own) == old.encode()
    assert edited(old, changed(own, 1, answer="Round.")).startswith("# Riddles of our allotment\nversion: 3\n")
    none = OWN_WAY.replace("version: 3\n", "")
    made = edit_leaf(none.encode(), SKILL, changed(own, 1, answer="Round.")).decode()
    assert made.startswith("# Riddles of our allotment\nversion: 3\ntask_description")


@pytest.mark.parametrize(
    "text",
    [
        OWN_WAY.replace("- question: Make", "- &it question: Make") + "\n",
        "{version: 3, created_by: a, task_description: b, seed_examples: [{question: a, answer: b}]}",
        "seed_examples: [",
        "",
    ],
)
def test_what_cannot_be_changed_safely_is_written_anew(own: Leaf, text: str) -> None:
    wanted = changed(own, 0, answer="Another.")
    assert edit_leaf(text.encode(), SKILL, wanted) == write_leaf(wanted)


def _with_change(leaf: Leaf, data: st.DataObject, text: str) -> tuple[Leaf, str]:
    """The leaf with one field changed, and the field's name."""
    at = data.draw(st.integers(0, len(leaf.seed_examples) - 1))
    seeds: list[Seed] = list(leaf.seed_examples)
    seed = seeds[at]
    if isinstance(seed, KnowledgeSeed):
        number = data.draw(st.integers(0, len(seed.questions_and_answers) - 1))
        pairs = list(seed.questions_and_answers)
        pairs[number] = replace(pairs[number], answer=text)
        seeds[at] = replace(seed, questions_and_answers=tuple(pairs))
        name = f"seed_examples[{at}].questions_and_answers[{number}].answer"
    else:
        seeds[at] = replace(seed, answer=text)
        name = f"seed_examples[{at}].answer"
    return replace(leaf, seed_examples=tuple(seeds)), name


def _only_its_lines(before: bytes, path: str, wanted: Leaf, field: str) -> None:
    first, last = read_leaf(before, path).lines[field]
    made = edit_leaf(before, path, wanted)
    assert read_leaf(made, path).leaf == wanted
    old, new = before.decode().split("\n"), made.decode().split("\n")
    assert new[: first - 1] == old[: first - 1]
    rest = old[last:]
    assert new[len(new) - len(rest) :] == rest


TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=150
) | st.sampled_from(
    ["one\ntwo\n", "  indented\nand not", "ends with space \n", "# no comment", "- no item", "yes", "a: b", "x " * 120]
)


@settings(max_examples=150)
@given(SKILL_LEAVES, st.data(), TEXTS)
def test_changing_one_answer_changes_only_its_lines(leaf: Leaf, data: st.DataObject, text: str) -> None:
    assume(leaf.seed_examples)
    before = write_leaf(leaf)
    assert edit_leaf(before, SKILL, leaf) == before
    wanted, field = _with_change(leaf, data, text)
    _only_its_lines(before, SKILL, wanted, field)


@settings(max_examples=100)
@given(KNOWLEDGE_LEAVES, st.data(), TEXTS)
def test_changing_one_answer_of_knowledge_changes_only_its_lines(leaf: Leaf, data: st.DataObject, text: str) -> None:
    assume(all(seed.questions_and_answers for seed in leaf.seed_examples if isinstance(seed, KnowledgeSeed)))
    assume(leaf.seed_examples)
    before = write_leaf(leaf)
    wanted, field = _with_change(leaf, data, text)
    _only_its_lines(before, KNOWLEDGE, wanted, field)


@settings(max_examples=100)
@given(SKILL_LEAVES, SKILL_LEAVES)
def test_any_leaf_can_become_any_other(one: Leaf, other: Leaf) -> None:
    made = edit_leaf(write_leaf(one), SKILL, other)
    assert read_leaf(made, SKILL).leaf == other


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public taxonomies are not on this machine")
def test_public_leaves_come_back_to_the_letter_and_change_by_the_field() -> None:
    looked, by_field = 0, 0
    for file in sorted(PUBLIC.rglob("qna.yaml")):
        data, path = file.read_bytes(), file.parent.relative_to(PUBLIC).as_posix().partition("/")[2]
        reading = read_leaf(data, path)
        if reading.leaf is None:
            continue
        looked += 1
        assert edit_leaf(data, path, replace(reading.leaf, version=3)) == data, path
        first = reading.leaf.seed_examples[0] if reading.leaf.seed_examples else None
        if not isinstance(first, SeedExample) or not reading.valid or reading.leaf.version != 3:
            continue
        wanted = changed(reading.leaf, 0, answer=first.answer.rstrip("\n") + " And more.\n")
        _only_its_lines(data, path, wanted, "seed_examples[0].answer")
        by_field += 1
    assert looked > 100
    assert by_field > 0
