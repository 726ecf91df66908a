"""The audit trail as a file: every transition, and nothing that a table program would run."""

from __future__ import annotations

import csv
import io

import pytest
from django.urls import reverse

from taxonomy_app.contributions import services
from tests.taxonomy_app.contributions.making import KNOWLEDGE_PATH, PATH, make_submission

pytestmark = pytest.mark.django_db


def rows_of(answer):
    return list(csv.DictReader(io.StringIO(answer.content.decode())))


def test_every_transition_is_a_row_with_who_when_and_why(
    taxonomy, contributor, reviewer, client_for, now, django_assert_max_num_queries
):
    submission = make_submission(contributor, now=now)
    other = make_submission(contributor, now=now, path=KNOWLEDGE_PATH)
    services.submission_claim(submission=submission, reviewer=reviewer, now=now)
    services.submission_reject(
        submission=submission, reviewer=reviewer, revision_number=1, reason='=1+1, "no"\nand no', now=now
    )
    found = rows_of(client_for(contributor).get(reverse("contributions:trail", args=[submission.pk])))
    assert [(row["what"], row["who"]) for row in found] == [
        ("submitted", "rosa"),
        ("claimed", "emeka"),
        ("rejected", "emeka"),
    ]
    assert found[-1] == {
        "submission": submission.number,
        "place": PATH,
        "author": "rosa",
        "version": "1",
        "what": "rejected",
        "who": "emeka",
        "when": now.isoformat(),
        "why": '\'=1+1, "no"\nand no',
        "as": "",
    }
    client, url = client_for(reviewer), reverse("contributions:queue_trail")
    with django_assert_max_num_queries(5):
        assert {row["submission"] for row in rows_of(client.get(url, {"state": "all"}))} == {
            submission.number,
            other.number,
        }
    assert {row["submission"] for row in rows_of(client.get(url))} == {other.number}
