"""Leaves and texts as nasty as people can write them, for property tests."""

from __future__ import annotations

from hypothesis import strategies as st

from taxonomy_repo.leaf import DocumentReference, KnowledgeSeed, Leaf, QuestionAnswer, SeedExample

# What YAML 1.1 cannot hold, and halves of characters that UTF-8 cannot.
FORBIDDEN = "".join(chr(c) for c in (*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0))).replace("\x85", "")
_SIGNS = [
    "a: b",
    "- x",
    "# not a comment",
    " #x",
    ": ",
    "? ",
    "---",
    "...",
    "%",
    "@",
    "`",
    "!tag",
    "&a",
    "*a",
    "|",
    ">",
]
_SIGNS += ["{", "]", ",", "'", '"', "\\", "\\n", "=", "<<"]
_WORDS = ["yes", "No", "null", "~", "1.5", "0x1f", "12:30", "2024-01-01", "1e3", ".inf", "word", "The end."]
_SPACES = [" ", "  ", "\t", "\n", "\n\n", "\n\n\n\n", "\r", "\r\n", "\x85", "\u2028", "\u2029", "\ufeff"]
_SCRIPTS = ["שלום", "مرحبا", "\u200f", "\u202e", "🌱", "👩🏽\u200d🌾", "é", "e\u0301"]
_NASTY = st.sampled_from([*_SIGNS, *_WORDS, *_SPACES, *_SCRIPTS, "x" * 130, "many words " * 20])
_ANY = st.text(st.characters(exclude_categories=("Cs",), exclude_characters=FORBIDDEN + "\ufffe\uffff"), max_size=20)
TEXTS = st.lists(_NASTY | _ANY, max_size=6).map("".join)
SOLID = TEXTS.filter(bool)

SKILL_LEAVES = st.builds(
    Leaf,
    version=st.just(3),
    created_by=SOLID,
    task_description=SOLID,
    seed_examples=st.lists(st.builds(SeedExample, SOLID, SOLID, st.none() | SOLID), max_size=6).map(tuple),
)
KNOWLEDGE_LEAVES = st.builds(
    Leaf,
    version=st.just(3),
    created_by=SOLID,
    task_description=st.just(""),
    seed_examples=st.lists(
        st.builds(KnowledgeSeed, SOLID, st.lists(st.builds(QuestionAnswer, SOLID, SOLID), max_size=4).map(tuple)),
        max_size=5,
    ).map(tuple),
    domain=SOLID,
    document_outline=SOLID,
    document=st.builds(DocumentReference, SOLID, SOLID, st.lists(SOLID, max_size=3).map(tuple)),
)
