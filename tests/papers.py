"""Small documents of every kind, made on the spot: PDF by hand, office files by pandoc."""

from __future__ import annotations

import subprocess
import zlib


def pdf(*pages: str, picture: bool = False, locked: bool = False) -> bytes:
    """A PDF with one page for each text (lines broken where ``\\n`` is); ``picture``: each page shows a picture."""
    objects: list[bytes] = []

    def add(content: bytes) -> int:
        objects.append(content)
        return len(objects)

    add(b"<< /Type /Catalog /Pages 2 0 R >>")
    add(b"")  # the pages, known at the end
    font = add(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    image = add(
        b"<< /Type /XObject /Subtype /Image /Width 2 /Height 2 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 4 >>"
        b"\nstream\n\x00\x80\x80\x00\nendstream"
    )
    kids = []
    for text in pages:
        lines = "".join(
            f"({line.replace('(', '').replace(')', '')}) Tj 0 -14 Td " for line in text.splitlines() if line
        )
        drawn = f"BT /F1 12 Tf 72 720 Td {lines} ET" + (" q 400 0 0 400 72 200 cm /I1 Do Q" if picture else "")
        packed = zlib.compress(drawn.encode("latin-1"))
        content = add(b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed))
        kids.append(
            add(
                b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
                b"/Resources << /Font << /F1 %d 0 R >> /XObject << /I1 %d 0 R >> >> >>" % (content, font, image)
            )
        )
    objects[1] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    out = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    lock = (
        b"/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >> /ID [<00> <00>]" % (b"11" * 32, b"22" * 32)
        if locked
        else b""
    )
    out += b"trailer << /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, lock, start)
    return out


def office(markdown: str, kind: str) -> bytes:
    """A DOCX or PPTX file with that content."""
    import pypandoc

    done = subprocess.run(
        [pypandoc.get_pandoc_path(), "--from=markdown", f"--to={kind}", "--output=-"],
        input=markdown.encode(),
        capture_output=True,
        check=True,
    )
    return done.stdout
