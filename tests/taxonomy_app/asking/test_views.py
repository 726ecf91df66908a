"""What people see of askings: on the draft's page, on the review desk, before there is a draft."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from taxonomy_app.asking import services
from taxonomy_app.asking.models import Asking
from taxonomy_app.asking.shown import draft_panel, percent
from taxonomy_app.contributions import services as contributions
from taxonomy_app.contributions.services import DraftChanges
from tests.taxonomy_app.asking.making import done, failed, given, progress, report, tried
from tests.taxonomy_app.contributions.making import make_draft, submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(taxonomy: Any, contributor: Any, now: Any) -> Any:
    return make_draft(contributor, now=now)


def posted(draft: Any, action: str, **fields: str) -> dict[str, str]:
    made = {"version": str(draft.version), "action": action, "task_description": draft.form["task_description"]}
    for index, seed in enumerate(draft.form["seed_examples"]):
        made |= {f"seed_examples[{index}].{key}": seed[key] for key in ("question", "answer")}
    return made | fields


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_the_forms_button_saves_and_asks(client_for: Any, draft: Any, contributor: Any, sent: Any) -> None:
    fields = posted(draft, "ask", **{"seed_examples[0].question": "Make a riddle about the medlar."})
    response = client_for(contributor).post(draft.get_absolute_url(), fields)
    assert response.status_code == 302
    assert response.url.endswith("#asking")
    assert sent.specs[0].answers.questions[0].question == "Make a riddle about the medlar."


def test_answers_appear_one_by_one_beside_what_was_written(
    client_for: Any, draft: Any, contributor: Any, sent: Any, now: Any
) -> None:
    client = client_for(contributor)
    services.draft_ask(draft=draft, by=contributor, now=now)
    spec = sent.specs[0]
    page = text_of(client.get(draft.get_absolute_url()))
    assert page.count("The model has not answered this yet.") == 5
    assert "Next in turn" in page
    first = spec.answers.questions[0]
    services.asking_report(report=progress(spec, given(first.key, "<b>Bold</b> I am a bean.")), now=now)
    fragment = text_of(client.get(reverse("asking:draft", args=[draft.pk]), headers={"HX-Request": "true"}))
    assert "&lt;b&gt;Bold&lt;/b&gt; I am a bean." in fragment
    assert fragment.count("The model has not answered this yet.") == 4
    assert 'hx-trigger="every 1s"' in fragment
    assert "1 of 5 answers" in fragment
    assert "most surprised by “soup”: 0.4 %" in fragment


def test_what_it_knows_already_is_said_with_its_measure(
    client_for: Any, draft: Any, contributor: Any, sent: Any, now: Any
) -> None:
    services.draft_ask(draft=draft, by=contributor, now=now)
    spec = sent.specs[0]
    answers = [given(one.key) for one in spec.answers.questions]
    answers[0] = given(answers[0].key, known="says_it")
    services.asking_report(report=done(spec, *answers), now=now)
    page = text_of(client_for(contributor).get(draft.get_absolute_url()))
    assert page.count("It knows this already") == 1
    assert "Its own answer holds the one written here" in page
    assert "5 answered, 1 of them known already" in page
    assert 'hx-trigger="every 1s"' not in page


def test_an_answer_to_an_earlier_wording_is_marked(draft: Any, contributor: Any, sent: Any, now: Any) -> None:
    services.draft_ask(draft=draft, by=contributor, now=now)
    spec = sent.specs[0]
    services.asking_report(report=done(spec, *(given(one.key) for one in spec.answers.questions)), now=now)
    form = {**draft.form, "seed_examples": [dict(one) for one in draft.form["seed_examples"]]}
    form["seed_examples"][0]["question"] = "Make a riddle about rain."
    form["seed_examples"][1]["answer"] = "Something else."
    # Two that change places keep what was answered to each.
    form["seed_examples"][3], form["seed_examples"][4] = form["seed_examples"][4], form["seed_examples"][3]
    draft = contributions.draft_save(
        draft=draft, by=contributor, version=draft.version, changes=DraftChanges(form=form), now=now
    )
    shown = draft_panel(draft).answers
    assert [one.stale for one in shown] == ["question", "answer", "", "", ""]
    assert shown[0].then == "Make a riddle about the bean."
    assert shown[3].then == "Make a riddle about the chard."
    assert not shown[0].known


def test_a_page_says_that_nobody_is_there_and_that_a_round_goes_first(
    client_for: Any, draft: Any, contributor: Any, sent: Any, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_for(contributor)
    sent.listening = False
    assert "No model is available at the moment" in text_of(client.get(draft.get_absolute_url()))
    services.draft_ask(draft=draft, by=contributor, now=now)
    page = text_of(client.get(draft.get_absolute_url()))
    assert "No worker answers questions at the moment" in page
    sent.listening = True
    from taxonomy_app.asking import shown

    class Running:
        round = "Round 7"

    class Stages:
        @staticmethod
        def filter(**_: Any) -> Any:
            return Stages

        @staticmethod
        def select_related(*_: Any) -> Any:
            return Stages

        @staticmethod
        def first() -> Any:
            return Running

    monkeypatch.setattr(shown.Stage, "objects", Stages)
    assert "Round 7 is being worked on, and rounds go first" in text_of(client.get(draft.get_absolute_url()))


def test_ones_place_in_the_queue_is_said(
    client_for: Any, draft: Any, contributor: Any, other_contributor: Any, sent: Any, now: Any
) -> None:
    from datetime import timedelta

    services.question_ask(question="First?", by=other_contributor, now=now)
    services.draft_ask(draft=draft, by=contributor, now=now + timedelta(seconds=1))
    assert "1 before yours" in text_of(client_for(contributor).get(draft.get_absolute_url()))


def test_a_refusal_stands_beside_the_buttons(
    client_for: Any, draft: Any, contributor: Any, sent: Any, now: Any
) -> None:
    services.draft_ask(draft=draft, by=contributor, now=now)
    response = client_for(contributor).post(draft.get_absolute_url(), posted(draft, "ask"))
    assert response.status_code == 422
    assert "has answered every question as it stands, or is about to" in text_of(response)


def test_a_failure_is_told_with_advice(client_for: Any, draft: Any, contributor: Any, sent: Any, now: Any) -> None:
    services.draft_ask(draft=draft, by=contributor, now=now)
    services.asking_report(report=failed(sent.specs[0]), now=now)
    page = text_of(client_for(contributor).get(draft.get_absolute_url()))
    assert "The model could not be asked." in page
    assert "Ask again." in page


def test_the_teachers_samples_are_shown_with_scores_and_what_was_dropped(
    client_for: Any, draft: Any, contributor: Any, sent: Any, now: Any
) -> None:
    client = client_for(contributor)
    client.post(draft.get_absolute_url(), posted(draft, "try"))
    services.asking_report(report=report(sent.specs[0], "done", 3, result=tried().model_dump(mode="json")), now=now)
    page = text_of(client.get(draft.get_absolute_url()))
    assert "2 of 5 kept, 3 dropped" in page
    assert "Judge 2<" in page
    assert "3 by near duplicate" in page
    assert "The seeds have changed since" not in page
    draft.refresh_from_db()
    client.post(draft.get_absolute_url(), posted(draft, "save", **{"seed_examples[0].question": "Another?"}))
    assert "The seeds have changed since" in text_of(client.get(draft.get_absolute_url()))


def test_stopping_comes_back_to_where_one_was(
    client_for: Any, draft: Any, contributor: Any, sent: Any, now: Any
) -> None:
    client = client_for(contributor)
    made = services.draft_ask(draft=draft, by=contributor, now=now)
    assert client.post(reverse("asking:stop", args=[made.pk])).url == draft.get_absolute_url()
    assert "Stopped." in text_of(client.get(draft.get_absolute_url()))


def test_the_desk_shows_what_the_models_said(
    client_for: Any, draft: Any, contributor: Any, reviewer: Any, sent: Any, now: Any
) -> None:
    services.draft_ask(draft=draft, by=contributor, now=now)
    spec = sent.specs[0]
    services.asking_report(report=done(spec, *(given(one.key) for one in spec.answers.questions)), now=now)
    submission = submit(draft, now=now)
    client = client_for(reviewer)
    address = reverse("asking:submission", args=[submission.pk])
    assert address in text_of(client.get(reverse("contributions:review", args=[submission.pk])))
    page = text_of(client.get(address))
    assert "5 of 5 questions answered" in page
    assert "I am long and thin." in page
    client.post(address, {"whom": "teacher"})
    assert Asking.objects.filter(submission=submission, person=reviewer).count() == 1


def test_a_question_is_asked_before_there_is_a_draft(client_for: Any, contributor: Any, sent: Any, now: Any) -> None:
    client = client_for(contributor)
    assert 'name="question"' in text_of(client.get(reverse("contributions:new")))
    response = client.post(reverse("asking:question_new"), {"question": "What is a bean?"})
    made = Asking.objects.get()
    assert response.url == reverse("asking:question", args=[made.pk])
    services.asking_report(
        report=done(sent.specs[0], given(sent.specs[0].answers.questions[0].key, "A seed.")), now=now
    )
    page = text_of(client.get(response.url))
    assert "What is a bean?" in page
    assert "A seed." in page
    fragment = client.post(reverse("asking:question_new"), {"question": " "}, headers={"HX-Request": "true"})
    assert fragment.status_code == 422
    assert "Write a question first." in text_of(fragment)


def test_a_page_asks_the_database_as_often_for_many_seeds(
    client_for: Any, taxonomy: Any, contributor: Any, sent: Any, now: Any, django_assert_max_num_queries: Any
) -> None:
    from tests.taxonomy_app.contributions.making import skill_form

    client = client_for(contributor)
    counts = []
    for number, seeds in enumerate((5, 8)):
        form = skill_form(count=seeds)
        draft = make_draft(contributor, now=now, path=f"compositional_skills/writing/r{number}", form=form)
        made = services.draft_ask(draft=draft, by=contributor, now=now)
        spec = sent.specs[-1]
        services.asking_report(report=done(spec, *(given(one.key) for one in spec.answers.questions)), now=now)
        with django_assert_max_num_queries(30) as queries:
            client.get(draft.get_absolute_url())
        counts.append(len(queries))
        assert made.pk
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("share", "words"),
    [(None, "–"), (0.0004, "less than 0.1 %"), (0.004, "0.4 %"), (0.311, "31 %"), (1.0, "100 %")],
)
def test_probabilities_in_words(share: float | None, words: str) -> None:
    assert percent(share) == words
