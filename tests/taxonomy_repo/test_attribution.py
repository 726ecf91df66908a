"""Reading and writing attribution.txt."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from taxonomy_repo.attribution import Attribution, AttributionEntry, read_attribution, write_attribution

LINES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20).map(
    lambda text: " ".join(text.split())
)
# A first value marks an entry: one without any cannot be told from nothing.
ENTRIES = st.builds(AttributionEntry, LINES.filter(bool), LINES, LINES, LINES, LINES)


@given(st.lists(ENTRIES, max_size=4).map(tuple))
def test_what_is_written_reads_back_the_same(entries: tuple[AttributionEntry, ...]) -> None:
    reading = read_attribution(write_attribution(Attribution(entries)))
    assert reading.attribution.entries == entries
    assert reading.problems == ()


def test_the_public_form_is_read_with_the_line_of_every_entry() -> None:
    text = (
        b"Title of work: One\nLink to work: https://example.org/a:b\nRevision: 1\nLicense of the work: MIT\n"
        b"Creator names: Ann, Bo\n\n\nTitle of work: Two\nLicense of the work:   CC0-1.0  \n"
    )
    reading = read_attribution(text)
    assert reading.attribution.entries == (
        AttributionEntry("One", "https://example.org/a:b", "1", "MIT", "Ann, Bo"),
        AttributionEntry("Two", licence="CC0-1.0"),
    )
    assert reading.lines == (1, 8)
    assert write_attribution(reading.attribution).startswith(b"Title of work: One\nLink to work: https://")


def test_entries_without_a_blank_line_between_them_are_told_apart_by_the_repeated_key() -> None:
    text = b"Title of work: One\nLicense of the work: MIT\nTitle of work: Two\nLicense of the work: MIT\n"
    assert [entry.title for entry in read_attribution(text).attribution.entries] == ["One", "Two"]


def test_lines_that_are_not_understood_are_told_with_their_number() -> None:
    reading = read_attribution(b"Title of work: One\nFree words\nMood: good\n")
    assert [problem.line for problem in reading.problems] == [2, 3]


def test_what_is_no_text_is_one_problem() -> None:
    for data in (b"\xff\xfe", b"x" * 300_000):
        reading = read_attribution(data)
        assert [problem.code for problem in reading.problems] == ["attribution-unreadable"]
        assert reading.attribution.entries == ()
