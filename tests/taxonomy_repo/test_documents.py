"""The installation's own documents."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from taxonomy_repo.documents import DocumentProblem, DocumentStore, matching
from taxonomy_repo.leaf import DocumentReference

WHEN = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def documents(tmp_path: Path) -> DocumentStore:
    return DocumentStore(tmp_path / "documents.git")


def test_a_document_is_read_back_as_it_was_at_its_commit(documents: DocumentStore) -> None:
    first = documents.add("places/osk.md", b"# Osk\r\n\r\nOld.\r\n", when=WHEN)
    second = documents.add("places/osk.md", b"# Osk\n\nNew.\n", when=WHEN)
    assert first.repo == "seedbed:documents"
    assert len(first.commit) == 40
    assert documents.read(first) == [("places/osk.md", "# Osk\n\nOld.\n")]
    assert documents.read(second) == [("places/osk.md", "# Osk\n\nNew.\n")]


def test_the_same_document_twice_gives_the_same_reference(documents: DocumentStore) -> None:
    first = documents.add("a.md", b"A\n", when=WHEN)
    documents.add("b.md", b"B\n", when=WHEN)
    assert documents.add("a.md", b"A\n", when=WHEN) == first
    assert documents.names() == ["a.md", "b.md"]


def test_patterns_mean_documents_of_their_commit_only(documents: DocumentStore) -> None:
    both = documents.add_all({"x/a.md": b"A\n", "x/y/b.txt": b"B\n"}, when=WHEN)
    documents.add("x/late.md", b"late\n", when=WHEN)

    def names(*patterns: str) -> list[str]:
        return [name for name, _ in documents.read(DocumentReference(both.repo, both.commit, patterns))]

    assert names("**/*.md") == ["x/a.md"]
    assert names("x/*") == ["x/a.md"]
    assert names("x/**") == ["x/a.md", "x/y/b.txt"]
    assert names("x/y/b.txt", "x/a.md", "x/a.md") == ["x/a.md", "x/y/b.txt"]


@pytest.mark.parametrize("pattern", ["../documents.git/config", "/etc/passwd", "x/../x/a.md", "nothing.md", "[", ""])
def test_a_pattern_that_means_nothing_in_the_commit_is_said(documents: DocumentStore, pattern: str) -> None:
    reference = documents.add("x/a.md", b"A\n", when=WHEN)
    with pytest.raises(DocumentProblem) as caught:
        documents.read(DocumentReference(reference.repo, reference.commit, (pattern,)))
    assert caught.value.code == "document-missing"


def test_many_stars_do_not_take_long() -> None:
    names = ["/".join("abcdefghij" * 2)] * 5
    assert matching("/".join(["**"] * 30) + "/zzz", names) == []


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("report.pdf", b"%PDF-1.7", "document-kind"),
        ("table.docx", b"PK", "document-kind"),
        ("a.md", b"\x00\x01", "document-kind"),
        ("a.md", "ä".encode("latin-1"), "document-encoding"),
        ("a.md", b" \n", "document-empty"),
        ("a.md", b"x" * 5_000_001, "document-size"),
        ("../a.md", b"x", "document-name"),
        (".hidden.md", b"x", "document-name"),
        ("a b.md", b"x", "document-name"),
    ],
)
def test_what_is_not_plain_text_is_refused_in_words(
    documents: DocumentStore, name: str, data: bytes, code: str
) -> None:
    with pytest.raises(DocumentProblem) as caught:
        documents.add(name, data, when=WHEN)
    assert caught.value.code == code
    assert str(caught.value).count(".") >= 1


def test_documents_elsewhere_are_named_as_such(documents: DocumentStore) -> None:
    documents.create()
    for repo, commit, code in (
        ("https://example.org/x.git", "0" * 40, "document-not-fetched"),
        ("seedbed:documents", "main", "document-not-pinned"),
        ("seedbed:documents", "0" * 40, "document-missing"),
    ):
        with pytest.raises(DocumentProblem) as caught:
            documents.read(DocumentReference(repo, commit, ("a.md",)))
        assert caught.value.code == code


def test_a_store_that_was_never_made_has_no_documents(tmp_path: Path) -> None:
    nothing = DocumentStore(tmp_path / "nothing.git")
    assert nothing.names() == []
    with pytest.raises(DocumentProblem):
        nothing.read(DocumentReference("seedbed:documents", "0" * 40, ("a.md",)))
