"""The queue's filter, saved filters, and one decision on everything that matches."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone

from taxonomy_app.contributions import bulk, deciding, services
from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions.models import Decision, SavedFilter, State, Submission
from taxonomy_app.contributions.problems import NotYours, Refused
from taxonomy_app.contributions.queue import QueueFilter
from taxonomy_repo.leaf import Problem
from tests.taxonomy_app.contributions.making import KNOWLEDGE_PATH, PATH, make_submission, skill_form

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_outbox(monkeypatch):
    monkeypatch.setattr(deciding, "outbox_send", lambda: None)


def test_what_an_address_asks_for_is_understood_or_left_out():
    chosen = QueueFilter.parse(QueryDict("state=all&branch=knowledge&sort=newest&kind=nonsense&age=century&q=moss"))
    assert chosen == QueueFilter(state="all", branch="knowledge", sort="newest", q="moss")
    assert QueueFilter.parse(QueryDict(chosen.query())) == chosen
    assert QueueFilter.parse(QueryDict("")).query() == ""
    assert not QueueFilter(sort="newest").narrows


def test_the_order_and_the_next_one_agree(taxonomy, contributor, reviewer, now):
    for number, name in enumerate(("c", "a", "b")):
        make_submission(contributor, now=now + timedelta(minutes=number), path=f"{PATH}_{name}")
    for sort, order in (("oldest", "cab"), ("newest", "bac"), ("place", "abc")):
        chosen = QueueFilter(sort=sort)
        rows = list(chosen.rows(user=reviewer, now=now))
        assert "".join(row.path[-1] for row in rows) == order
        following = [chosen.following(row, user=reviewer, now=now) for row in rows]
        assert following == [rows[1], rows[2], rows[0]]


def test_places_and_ages_narrow_it(taxonomy, contributor, reviewer, now):
    old = make_submission(contributor, now=now - timedelta(days=8), path=f"{PATH}_old")
    new = make_submission(contributor, now=now, path=KNOWLEDGE_PATH)

    def shown(**filters):
        return set(QueueFilter(**filters).rows(user=reviewer, now=now))

    assert shown(age="week") == {old}
    assert shown(path="knowledge/gardening") == {new}
    assert shown(path="knowledge/garden") == set()


def test_a_filter_is_saved_under_a_name_shown_and_forgotten(
    taxonomy, contributor, reviewer, administrator, client_for, now
):
    make_submission(contributor, now=now, path=KNOWLEDGE_PATH)
    client = client_for(reviewer)
    queue = reverse("contributions:queue")
    client.post(reverse("contributions:filter_save"), {"name": " My  corner ", "filter": "branch=knowledge&sql=drop"})
    saved = SavedFilter.objects.get()
    assert (saved.name, saved.query) == ("My corner", "branch=knowledge")
    assert f'href="{queue}?branch=knowledge"' in client.get(queue).content.decode()
    assert "My corner" not in client_for(administrator).get(queue).content.decode()
    answer = client.post(reverse("contributions:filter_save"), {"name": " ", "filter": ""}, follow=True)
    assert "Give the filter a name" in answer.content.decode()
    with pytest.raises(NotYours):
        services.filter_forget(saved=saved, by=administrator)
    client.post(reverse("contributions:filter_forget", args=[saved.pk]))
    assert not SavedFilter.objects.exists()


def test_all_that_match_are_decided_on_and_the_rest_is_named_with_why(
    taxonomy, contributor, other_contributor, reviewer, administrator, client_for, now
):
    theirs = [make_submission(contributor, now=now, path=f"{PATH}_{number}") for number in range(3)]
    own = make_submission(reviewer, now=now, path=f"{PATH}_own")
    claimed = make_submission(other_contributor, now=now, path=f"{PATH}_claimed")
    services.submission_claim(submission=claimed, reviewer=administrator, now=timezone.now())
    elsewhere = make_submission(contributor, now=now, path=KNOWLEDGE_PATH)
    client = client_for(reviewer)
    url = reverse("contributions:decide_all")
    page = client.get(url, {"branch": "compositional_skills"})
    assert (page.context["count"], page.context["left_out"]) == (3, 2)
    data = {"filter": "branch=compositional_skills", "seen_until": page.context["seen_until"], "verdict": "reject"}
    answer = client.post(url, data)
    assert answer.status_code == 422
    assert "Write the reason" in answer.content.decode()
    assert not Decision.objects.exists()
    late = make_submission(contributor, now=timezone.now(), path=f"{PATH}_late")
    answer = client.post(url, {**data, "canned": "Too alike.", "reason": "All of them."})
    result = answer.context["result"]
    assert {one.pk for one in result.done} == {one.pk for one in theirs}
    assert {one.pk: sentence for one, sentence in result.refused} == {
        own.pk: "This is your own contribution: somebody else has to review it.",
        claimed.pk: "Ines Aldana is reviewing this at the moment. Take it over first if you want to decide.",
    }
    assert set(Decision.objects.values_list("reason", flat=True)) == {"Too alike.\nAll of them."}
    waiting = Submission.objects.filter(state=State.SUBMITTED)
    assert set(waiting) == {own, claimed, elsewhere, late}


def test_more_than_a_request_can_do_are_done_in_turns(taxonomy, contributor, reviewer, client_for, now, monkeypatch):
    monkeypatch.setattr(bulk, "MOST_AT_ONCE", 2)
    for number in range(3):
        make_submission(contributor, now=now, path=f"{PATH}_{number}")
    client = client_for(reviewer)
    data = {"verdict": "approve"}
    answer = client.post(reverse("contributions:decide_all"), data)
    assert (len(answer.context["result"].done), answer.context["left"]) == (2, 1)
    answer = client.post(reverse("contributions:decide_all"), data)
    assert (len(answer.context["result"].done), answer.context["left"]) == (1, 0)
    assert not Submission.objects.exclude(state=State.APPROVED).exists()


def test_who_is_no_reviewer_decides_on_nothing_at_once(taxonomy, contributor, other_contributor, now):
    submission = make_submission(contributor, now=now)
    with pytest.raises(NotYours):
        bulk.submissions_decide(submissions=[submission], reviewer=other_contributor, verdict="approve", now=now)
    with pytest.raises(Refused):
        services.filter_save(person=other_contributor, name="x" * 61, query="")


def test_submissions_are_found_by_number_and_by_words_of_place_and_task_as_they_are_now(
    taxonomy, contributor, reviewer, now
):
    moss = make_submission(contributor, now=now, path="compositional_skills/writing/moss_poems")
    fern = make_submission(contributor, now=now, path="compositional_skills/writing/fern_poems")

    def found(text):
        return set(QueueFilter(state="all", q=text).rows(user=reviewer, now=now))

    assert found("poems") == found("WRITING poem") == {moss, fern}
    assert found("moss") == found("moss poems") == found(moss.number) == {moss}
    assert found("moss fern") == found("oss") == found("…") == set()
    services.submission_request_changes(
        submission=moss, reviewer=reviewer, revision_number=1, reason="Say it of lichen.", now=now
    )
    draft = services.submission_revise(submission=moss, by=contributor, now=now)
    draft.form["task_description"] = "Écrire of lichen in verse."
    draft.save()
    services.draft_submit(
        draft=draft, by=contributor, version=draft.version, sign_off=True, message="", now=now + timedelta(minutes=1)
    )
    assert found("lichen") == found("ecrire verse") == {moss}


# --- What checks found ---------------------------------------------------------------------------


def test_the_queue_is_filtered_by_what_checks_found_in_the_latest_revision(
    taxonomy, contributor, reviewer, client_for, now, django_assert_num_queries
):
    repeated = skill_form()
    repeated["seed_examples"][0]["answer"] = repeated["seed_examples"][0]["question"]
    remarked = make_submission(contributor, now=now, form=repeated)
    codes = set(remarked.findings.filter(severity="warning").values_list("code", flat=True))
    assert codes, "the form has a warning"
    varied = skill_form("Tell of a plant in a riddle.")
    answers = ("Long and green, I hang in twos.", "I roll from an open pod.", "Red I am under the ground.")
    for seed, answer in zip(
        varied["seed_examples"], (*answers, "I love the frost.", "Pink are my stalks."), strict=True
    ):
        seed["answer"] = answer
    clean = make_submission(contributor, now=now, path=f"{PATH}_clean", form=varied)

    def found(**parameters):
        return set(QueueFilter(**parameters).rows(user=reviewer, now=now).values_list("pk", flat=True))

    assert found(checks="warning") == found(checks=min(codes)) == {remarked.pk}
    assert found(checks="clean") == {clean.pk}
    assert found(checks="error") == found(checks="no-such-code") == set()
    with django_assert_num_queries(1):
        found(checks="warning")
    page = client_for(reviewer).get(reverse("contributions:queue"), {"checks": min(codes)}).content.decode()
    assert remarked.number in page
    assert clean.number not in page
    assert f'<option value="{min(codes)}" selected>' in page

    draft = services.submission_revise(submission=remarked, by=contributor, now=now)
    draft = services.draft_save(
        draft=draft, by=contributor, version=draft.version, changes=services.DraftChanges(form=varied), now=now
    )
    services.draft_submit(draft=draft, by=contributor, version=draft.version, sign_off=True, now=now)
    assert found(checks=min(codes)) == set()


def test_what_waits_is_checked_again_when_checks_have_changed(taxonomy, contributor, now, monkeypatch):
    submission = make_submission(contributor, now=now)
    stricter = Problem("new-check", "error", "Too green.", field="seed_examples[0].answer")
    monkeypatch.setattr(documents, "check", lambda **files: [stricter, stricter])
    call_command("check_submissions")
    assert list(submission.findings.values_list("code", "severity", "count")) == [("new-check", "error", 2)]


@pytest.mark.parametrize("value", ["'; drop", "Warning", "x" * 80, "-warning"])
def test_a_code_that_no_check_can_have_asks_for_nothing(value):
    query = QueryDict(mutable=True)
    query["checks"] = value
    assert QueueFilter.parse(query).checks == ""
