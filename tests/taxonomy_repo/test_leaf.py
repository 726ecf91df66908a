"""Reading and writing leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yamllint import linter
from yamllint.config import YamlLintConfig

from taxonomy_repo.checks.registry import GOOD_KNOWLEDGE, GOOD_SKILL
from taxonomy_repo.leaf import (
    DocumentReference,
    KnowledgeSeed,
    Leaf,
    QuestionAnswer,
    SeedExample,
    UnwritableText,
    leaf_kind,
    read_leaf,
    write_leaf,
)
from tests.taxonomy_repo.strategies import FORBIDDEN, KNOWLEDGE_LEAVES, SKILL_LEAVES

SKILL = "compositional_skills/writing/haiku"
KNOWLEDGE = "knowledge/places/osk"
# The configuration that instructlab-schema gives to yamllint, warnings included.
PUBLIC_LINT = YamlLintConfig("{extends: relaxed, rules: {line-length: disable}}")


def leaf_with(answer: str) -> Leaf:
    return Leaf(3, "ann", "Do it.", (SeedExample("What?", answer),))


@settings(max_examples=120, deadline=None)
@given(SKILL_LEAVES)
@example(leaf_with(" starts with a space\nand goes on"))
@example(leaf_with("ends with spaces  "))
@example(leaf_with("\n\nblank lines first"))
@example(leaf_with("blank lines last\n\n\n"))
@example(leaf_with("one\n\n\n\n\ntwo"))
@example(leaf_with("\ttab\n\tbed"))
@example(leaf_with("yes"))
@example(leaf_with("a: b # c"))
@example(leaf_with("x" * 500))
def test_a_skill_that_is_written_reads_back_the_same_and_has_no_lint(leaf: Leaf) -> None:
    data = write_leaf(leaf)
    assert read_leaf(data, SKILL).leaf == leaf
    # Another reader than ours, written in Python and not in C, reads the same.
    public = yaml.safe_load(data.decode())
    assert [seed["answer"] for seed in public["seed_examples"]] == [seed.answer for seed in leaf.pairs()]
    assert list(linter.run(data.decode(), PUBLIC_LINT)) == []


@settings(max_examples=60, deadline=None)
@given(KNOWLEDGE_LEAVES)
def test_knowledge_that_is_written_reads_back_the_same_and_has_no_lint(leaf: Leaf) -> None:
    data = write_leaf(leaf)
    assert read_leaf(data, KNOWLEDGE).leaf == leaf
    assert list(linter.run(data.decode(), PUBLIC_LINT)) == []


@given(st.sampled_from(FORBIDDEN + "\ufffe\ud800"))
def test_a_character_that_yaml_cannot_hold_is_refused_with_its_field(character: str) -> None:
    with pytest.raises(UnwritableText, match=r"U\+[0-9A-F]{4}.*Remove it") as caught:
        write_leaf(leaf_with(f"before{character}after"))
    assert caught.value.field == "seed_examples[0].answer"


def test_a_leaf_is_written_in_the_plainest_form_that_keeps_its_text() -> None:
    leaf = Leaf(
        2,
        "ann",
        "Answer in one word, in small letters, without a full stop, and in the language of the question asked.",
        (SeedExample("What is hot: ice?", "no"), SeedExample("Plain question?", "one\ntwo\n")),
    )
    assert write_leaf(leaf).decode() == (
        "version: 3\n"
        "created_by: ann\n"
        "task_description: >-\n"
        "  Answer in one word, in small letters, without a full stop, and in the language of the question\n"
        "  asked.\n"
        "seed_examples:\n"
        '  - question: "What is hot: ice?"\n'
        '    answer: "no"\n'
        "  - question: Plain question?\n"
        "    answer: |\n"
        "      one\n"
        "      two\n"
    )


def test_knowledge_with_a_task_description_is_not_written_as_if_it_had_none() -> None:
    leaf = Leaf(3, "ann", "A task", (), domain="Harbours")
    with pytest.raises(UnwritableText, match="task description"):
        write_leaf(leaf)


def test_seeds_of_both_kinds_in_one_leaf_are_refused() -> None:
    seeds = (SeedExample("q", "a"), KnowledgeSeed("c", (QuestionAnswer("q", "a"),)))
    with pytest.raises(UnwritableText, match="one leaf"):
        write_leaf(Leaf(3, "ann", "", seeds, domain="d"))


def test_every_field_has_its_first_and_last_line() -> None:
    data = (
        b"version: 3\ncreated_by: ann\ntask_description: >\n  Long\n  task\nseed_examples:\n"
        b"  - question: one\n    answer: |\n      a\n      b\n\n  - question: two\n    answer: c\n"
    )
    lines = read_leaf(data, SKILL).lines
    assert lines["created_by"] == (2, 2)
    assert lines["task_description"] == (3, 5)
    assert lines["seed_examples[0]"][0] == 7
    assert lines["seed_examples[0].answer"][0] == 8
    assert lines["seed_examples[1]"] == (12, 13)
    assert lines["seed_examples[1].answer"] == (13, 13)


def test_knowledge_is_read_with_its_document_and_pairs() -> None:
    reading = read_leaf(GOOD_KNOWLEDGE.encode(), KNOWLEDGE)
    assert reading.valid
    assert reading.leaf is not None
    assert reading.leaf.document == DocumentReference(
        "seedbed:documents", "4f2a9c0d3b1e5f60718293a4b5c6d7e8f9012345", ("osk.md",)
    )
    assert len(reading.leaf.pairs()) == 15
    assert reading.leaf.pairs()[0].context == "The harbour of Osk has pier number 1."
    assert "seed_examples[4].questions_and_answers[2].answer" in reading.lines


@pytest.mark.parametrize(("version", "expected"), [("version: 1\n", 1), ("version: 2\n", 2), ("", None)])
def test_old_skills_are_read_and_saved_as_version_three(version: str, expected: int | None) -> None:
    reading = read_leaf(GOOD_SKILL.replace("version: 3\n", version).encode(), SKILL)
    assert reading.valid
    assert reading.leaf is not None
    assert reading.leaf.version == expected
    assert read_leaf(write_leaf(reading.leaf), SKILL).leaf == replace(reading.leaf, version=3)


@pytest.mark.parametrize("version", ["version: 1\n", "version: 2\n", ""])
def test_old_knowledge_is_refused_in_one_sentence_that_says_what_to_do(version: str) -> None:
    reading = read_leaf(GOOD_KNOWLEDGE.replace("version: 3\n", version).encode(), KNOWLEDGE)
    assert reading.leaf is None
    (problem,) = reading.problems
    assert problem.code == "knowledge-version"
    assert "no longer supported" in problem.message


@pytest.mark.parametrize(
    ("written", "kind"),
    [("no", "truth value"), ("42", "number"), ("4.5", "number"), ("2024-05-01", "date"), ("12:30", "time")],
)
def test_a_value_that_yaml_reads_as_something_else_is_explained_and_kept_as_written(written: str, kind: str) -> None:
    reading = read_leaf(GOOD_SKILL.replace("Cold.", written).encode(), SKILL)
    (problem,) = reading.problems
    assert (problem.code, problem.line, problem.column) == ("not-text", 6, 13)
    assert kind in problem.message
    assert f'"{written}"' in problem.message
    assert reading.leaf is not None
    assert reading.leaf.pairs()[0].answer == written


def test_what_can_be_made_out_of_a_faulty_leaf_is_given() -> None:
    reading = read_leaf(GOOD_SKILL.replace("created_by: ann\n", "").replace("Cold.", "[x]").encode(), SKILL)
    assert not reading.valid
    assert reading.leaf is not None
    assert reading.leaf.created_by == ""
    assert reading.leaf.pairs()[1].answer == "Low."
    assert [problem.field for problem in reading.problems] == ["created_by", "seed_examples[0].answer"]


def test_a_slip_of_the_pen_is_answered_with_the_key_that_was_meant() -> None:
    reading = read_leaf(GOOD_SKILL.replace("question: What is the opposite of hot", "quesiton: Hot").encode(), SKILL)
    (unknown,) = [problem for problem in reading.problems if problem.code == "unknown-key"]
    assert "Do you mean question?" in unknown.message
    assert unknown.field == "seed_examples[0].quesiton"


@pytest.mark.parametrize(
    ("path", "leaf", "kind"),
    [
        ("knowledge/a/b", None, "knowledge"),
        ("foundational_skills/a", leaf_with("x"), "foundational"),
        ("compositional_skills/a", leaf_with("x"), "freeform"),
        ("compositional_skills/a", Leaf(3, "a", "t", (SeedExample("q", "a", "c"),)), "grounded"),
        ("elsewhere/a", Leaf(3, "a", "", (), domain="d"), "knowledge"),
    ],
)
def test_the_kind_of_a_leaf_follows_its_branch_and_its_contexts(path: str, leaf: Leaf | None, kind: str) -> None:
    assert leaf_kind(path, leaf) == kind


def test_seeds_that_are_still_empty_are_not_called_the_same() -> None:
    written = "version: 3\ncreated_by: rosa\ntask_description: Riddles.\nseed_examples:\n"
    empty, full = '  - question: ""\n    answer: ""\n', "  - question: What is up?\n    answer: The sky.\n"
    found = read_leaf((written + 2 * empty + 2 * full).encode(), "compositional_skills/writing/riddles").problems
    assert [problem.field for problem in found if problem.code == "duplicate-item"] == ["seed_examples[3]"]
