"""A program: the text of the PDF on standard input, in paragraphs, on standard output. Started by ``conversion`` alone.

Imports nothing of this project, so that it runs isolated. Exit status: 0, or 3 locked, 4 damaged, 5 only pictures,
6 too many pages.
"""

import io
import re
import sys
from collections.abc import Iterator

MOST_PAGES = 3000
# A page with fewer characters than this says nothing: a number, or a line that a scanner added.
LEAST_CHARACTERS_A_PAGE = 20


def paragraphs(data: bytes) -> Iterator[tuple[list[str], bool]]:
    """For each page: its paragraphs from top to bottom, and whether it has a picture."""
    from pdfminer.high_level import extract_pages
    from pdfminer.layout import LAParams, LTFigure, LTImage, LTTextBox

    for page in extract_pages(io.BytesIO(data), laparams=LAParams(), maxpages=MOST_PAGES + 1):
        found = [joined(box.get_text()) for box in page if isinstance(box, LTTextBox)]
        yield [text for text in found if text], any(isinstance(item, LTFigure | LTImage) for item in page)


def joined(text: str) -> str:
    """The lines of a paragraph as one, words that were broken at their ends mended."""
    text = re.sub(r"(?<=[a-zà-ÿ])[-\u00ad]\n(?=[a-zà-ÿ])", "", text.replace("\x00", ""))
    return " ".join(text.split())


def main() -> int:
    """Read, convert, write."""
    from pdfminer.pdfdocument import PDFPasswordIncorrect, PDFTextExtractionNotAllowed

    pages: list[list[str]] = []
    pictures = 0
    try:
        for texts, picture in paragraphs(sys.stdin.buffer.read()):
            pages.append(texts)
            pictures += picture
            if len(pages) > MOST_PAGES:
                return 6
    except (PDFPasswordIncorrect, PDFTextExtractionNotAllowed):
        return 3
    except Exception:  # noqa: BLE001 - whatever the library raises means that it cannot be read
        return 4
    characters = sum(len(text) for texts in pages for text in texts)
    if characters < LEAST_CHARACTERS_A_PAGE * max(len(pages), 1) and pictures:
        return 5
    sys.stdout.write("\n\n".join(text for texts in pages for text in texts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
