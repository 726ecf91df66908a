"""What checks find in a revision, kept with it so that the queue can be filtered by it without checking anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.db import transaction

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions.models import Revision, RevisionFinding, State, Submission

if TYPE_CHECKING:
    from taxonomy_repo.leaf import Problem


@transaction.atomic
def findings_keep(revision: Revision, problems: Iterable[Problem]) -> None:
    """Put ``problems`` in the place of what was kept for the revision: by code and severity, with how many."""
    RevisionFinding.objects.filter(revision=revision).delete()
    counted = Counter((problem.code, str(problem.severity)) for problem in problems)
    RevisionFinding.objects.bulk_create(
        RevisionFinding(
            submission_id=revision.submission_id,
            revision=revision,
            revision_number=revision.number,
            code=code,
            severity=severity,
            count=count,
        )
        for (code, severity), count in sorted(counted.items())
    )


def findings_renew() -> int:
    """Check everything again that waits for a reviewer, as after an update of the checks; how many submissions."""
    count = 0
    for submission in Submission.objects.filter(state=State.SUBMITTED).iterator(chunk_size=200):
        revision = submission.revisions.get(number=submission.revision_number)
        found = documents.check(
            qna=revision.qna.encode(), path=submission.path, attribution=revision.attribution.encode()
        )
        findings_keep(revision, found)
        count += 1
    return count
