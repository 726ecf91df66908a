"""Documents are cut at headings and paragraphs; every chunk is a slice that leads back to its place."""

from __future__ import annotations

import itertools
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from workers.generation.documents import chunks_of, count_tokens_of, sentences
from workers.specs import Document

TEXT = """# Peat

The island of Orsa lies far in the north. Dr. Lind wrote of it in 1912.

It has no trees, and the wind is strong.

## Work

They burned peat until 1958. Coal came by ferry after that.

* * *

Trade
=====

Wool was sold in the village, and salt was bought there.
"""


def words(text: str) -> int:
    return len(text.split())


def cut(text: str, most: int = 40) -> list[tuple[str, str]]:
    chunks = chunks_of([Document(name="a", text=text)], chunk_tokens=most, count=words)
    assert all(text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    return [(chunk.heading, chunk.text) for chunk in chunks]


def test_a_chunk_never_crosses_a_heading_and_knows_those_above_it() -> None:
    assert [heading for heading, _ in cut(TEXT)] == ["Peat", "Peat › Work", "Trade"]


def test_paragraphs_of_a_section_are_joined_while_they_fit() -> None:
    assert "no trees" in cut(TEXT, 40)[0][1]
    assert "no trees" not in cut(TEXT, 20)[0][1]


def test_a_paragraph_that_is_too_long_is_cut_between_sentences() -> None:
    assert [text for _, text in cut("One two three four. Five six seven eight. Nine ten eleven.", 8)] == [
        "One two three four. Five six seven eight.",
        "Nine ten eleven.",
    ]


def test_rules_and_page_numbers_are_no_chunks() -> None:
    assert cut("* * *\n\n17\n\n---\n\nThree words here.") == [("", "Three words here.")]


def test_an_abbreviation_does_not_end_a_sentence() -> None:
    assert sentences("Dr. Lind met J. Brand in 1912. He left, e.g. by boat.") == [
        "Dr. Lind met J. Brand in 1912.",
        "He left, e.g. by boat.",
    ]


def test_a_model_folder_without_a_tokenizer_is_estimated(tmp_path: Path) -> None:
    assert count_tokens_of(tmp_path)("word " * 40) == count_tokens_of(None)("word " * 40) == 51


@given(st.text(alphabet="ab .\n#=", max_size=300), st.integers(1, 20))
def test_chunks_are_slices_in_order_that_do_not_overlap(text: str, most: int) -> None:
    chunks = chunks_of([Document(name="a", text=text)], chunk_tokens=most, count=words)
    assert all(text[chunk.start : chunk.end] == chunk.text for chunk in chunks)
    assert all(first.end <= second.start for first, second in itertools.pairwise(chunks))
