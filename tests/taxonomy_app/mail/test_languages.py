"""E-mails in the reader's language: subjects, both bodies, numbers of things, dates; whatever others read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from taxonomy_app.contributions import mailing, services
from taxonomy_app.contributions.models import Notice
from taxonomy_app.mail import choices, sending
from taxonomy_app.mail.models import Email
from taxonomy_app.people.services import confirmation_send
from tests.taxonomy_app.contributions.making import PATH, make_submission
from tests.taxonomy_app.mail.conftest import confirm

pytestmark = pytest.mark.django_db
MONDAY = datetime(2025, 3, 17, 8, 0, tzinfo=UTC)


@pytest.fixture
def german(contributor, reviewer, now, mail):
    """Both read German, at confirmed addresses."""
    for person in (contributor, reviewer):
        person.language = "de"
        person.save(update_fields=["language"])
    confirm(contributor, reviewer, now=now)


def reject(author, reviewer, now, name="seed_riddles"):
    submission = make_submission(author, now=now, path=f"compositional_skills/writing/{name}")
    services.submission_reject(submission=submission, reviewer=reviewer, revision_number=1, reason="No.", now=now)
    return submission


def test_a_notice_is_in_its_readers_language_in_subject_and_bodies(taxonomy, german, contributor, reviewer, now, mail):
    reject(contributor, reviewer, now)
    mailing.notices_gather(now=now)
    assert translation.get_language() == "en"
    sending.emails_send(now=now)
    assert mail.messages[0]["Subject"] == "Emeka Obi hat „Seed riddles“ abgelehnt"
    plain, html = mail.parts()
    for part in (plain, html):
        assert "Hallo Rosa," in part
        assert "Emeka Obi hat „Seed riddles“ abgelehnt" in part
        assert "14. März 2025, 09:26 UTC" in part
        assert "Auswählen, was Sie per E-Mail bekommen" in part
        assert "das ist mit Beiträgen geschehen, die Sie betreffen." in part
    assert '<html lang="de">' in html


def test_an_english_reader_gets_english_although_the_cause_reads_german(taxonomy, contributor, reviewer, now, mail):
    confirm(contributor, now=now)
    with translation.override("de"):
        reject(contributor, reviewer, now)
        mailing.notices_gather(now=now)
    email = Email.objects.get()
    assert email.subject == "Emeka Obi rejected “Seed riddles”"
    assert "Hello Rosa," in email.text
    assert '<html lang="en">' in email.html


@pytest.mark.parametrize(
    ("count", "subject"), [(1, "Ihr Tag auf Seedbed: 1 Mitteilung"), (2, "Ihr Tag auf Seedbed: 2 Mitteilungen")]
)
def test_a_days_digest_counts_in_german(taxonomy, german, contributor, reviewer, now, count, subject):
    choices.choices_save(person=contributor, chosen={"rejected": "daily"})
    for number in range(count):
        reject(contributor, reviewer, now, f"riddle_{number}")
    assert mailing.daily_digests_gather(now=now + timedelta(days=1)) == 1
    email = Email.objects.get()
    assert email.subject == subject
    assert "das ist seit gestern mit Beiträgen geschehen" in email.text
    assert "Was seit gestern geschehen ist" in email.html


def test_several_notices_are_counted_in_german(taxonomy, german, contributor, reviewer, now):
    for number in range(2):
        reject(contributor, reviewer, now, f"riddle_{number}")
    mailing.notices_gather(now=now)
    assert Email.objects.get().subject == "2 Mitteilungen über Beiträge"


@pytest.mark.parametrize(("count", "words"), [(1, "1 Beitrag wartet auf"), (2, "2 Beiträge warten auf")])
def test_the_reviewers_week_is_in_german(taxonomy, german, contributor, reviewer, now, count, words):
    for number in range(count):
        make_submission(contributor, now=now, path=f"{PATH}_{number}")
    reject(contributor, reviewer, now, "third")
    assert mailing.weekly_digests_gather(now=MONDAY) == 1
    email = Email.objects.get(kind="reviewers")
    assert email.subject == f"Warten auf Begutachtung: {count}"
    for body in (email.text, email.html):
        assert f"{words} Begutachtung." in body
        assert "seit dem 14. März 2025 (2" in body
        assert "1 Entscheidung fiel in den letzten sieben Tagen, davon 1 von Ihnen." in body


def test_the_link_to_confirm_an_address_comes_in_german(contributor, now, mail):
    contributor.language = "de"
    contributor.save()
    assert confirmation_send(person=contributor, now=now)
    email = Email.objects.get()
    assert email.subject == "Bestätigen Sie Ihre E-Mail-Adresse"
    assert "Der Link gilt 3 Tage lang." in email.text
    assert "Adresse bestätigen" in email.html


# --- The sentences of notices --------------------------------------------------------------------------


def test_each_kind_of_notice_is_a_whole_sentence_in_both_languages():
    told = {}
    for language in ("en", "de"):
        with translation.override(language):
            told[language] = {
                kind: Notice(kind=kind).sentence(person="Emeka Obi", name="Plant rhymes") for kind in Notice.Kind.values
            }
    assert told["en"]["moved"] == "Emeka Obi moved “Plant rhymes” to another place"
    assert told["de"]["moved"] == "Emeka Obi hat „Plant rhymes“ an einen anderen Ort gelegt"
    for kind in Notice.Kind.values:
        assert "“Plant rhymes”" in told["en"][kind]
        assert "„Plant rhymes“" in told["de"][kind]
        assert ("Emeka Obi" in told["en"][kind]) == ("Emeka Obi" in told["de"][kind])


def test_a_move_is_told_in_whole_sentences_on_the_page_and_names_are_escaped(
    taxonomy, contributor, reviewer, client_for, now
):
    reviewer.name = "Emeka <b>Obi</b>"
    reviewer.save()
    submission = make_submission(contributor, now=now)
    Notice.objects.create(person=contributor, submission=submission, kind="moved", by=reviewer, at=now)
    client: Client = client_for(contributor)
    link = f'href="{submission.get_absolute_url()}">Seed riddles</a>'
    page = client.get(reverse("contributions:notices"), headers={"accept-language": "en"}).content.decode()
    assert "Emeka &lt;b&gt;Obi&lt;/b&gt; moved “<a " in page
    assert f"{link}” to another place" in page
    page = client.get(reverse("contributions:notices"), headers={"accept-language": "de"}).content.decode()
    assert f"{link}“ an einen anderen Ort gelegt" in page
