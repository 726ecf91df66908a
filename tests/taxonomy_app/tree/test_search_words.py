"""What a word is to the search."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taxonomy_app.tree.search_words import (
    LONGEST_WORD,
    MOST_BYTES,
    MOST_WORDS,
    distinct_words,
    folded,
    has_all,
    mark_words,
    query_words,
    words_in,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Write a Haiku!", ["write", "a", "haiku"]),
        ("plant_rhymes/écrire", ["plant", "rhymes", "ecrire"]),
        ("Straße, Ærø, İzmir", ["strasse", "ærø", "izmir"]),
        ("俳句を書く", ["俳句", "句を", "を書", "書く"]),
        ("GPT4の俳", ["gpt4", "の俳"]),
        ("김치를 담그다", ["김치", "치를", "담그", "그다"]),
        ("3.5 °C", ["3", "5", "c"]),
        ("--- %_'\"* ---", []),
        ("", []),
    ],
)
def test_a_text_is_cut_into_folded_words(text: str, words: list[str]) -> None:
    assert words_in(text) == words


def test_words_of_an_index_are_distinct() -> None:
    assert distinct_words(["b a", "a\nc B"]) == "b a c"


@given(st.lists(st.text(st.characters(max_codepoint=127) | st.sampled_from("éßÅ俳")), max_size=3))
def test_words_of_an_index_are_those_of_the_texts(texts: list[str]) -> None:
    assert distinct_words(texts).split() == list(dict.fromkeys(word for text in texts for word in words_in(text)))


def test_an_endless_text_is_found_by_the_words_that_come_first_in_it() -> None:
    found = distinct_words([" ".join(f"w{number}" for number in range(100_000))])
    assert len(found.encode()) <= MOST_BYTES
    assert {"w0", "w1", "w20000"} <= set(found.split())
    assert "w99999" not in found.split()


def test_a_query_has_few_words_and_none_that_is_endless() -> None:
    assert len(query_words(" ".join(map(str, range(100))))) == MOST_WORDS
    assert query_words("x" * 1000) == ("x" * LONGEST_WORD,)
    assert query_words("a b a") == ("a", "b")


@given(st.text(max_size=200))
def test_words_have_letters_and_digits_only_and_folding_again_changes_nothing(text: str) -> None:
    for word in words_in(text):
        assert word.isalnum() or all(not sign.isspace() and sign not in "\"'():*&|!<>\\{}^-_" for sign in word)
        assert folded(word) == word


def test_all_words_must_be_there_very_short_ones_whole() -> None:
    assert has_all(["tab", "in"], "table in words")
    assert not has_all(["tab", "in"], "table inside")
    assert not has_all(["able"], "table")
    assert has_all([], "")


def test_what_was_asked_is_marked_and_the_rest_is_escaped() -> None:
    assert mark_words("<b>Tables & table_s</b>", ("table",)) == (
        "&lt;b&gt;<mark>Tables</mark> &amp; <mark>table</mark>_s&lt;/b&gt;"
    )
    assert mark_words("Écrire un haïku", ("ecrire", "haik")) == "<mark>Écrire</mark> un <mark>haïku</mark>"
    assert mark_words("俳句を書く", ("俳句",)) == "<mark>俳句を書く</mark>"
