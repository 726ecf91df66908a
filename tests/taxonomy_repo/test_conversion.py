"""Documents of every kind become Markdown, or one sentence says why not."""

from __future__ import annotations

import io
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from taxonomy_repo import conversion
from taxonomy_repo.conversion import converted, converted_name
from taxonomy_repo.documents import DocumentProblem
from tests.papers import office, pdf

MARKDOWN = """# Pell lock

The lock was built in *1911* by two brothers.

- It holds **forty** boats.
- It fills in nine minutes.

| boat  | beam |
|-------|------|
| Osk   | 4 m  |
"""


def code(name: str, data: bytes, **options: float) -> str:
    with pytest.raises(DocumentProblem) as caught:
        converted(name, data, **options)
    message = str(caught.value)
    assert message.count(". ") == 1, f"one sentence and what to do: {message}"
    assert message.endswith(".")
    return caught.value.code


def test_a_pdf_becomes_its_paragraphs_with_broken_words_mended() -> None:
    text = converted(
        "lock.pdf", pdf("The lock was built in 1911 by two\nbrothers, of oak and gran-\nite.", "It holds forty boats.")
    )
    assert text == "The lock was built in 1911 by two brothers, of oak and granite.\n\nIt holds forty boats.\n"


def test_a_pdf_of_pictures_is_told_as_such_and_one_with_both_is_read() -> None:
    assert code("scan.pdf", pdf("", "", picture=True)) == "document-pictures"
    assert code("numbered.pdf", pdf("1", "2", picture=True)) == "document-pictures"
    assert converted("both.pdf", pdf("The lock was built in 1911 by two brothers.", picture=True)).startswith(
        "The lock"
    )


def test_a_pdf_without_anything_a_damaged_one_and_a_locked_one() -> None:
    assert code("empty.pdf", pdf("")) == "document-empty"
    assert code("broken.pdf", b"%PDF-1.7 and nothing more") == "document-damaged"
    assert code("other.pdf", b"PK\x03\x04") == "document-damaged"
    assert code("locked.pdf", pdf("The lock was built in 1911.", locked=True)) == "document-locked"


def test_a_word_file_keeps_headings_lists_and_tables() -> None:
    text = converted("lock.docx", office(MARKDOWN, "docx"))
    assert text.startswith("# Pell lock\n\nThe lock was built in *1911* by two brothers.\n")
    assert converted("lock.docx", office("% The title\n\nText.", "docx")) == "# The title\n\nText.\n"
    assert "- It holds **forty** boats.\n" in text
    assert "| Osk" in text


def test_slides_become_their_texts() -> None:
    text = converted("lock.pptx", office(MARKDOWN, "pptx"))
    assert "Pell lock" in text
    assert "It fills in nine minutes." in text


def test_a_web_page_loses_its_scripts_pictures_and_styles() -> None:
    page = (
        "<html><head><title>x</title><style>p{color:red}</style><script>alert(1)</script></head><body>"
        '<h1 class="big" id="top">Pell lock</h1><p onclick="x()">Built in <b>1911</b>.'
        '<img src="https://spy.example/p.gif" alt="A lock"><iframe src="https://spy.example"></iframe></p>'
        '<div><div><span style="x">Nine</span> minutes.</div></div></body></html>'
    )
    text = converted("lock.html", page.encode())
    assert text.startswith("# Pell lock\n\nBuilt in **1911**.")
    assert "Nine minutes." in text
    for gone in ("script", "alert", "spy.example", "<", "class", "color"):
        assert gone not in text


def test_a_web_page_in_the_encoding_that_it_names() -> None:
    page = '<html><head><meta charset="iso-8859-1"></head><body><p>Schleuse für Kähne</p></body></html>'
    assert converted("lock.htm", page.encode("latin-1")) == "Schleuse für Kähne\n"
    assert code("lock.htm", "<p>für</p>".encode("latin-1")) == "document-encoding"


def test_asciidoc_becomes_markdown() -> None:
    text = converted("lock.adoc", b"= Pell lock\n\n== History\n\nBuilt in *1911*.\n\n* forty boats\n* nine minutes\n")
    assert text.startswith("# Pell lock\n\n## History\n")
    assert "Built in **1911**." in text
    assert "- forty boats" in text


def test_asciidoc_reads_no_file_of_this_machine(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("a secret of the installation")
    text = converted("lock.adoc", f"= Pell lock\n\nSaid.\n\ninclude::{secret}[]\n".encode())
    assert text == "# Pell lock\n\nSaid.\n"
    for trick in (f"x include::{secret}[]", f"[source]\n----\ninclude::{secret}[]\n----", f"image::{secret}[]"):
        assert "a secret of the installation" not in converted("lock.adoc", f"= Pell lock\n\n{trick}\n".encode())


def test_a_web_page_asks_nobody_for_what_it_names() -> None:
    asked: list[str] = []

    class Listening(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<p>From elsewhere.</p>")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Listening) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        there = f"http://127.0.0.1:{server.server_port}/inner.html"
        page = f'<p>Said.</p><iframe src="{there}"></iframe><img src="{there}"><p>Done.</p>'
        text = converted("lock.html", page.encode())
        server.shutdown()
    assert (text, asked) == ("Said.\n\nDone.\n", [])


def test_plain_texts_are_taken_as_they_are() -> None:
    assert converted("a.md", b"# A\r\n") == "# A\n"
    assert converted("a.TXT", "ä\n".encode()) == "ä\n"
    assert code("a.txt", b"\xff\xfe") == "document-encoding"


@pytest.mark.parametrize(
    ("name", "data", "wanted"),
    [
        ("a.doc", b"\xd0\xcf", "document-kind"),
        ("a.xlsx", b"PK", "document-kind"),
        ("a.png", b"\x89PNG", "document-kind"),
        ("a", b"x", "document-kind"),
        ("a.docx", b"no zip", "document-damaged"),
        ("a.docx", office("# A", "pptx"), "document-damaged"),
        ("a.pptx", b"PK\x05\x06" + b"\x00" * 18, "document-damaged"),
        ("a.html", b"<html><body></body></html>", "document-empty"),
    ],
)
def test_what_cannot_be_read_is_said_with_what_to_do(name: str, data: bytes, wanted: str) -> None:
    assert code(name, data) == wanted


def test_an_older_kind_is_told_which_to_save_as() -> None:
    with pytest.raises(DocumentProblem, match=r"Save it as \.docx"):
        converted("report.doc", b"\xd0\xcf")


def test_a_file_that_unpacks_without_end_is_not_unpacked() -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as entry:
        for _ in range(401):
            entry.write(b"\x00" * 1_000_000)
    assert code("bomb.docx", held.getvalue()) == "document-size"


def test_too_large_and_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    assert code("slow.docx", office(MARKDOWN, "docx"), seconds=0.001) == "document-slow"
    monkeypatch.setattr(conversion, "MOST_BYTES_TO_CONVERT", 10)
    assert code("large.pdf", pdf("The lock was built in 1911.")) == "document-size"


def test_names_of_what_was_converted() -> None:
    assert converted_name("a/report.PDF") == "a/report.PDF.md"
    assert converted_name("a/report.md") == "a/report.md"
    assert converted_name("a/notes.TXT") == "a/notes.TXT"
