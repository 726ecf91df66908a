"""Documents of other kinds as the Markdown that is kept: PDF, Word, PowerPoint, web pages, AsciiDoc.

The converters read what strangers wrote, so they run as processes of their own, with nothing in their environment and
limits on time and memory: pandoc in its sandbox for everything but PDF, pdfminer for that. This module starts them and
says in one sentence what is wrong.
"""

from __future__ import annotations

import io
import os
import re
import resource
import subprocess
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path

from taxonomy_repo.documents import MOST_BYTES, DocumentProblem, document_text

__all__ = ["CONVERTED_ENDINGS", "READ_ENDINGS", "converted", "converted_name"]

_HERE = Path(__file__).parent
_PLAIN = (".md", ".markdown", ".txt")
# What pandoc calls each kind. AsciiDoc has three endings in use.
_PANDOC = {
    ".docx": "docx",
    ".pptx": "pptx",
    ".html": "html",
    ".htm": "html",
    ".adoc": "asciidoc",
    ".asciidoc": "asciidoc",
    ".asc": "asciidoc",
}
_INSIDE = {".docx": "word/", ".pptx": "ppt/"}
CONVERTED_ENDINGS = (".pdf", *_PANDOC)
READ_ENDINGS = (*_PLAIN, *CONVERTED_ENDINGS)
_OLDER = {".doc": ".docx", ".ppt": ".pptx", ".odt": ".docx", ".rtf": ".docx", ".xls": ".pdf", ".xlsx": ".pdf"}

MOST_BYTES_TO_CONVERT = 50_000_000
MOST_BYTES_UNPACKED = 400_000_000
SECONDS = 60.0
_MEGABYTE = 1_000_000
_MEMORY = 1500 * _MEGABYTE
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_INCLUDE = re.compile(r"^include::.*$", re.MULTILINE)
# What pdf_text.py says by its exit status.
_PDF_LOCKED, _PDF_DAMAGED, _PDF_PICTURES, _PDF_LONG = 3, 4, 5, 6


def converted_name(name: str) -> str:
    """What a document is called once it is Markdown: ``report.pdf`` → ``report.pdf.md``; plain texts keep theirs."""
    return name if name.lower().endswith(_PLAIN) else f"{name}.md"


def converted(name: str, data: bytes, *, seconds: float = SECONDS) -> str:
    """The text of a document as it is kept (``documents.document_text``), whatever kind it was.

    Args:
        name: its file name; the ending says of what kind it is.
        data: its content, at most 50 MB.
        seconds: how long the conversion may take.

    Raises:
        DocumentProblem: of a kind that cannot be read, damaged, locked, only pictures, too large, or too slow.
    """
    short = name.rpartition("/")[2][:100]
    ending = next((one for one in READ_ENDINGS if short.lower().endswith(one)), None)
    if ending is None:
        raise DocumentProblem("document-kind", _unknown_kind(short))
    if ending in _PLAIN:
        # Under a name that can be kept: here it is only for what is said of it.
        return document_text(re.sub(r"[^A-Za-z0-9._-]+", "-", short).lstrip(".-_") or f"document{ending}", data)
    if len(data) > MOST_BYTES_TO_CONVERT:
        raise DocumentProblem(
            "document-size",
            f"{short} has {len(data):,} bytes; {MOST_BYTES_TO_CONVERT:,} is the most. Split it into parts.",
        )
    text = _pdf(short, data, seconds) if ending == ".pdf" else _pandoc(short, ending, data, seconds)
    if not text.strip():
        raise DocumentProblem("document-empty", f"{short} has no text in it. Give a document with text.")
    if len(text.encode()) > MOST_BYTES:
        raise DocumentProblem(
            "document-size", f"The text of {short} is longer than {MOST_BYTES:,} bytes. Split it into chapters."
        )
    return document_text("document.md", re.sub(r"\n{3,}", "\n\n", text).encode())


def _unknown_kind(name: str) -> str:
    kinds = "Markdown, plain text, PDF, DOCX, PPTX, HTML or AsciiDoc"
    better = next((new for old, new in _OLDER.items() if name.lower().endswith(old)), None)
    advice = f"Save it as {better} and give that." if better else f"Convert it to one of {kinds}."
    return f"{name} is of a kind that cannot be read. {advice}"


