"""Who gets which notice by e-mail and when: at once, in the morning's digest, never; and the link that ends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from taxonomy_app.contributions import mailing, services
from taxonomy_app.contributions.models import Notice
from taxonomy_app.mail import choices, sending
from taxonomy_app.mail.links import unsubscribe_path, unsubscription
from taxonomy_app.mail.models import Email
from tests.taxonomy_app.contributions.making import PATH, make_submission
from tests.taxonomy_app.mail.conftest import confirm

pytestmark = pytest.mark.django_db


def reject(author, reviewer, now, name="seed_riddles", reason="No."):
    submission = make_submission(author, now=now, path=f"compositional_skills/writing/{name}")
    services.submission_reject(submission=submission, reviewer=reviewer, revision_number=1, reason=reason, now=now)
    return submission


def send(now):
    gathered = mailing.notices_gather(now=now)
    sending.emails_send(now=now)
    return gathered


def test_a_notice_goes_at_once_with_a_link_to_what_it_is_about(taxonomy, contributor, reviewer, now, mail):
    confirm(contributor, now=now)
    submission = reject(contributor, reviewer, now)
    assert send(now) == 1
    assert mail.messages[0]["Subject"] == "Emeka Obi rejected “Seed riddles”"
    link = f"https://beds.example{submission.get_absolute_url()}"
    for part in mail.parts():
        assert "Emeka Obi rejected “Seed riddles”" in part
        assert link in part
        assert "https://beds.example/mail/choices/" in part
    assert mail.recipients == ["rosa@example.org"]


def test_nothing_is_sent_for_what_was_rolled_back(taxonomy, contributor, reviewer, now, mail):
    confirm(contributor, now=now)
    with transaction.atomic():
        reject(contributor, reviewer, now)
        assert Notice.objects.filter(delivery="now").exists()
        transaction.set_rollback(True)
    assert send(now) == 0
    assert mail.connections == 0


def test_many_notices_are_one_message_after_the_first(taxonomy, contributor, reviewer, now, mail):
    confirm(contributor, now=now)
    reject(contributor, reviewer, now, "one")
    send(now)
    for number in range(3):
        reject(contributor, reviewer, now + timedelta(seconds=10), f"more_{number}")
    assert send(now + timedelta(minutes=1)) == 0
    assert send(now + mailing.PAUSE) == 1
    assert mail.messages[-1]["Subject"] == "3 notices about contributions"
    assert len(mail.messages) == 2
    assert send(now + timedelta(hours=1)) == 0


def test_what_was_read_in_the_app_meanwhile_is_not_sent(taxonomy, contributor, reviewer, client_for, now, mail):
    confirm(contributor, now=now)
    submission = reject(contributor, reviewer, now)
    client_for(contributor).get(submission.get_absolute_url())
    assert send(now) == 0


def test_an_address_that_is_not_confirmed_gets_nothing_also_not_later(taxonomy, contributor, reviewer, now, mail):
    reject(contributor, reviewer, now)
    assert send(now) == 0
    confirm(contributor, now=now)
    assert send(now) == 0
    assert Notice.objects.unread_by(contributor).count() == 1


def test_each_kind_can_be_chosen_and_all_at_once(taxonomy, contributor, reviewer, client_for, now, mail):
    confirm(contributor, now=now)
    client, url = client_for(contributor), reverse("mail:choices")
    kinds = ("changes_requested", "rejected", "committed", "conflict", "moved", "commented")
    answer = client.post(url, {"everything": "each", **dict.fromkeys(kinds, "now"), "rejected": "off"})
    assert answer.url == reverse("people:profile")
    reject(contributor, reviewer, now)
    assert send(now) == 0
    assert Notice.objects.get().delivery == "off"
    client.post(url, {"everything": "daily", **dict.fromkeys(kinds, "now")})
    assert set(choices.choices_of(contributor).values()) == {"daily"}
    page = client.get(reverse("people:profile")).content.decode()
    assert '<option value="daily" selected>Once a day</option>' in page
    # A reviewer's kinds and week are not offered to a contributor, and nothing unknown is kept.
    assert "Every Monday" not in page
    assert client.post(url, {"everything": "hourly", **dict.fromkeys(kinds, "now")}).status_code == 422
    assert set(choices.choices_of(contributor)) == set(kinds)


def test_every_kind_of_notice_can_be_chosen(reviewer):
    from taxonomy_app.mail.forms import ChoicesForm

    assert {kind.value for kind in ChoicesForm(person=reviewer).kinds} == set(Notice.Kind.values)


def test_another_choice_holds_for_what_waits(taxonomy, contributor, reviewer, now, mail):
    confirm(contributor, now=now)
    choices.choices_save(person=contributor, chosen={"rejected": "daily"})
    reject(contributor, reviewer, now)
    mailing.choices_keep(person=contributor, chosen={"rejected": "now"})
    assert send(now) == 1
    reject(contributor, reviewer, now, "second")
    mailing.choices_keep(person=contributor, chosen={"rejected": "off"})
    assert send(now + timedelta(days=1)) == 0


def test_the_profile_says_when_email_is_off_and_when_the_address_is_not_confirmed(
    contributor, client_for, now, settings, mail
):
    client, url = client_for(contributor), reverse("people:profile")
    assert "Your address is not confirmed" in client.get(url).content.decode()
    settings.EMAIL = None
    page = client.get(url).content.decode()
    assert "This site sends no e-mail" in page
    assert "Your address is not confirmed" not in page


# --- The reader's morning -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "now", "morning"),
    [
        ("UTC", datetime(2025, 3, 14, 8, 0, tzinfo=UTC), datetime(2025, 3, 14, 8, tzinfo=UTC)),
        ("UTC", datetime(2025, 3, 14, 7, 59, tzinfo=UTC), datetime(2025, 3, 13, 8, tzinfo=UTC)),
        ("Asia/Tokyo", datetime(2025, 3, 14, 0, 0, tzinfo=UTC), datetime(2025, 3, 13, 23, tzinfo=UTC)),
        ("America/Lima", datetime(2025, 3, 14, 12, 59, tzinfo=UTC), datetime(2025, 3, 13, 13, tzinfo=UTC)),
        # The night of the change to summer time: eight o'clock comes an hour earlier.
        ("Europe/Madrid", datetime(2025, 3, 30, 6, 0, tzinfo=UTC), datetime(2025, 3, 30, 6, tzinfo=UTC)),
        ("Europe/Madrid", datetime(2025, 3, 30, 5, 59, tzinfo=UTC), datetime(2025, 3, 29, 7, tzinfo=UTC)),
    ],
)
def test_the_morning_is_the_readers(zone, now, morning):
    assert mailing.last_morning(now, ZoneInfo(zone)) == morning


def test_the_weeks_morning_is_mondays():
    thursday = datetime(2025, 3, 13, 9, tzinfo=UTC)
    assert mailing.last_morning(thursday, ZoneInfo("UTC"), mailing.WEEKDAY) == datetime(2025, 3, 10, 8, tzinfo=UTC)


def test_a_days_notices_come_together_in_the_readers_morning(taxonomy, contributor, reviewer, now, mail):
    confirm(contributor, now=now)
    contributor.time_zone = "Asia/Tokyo"
    contributor.save()
    choices.choices_save(person=contributor, chosen={"rejected": "daily"})
    evening = datetime(2025, 3, 14, 9, 0, tzinfo=UTC)  # 18:00 in Tokyo
    reject(contributor, reviewer, evening, "one")
    reject(contributor, reviewer, evening + timedelta(hours=1), "two")
    assert mailing.daily_digests_gather(now=datetime(2025, 3, 14, 22, 59, tzinfo=UTC)) == 0
    morning = datetime(2025, 3, 14, 23, 0, tzinfo=UTC)
    assert mailing.daily_digests_gather(now=morning) == 1
    assert mailing.daily_digests_gather(now=morning) == 0
    sending.emails_send(now=morning)
    assert mail.messages[0]["Subject"] == "Your day on Seedbed: 2 notices"
    assert "14 Mar 2025, 18:00" in mail.parts()[0]
    # What happens after the morning is for the next one.
    reject(contributor, reviewer, morning + timedelta(hours=1), "three")
    assert mailing.daily_digests_gather(now=morning + timedelta(hours=2)) == 0
    assert mailing.daily_digests_gather(now=morning + timedelta(days=1)) == 1


def test_the_browsers_zone_is_kept_at_sign_in(contributor, client):
    from tests.conftest import PASSWORD

    client.cookies["zone"] = "Europe/Madrid"
    client.post(reverse("people:sign_in"), {"identifier": "rosa", "password": PASSWORD})
    contributor.refresh_from_db()
    assert contributor.time_zone == "Europe/Madrid"
    client.post(reverse("people:sign_out"))
    client.cookies["zone"] = "Mars/Olympus"
    client.post(reverse("people:sign_in"), {"identifier": "rosa", "password": PASSWORD})
    contributor.refresh_from_db()
    assert contributor.time_zone == "Europe/Madrid"


# --- The reviewers' week ------------------------------------------------------------------------------

MONDAY = datetime(2025, 3, 17, 8, 0, tzinfo=UTC)


def test_reviewers_are_told_on_monday_what_waits_and_was_decided(
    taxonomy, contributor, reviewer, administrator, now, mail
):
    confirm(contributor, reviewer, administrator, now=now)
    oldest = make_submission(contributor, now=now)
    make_submission(contributor, now=now + timedelta(days=1), path=f"{PATH}_second")
    reject(contributor, reviewer, now, "third")
    assert mailing.weekly_digests_gather(now=MONDAY - timedelta(minutes=1)) == 0
    assert mailing.weekly_digests_gather(now=MONDAY) == 2
    assert mailing.weekly_digests_gather(now=MONDAY + timedelta(hours=1)) == 0
    Email.objects.exclude(person=reviewer).delete()
    sending.emails_send(now=MONDAY)
    assert mail.recipients == ["emeka@example.org"]
    assert mail.messages[0]["Subject"] == "Waiting for review: 2"
    plain, html = mail.parts()
    assert "2 contributions wait for a reviewer" in plain
    assert f'{oldest.number} "Seed riddles", has waited since 14 Mar 2025' in plain
    assert "1 decision was made in the last seven days, 1 of them by you" in plain
    assert "https://beds.example/contributions/queue/" in html


def test_a_week_without_anything_is_not_told(taxonomy, reviewer, now, mail):
    confirm(reviewer, now=now)
    assert mailing.weekly_digests_gather(now=MONDAY) == 0


def test_ones_own_contributions_do_not_wait_for_oneself(taxonomy, reviewer, now, mail):
    confirm(reviewer, now=now)
    make_submission(reviewer, now=now)
    assert mailing.weekly_digests_gather(now=MONDAY) == 0


def test_a_reviewer_can_do_without_and_a_late_week_is_not_sent(taxonomy, contributor, reviewer, client_for, now, mail):
    confirm(reviewer, now=now)
    make_submission(contributor, now=now)
    assert mailing.weekly_digests_gather(now=MONDAY + mailing.WEEK_IS_NEWS) == 0
    client_for(reviewer).post(
        reverse("mail:choices"), {"everything": "now", **dict.fromkeys(Notice.Kind.values, "now")}
    )
    assert mailing.weekly_digests_gather(now=MONDAY) == 0


# --- The link that ends it ----------------------------------------------------------------------------


def test_one_click_ends_notices_without_signing_in(taxonomy, contributor, reviewer, now, mail):
    confirm(contributor, now=now)
    reject(contributor, reviewer, now)
    send(now)
    link = mail.messages[0]["List-Unsubscribe"].strip().strip("<>")
    client = Client(enforce_csrf_checks=True)
    path = link.removeprefix("https://beds.example")
    # Programs that look at links change nothing.
    assert client.get(path).status_code == 200
    assert choices.choices_of(contributor) == {}
    assert client.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    reject(contributor, reviewer, now, "second")
    assert send(now + timedelta(hours=1)) == 0


def test_the_weeks_link_ends_the_week_alone(reviewer, mail):
    Client().post(unsubscribe_path(reviewer, "reviewers"))
    assert choices.choices_of(reviewer) == {"reviewers": "off"}


def test_a_link_that_was_changed_or_is_of_another_address_ends_nothing(contributor, other_contributor, mail):
    path = unsubscribe_path(contributor, "notices")
    token = path.split("/")[-2]
    assert unsubscription(token) is not None
    assert unsubscription(token[:-1] + ("A" if token[-1] != "A" else "B")) is None
    assert Client().post(reverse("mail:unsubscribe", args=["nonsense"])).status_code == 404
    contributor.email = "elsewhere@example.org"
    contributor.save()
    assert "Nothing is sent to this address" in Client().post(path).content.decode()
    assert choices.choices_of(contributor) == choices.choices_of(other_contributor) == {}


# --- The administrators' page -------------------------------------------------------------------------


def test_administrators_see_what_did_not_arrive_and_try_again(
    taxonomy, contributor, reviewer, administrator, client_for, now, mail
):
    confirm(contributor, now=now)
    mail.answers["RCPT"] = "550 no such person"
    reject(contributor, reviewer, now)
    send(now)
    client = client_for(administrator)
    page = client.get(reverse("mail:home")).content.decode()
    assert "550 no such person" in page
    assert "rosa@example.org" in page
    mail.answers.clear()
    client.post(reverse("mail:retry"))
    sending.emails_send(now=datetime.now(UTC) + timedelta(minutes=1))
    assert mail.recipients == ["rosa@example.org"]
