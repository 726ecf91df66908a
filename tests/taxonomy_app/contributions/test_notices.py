"""Who is told of what, and when it counts as read."""

from __future__ import annotations

import pytest
from django.urls import reverse

from taxonomy_app.contributions import deciding, services, transitions
from taxonomy_app.contributions.models import Notice
from taxonomy_app.contributions.outbox import outbox_run
from tests.taxonomy_app.contributions.making import PATH, approve, make_submission, submit

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_outbox(monkeypatch):
    monkeypatch.setattr(deciding, "outbox_send", lambda: None)


def told():
    return [(notice.person.username, notice.kind) for notice in Notice.objects.order_by("id")]


def test_author_and_reviewer_are_told_what_the_other_did_and_nobody_else(
    taxonomy, contributor, other_contributor, reviewer, administrator, now
):
    submission = make_submission(contributor, now=now)
    services.submission_claim(submission=submission, reviewer=administrator, now=now)
    assert told() == []
    services.submission_release(submission=submission, reviewer=administrator, now=now)
    services.comment_add(submission=submission, author=reviewer, text="Nice.", now=now)
    services.comment_add(submission=submission, author=contributor, text="Thank you.", now=now)
    services.submission_request_changes(
        submission=submission, reviewer=administrator, revision_number=1, reason="More.", now=now
    )
    submit(services.submission_revise(submission=submission, by=contributor, now=now), now=now)
    submission.refresh_from_db()
    approve(submission, reviewer, now=now)
    outbox_run(now=now)
    assert told() == [
        ("rosa", "commented"),
        ("emeka", "commented"),
        ("rosa", "changes_requested"),
        ("emeka", "revised"),
        ("ines", "revised"),
        ("rosa", "committed"),
    ]


def test_a_notice_is_written_only_with_what_it_tells(taxonomy, contributor, reviewer, now, monkeypatch):
    submission = make_submission(contributor, now=now)

    def fail(**fields):
        raise RuntimeError("the database is full")

    monkeypatch.setattr(transitions, "notices_send", fail)
    with pytest.raises(RuntimeError):
        services.submission_reject(submission=submission, reviewer=reviewer, revision_number=1, reason="No.", now=now)
    submission.refresh_from_db()
    assert submission.state == "submitted"


def test_notices_are_shown_counted_and_read(taxonomy, contributor, other_contributor, reviewer, client_for, now):
    first = make_submission(contributor, now=now)
    second = make_submission(contributor, now=now, path=f"{PATH}_second")
    for submission in (first, second):
        services.submission_reject(submission=submission, reviewer=reviewer, revision_number=1, reason="No.", now=now)
    client, url = client_for(contributor), reverse("contributions:notices")
    page = client.get(url).content.decode()
    assert page.count("Emeka Obi rejected") == 2
    assert "2</span>" in page
    assert "Emeka Obi rejected" not in client_for(other_contributor).get(url).content.decode()
    client_for(reviewer).get(first.get_absolute_url())
    assert Notice.objects.unread_by(contributor).count() == 2
    client.get(first.get_absolute_url())
    assert [notice.submission for notice in Notice.objects.unread_by(contributor)] == [second]
    newest = Notice.objects.latest("id")
    third = make_submission(contributor, now=now, path=f"{PATH}_third")
    services.submission_reject(submission=third, reviewer=reviewer, revision_number=1, reason="No.", now=now)
    client.post(reverse("contributions:notices_read"), {"until": newest.pk})
    # What came after the page was shown has not been read.
    assert [notice.submission for notice in Notice.objects.unread_by(contributor)] == [third]