def _pandoc(name: str, ending: str, data: bytes, seconds: float) -> str:
    if ending in _INSIDE:
        _require_office(name, data, _INSIDE[ending])
    elif ending in (".html", ".htm"):
        data = _as_utf8(name, data)
    else:
        # Other files are not there to be included; asked for one, pandoc in its sandbox would give up.
        data = _INCLUDE.sub("", document_text("document.txt", data)).encode()
    import pypandoc

    command = [
        pypandoc.get_pandoc_path(),
        "+RTS",
        f"-M{_MEMORY // _MEGABYTE}m",
        "-RTS",
        "--sandbox",
        f"--from={_PANDOC[ending]}",
        "--to=gfm-raw_html",
        "--wrap=none",
        f"--lua-filter={_HERE / 'plain.lua'}",
    ]
    if _PANDOC[ending] != "html":
        command.append("--metadata=title-is-text:true")
    if _PANDOC[ending] == "asciidoc":
        command.append("--metadata=title-is-level-one:true")
    status, out = _run(command, data, name, seconds, memory=None)
    if status != 0:
        raise DocumentProblem(
            "document-damaged", f"{name} cannot be read: it is damaged or not what its name says. Save it again."
        )
    return out


def _pdf(name: str, data: bytes, seconds: float) -> str:
    if b"%PDF-" not in data[:1024]:
        raise DocumentProblem("document-damaged", f"{name} is no PDF, though its name says so. Save it again.")
    command = [sys.executable, "-I", str(_HERE / "pdf_text.py")]
    status, out = _run(command, data, name, seconds, memory=_MEMORY)
    sentences = {
        _PDF_LOCKED: (
            "document-locked",
            f"{name} is locked with a password or forbids taking its text. Give a copy that is not.",
        ),
        _PDF_PICTURES: (
            "document-pictures",
            f"{name} has only pictures of pages and no text. Run text recognition (OCR) over it first.",
        ),
        _PDF_LONG: ("document-size", f"{name} has too many pages. Split it into parts."),
    }
    if status in sentences:
        raise DocumentProblem(*sentences[status])
    if status != 0:
        raise DocumentProblem("document-damaged", f"{name} cannot be read: the PDF is damaged. Save it again.")
    return out


def _require_office(name: str, data: bytes, inside: str) -> None:
    """That ``data`` is an office document of that kind and does not unfold without end."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        entries = []
    if not any(entry.filename.startswith(inside) for entry in entries):
        raise DocumentProblem(
            "document-damaged", f"{name} cannot be read: it is damaged or not what its name says. Save it again."
        )
    if sum(entry.file_size for entry in entries) > MOST_BYTES_UNPACKED:
        raise DocumentProblem("document-size", f"{name} unpacks to far more than it should. Give another copy.")


def _as_utf8(name: str, data: bytes) -> bytes:
    """A web page in UTF-8: as it is, or by the encoding that it names."""
    found = _CHARSET.search(data[:4096])
    named = found[1].decode("ascii") if found else "utf-8"
    for encoding in ("utf-8-sig", named):
        try:
            return data.decode(encoding).encode("utf-8")
        except (UnicodeDecodeError, LookupError, UnicodeEncodeError):
            continue
    raise DocumentProblem(
        "document-encoding", f"{name} is not written in UTF-8. Save it again with the encoding UTF-8."
    )


def _run(command: list[str], data: bytes, name: str, seconds: float, *, memory: int | None) -> tuple[int, str]:
    with tempfile.TemporaryDirectory(prefix="seedbed-convert-") as folder:
        try:
            done = subprocess.run(
                command,
                input=data,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={"PATH": os.defpath, "HOME": folder, "TMPDIR": folder, "LC_ALL": "C.UTF-8"},
                timeout=seconds,
                check=False,
                preexec_fn=partial(_limit, seconds, memory),
            )
        except subprocess.TimeoutExpired:
            raise DocumentProblem(
                "document-slow", f"{name} takes longer than {seconds:g} seconds to convert. Split it into parts."
            ) from None
    return done.returncode, done.stdout.decode("utf-8", "replace")


def _limit(seconds: float, memory: int | None) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 2))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES_UNPACKED, MOST_BYTES_UNPACKED))
    if memory is not None:  # a Haskell program reserves far more than it uses; pandoc has a limit of its own
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
