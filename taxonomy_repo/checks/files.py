"""How a leaf's file lies on a disk. ``folder`` finds these where it opens files; here they are explained.

Their examples are no texts, so they have none.
"""

from __future__ import annotations

from collections.abc import Iterator

from taxonomy_repo.checks.registry import Check, Subject, register
from taxonomy_repo.problem import Problem


class FileCheck(Check):
    """A check whose problem was found before there was anything to read."""

    example = None

    def find(self, subject: Subject) -> Iterator[Problem]:
        return iter(())


@register
class FileName(FileCheck):
    code = "file-name"
    severity = "error"
    explanation = "A leaf is a folder, and its file is always called qna.yaml: under another name nobody finds it."


@register
class FileLink(FileCheck):
    code = "file-link"
    severity = "error"
    explanation = "A link may lead anywhere on the machine that reads it. A leaf's file is the file itself."


@register
class FileUnreadable(FileCheck):
    code = "file-unreadable"
    severity = "error"
    explanation = (
        "The file cannot be opened, or it is no file but a folder or a device. Look at its name and permissions."
    )
