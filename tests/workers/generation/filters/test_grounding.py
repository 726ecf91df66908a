"""Names and numbers must come from the document or the question."""

from __future__ import annotations

import pytest

from tests.workers.generation.filters.rows import a_row, reason
from tests.workers.generation.leaves import freeform_leaf, grounded_leaf, knowledge_leaf
from workers.generation.filters.grounding import Grounding, supported_share, unknown_terms

TEXT = (
    "The island of Orsa burned peat until 1958, when the ferry Maren began to bring coal to its twelve farms. "
    "Anna-Lise Holm kept 1,200 sheep and sold their wool."
)


@pytest.mark.parametrize(
    ("answer", "unknown"),
    [
        ("Until 1958.", []),
        ("Until 1957.", ["1957"]),
        ("Maren.", []),
        ("Paris.", ["Paris"]),
        ("It brought coal to 12 farms.", []),
        ("It brought coal to thirteen farms.", ["thirteen"]),
        ("Holm kept 1200 sheep.", []),
        ("She kept 12,00 sheep.", ["12,00"]),
        ("The captain was John Smith.", ["John", "Smith"]),
        ("Wool from Norway was sold.", ["Norway"]),
        ("Orsa's farms were few.", []),
        ("Fishing fed the farms of Orsa.", []),
        ("It is one of the farms.", []),
    ],
)
def test_names_and_numbers_that_the_text_has_not_are_found(answer: str, unknown: list[str]) -> None:
    assert unknown_terms(answer, TEXT) == unknown


def test_words_count_by_their_stems() -> None:
    assert supported_share("The sheep's wool was selling on the farm.", TEXT) == pytest.approx(3 / 4)
    assert supported_share("Until 1958.", TEXT) is None


def test_an_answer_from_elsewhere_is_dropped_and_one_from_the_text_is_not() -> None:
    leaf = knowledge_leaf()
    question = "What do they do on Orsa?"
    kept = a_row(leaf, source=TEXT, question=question, answer="They burned peat.")
    strange = a_row(leaf, source=TEXT, question=question, answer="They paint large houses with bright colours.")
    named = a_row(leaf, source=TEXT, question=question, answer="They burned peat until Olaf came.")
    assert reason(Grounding(), kept, "answer") is None
    assert reason(Grounding(), strange, "answer") == "Most of the answer's words are not in the document."
    assert "Olaf" in (reason(Grounding(), named, "answer") or "")


def test_a_knowledge_question_about_another_subject_is_dropped() -> None:
    leaf = knowledge_leaf()
    assert "Rome" in (
        reason(Grounding(), a_row(leaf, source=TEXT, question="Who built the city of Rome?"), "question") or ""
    )
    # What the leaf itself speaks of needs no chunk to say it.
    assert (
        reason(Grounding(), a_row(leaf, source=TEXT, question="Which harbours did the Maren serve?"), "question")
        is None
    )


def test_a_name_in_the_question_may_be_in_the_answer() -> None:
    row = a_row(
        grounded_leaf(), source="The boat sails.", question="Does Karin sail?", answer="The note names no Karin."
    )
    assert reason(Grounding(), row, "answer") is None


def test_freeform_answers_are_free() -> None:
    row = a_row(freeform_leaf(), question="Write a line about Rome.", answer="In 753 Romulus drew a line.")
    assert reason(Grounding(), row, "answer") is None
