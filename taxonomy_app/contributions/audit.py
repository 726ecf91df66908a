"""The audit trail as a table: every transition of submissions with who, when and why, one row each. Reads only."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from django.db.models import QuerySet

from taxonomy_app.contributions.models import Submission, SubmissionEvent

COLUMNS = ("submission", "place", "author", "version", "what", "who", "when", "why", "as")
_CHUNK = 2_000
# A cell that begins like this is taken for a formula by programs that show tables.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Line:
    """What ``csv`` writes to; hands each line on instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def trail_csv(submissions: QuerySet[Submission]) -> Iterator[str]:
    """The lines of a CSV file (RFC 4180, with a head) over the events of ``submissions``, oldest first."""
    writer = csv.writer(_Line())
    yield writer.writerow(COLUMNS)
    events = SubmissionEvent.objects.filter(submission__in=submissions.order_by().values("pk"))
    rows = events.select_related("submission__author", "person").order_by("at", "id")
    for event in rows.iterator(chunk_size=_CHUNK):
        submission = event.submission
        yield writer.writerow(
            _plain(cell)
            for cell in (
                submission.number,
                submission.path,
                submission.author.username,
                str(event.revision_number),
                event.kind,
                event.person.username if event.person else "",
                event.at.isoformat(),
                event.reason,
                "administrator" if event.as_administrator else "",
            )
        )


def _plain(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
