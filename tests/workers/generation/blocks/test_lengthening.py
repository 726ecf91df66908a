"""Long answers that are put together from the document."""

from __future__ import annotations

from workers.generation.blocks.lengthening import long_answer

SOURCE = (
    "The Brown Hen was built in 1911 by Marta Quill, a boatwright of Aldvoe. Quill used planks of larch and closed the "
    "seams with moss. The boat is eleven metres long."
)


def test_an_answer_is_followed_by_the_sentence_that_says_it() -> None:
    assert long_answer(SOURCE, "Which wood did Quill use for the planks?", "planks of larch") == (
        "planks of larch. Quill used planks of larch and closed the seams with moss."
    )


def test_an_answer_that_is_the_sentence_is_followed_by_the_next() -> None:
    said = "Quill used planks of larch and closed the seams with moss."
    assert long_answer(SOURCE, "What did Quill use?", said) == f"{said} The boat is eleven metres long."


def test_an_answer_that_no_sentence_supports_stays_short() -> None:
    assert long_answer(SOURCE, "Who paints walls?", "Purple elephants paint walls.") is None
    assert long_answer("", "Who?", "Marta.") is None
