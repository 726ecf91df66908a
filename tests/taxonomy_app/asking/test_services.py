"""Askings are sent once, heard in order, stopped, given up and bounded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from taxonomy_app.asking import services
from taxonomy_app.asking.models import Asking, AskingState
from taxonomy_app.asking.shown import draft_panel
from taxonomy_app.contributions import services as contributions
from taxonomy_app.contributions.problems import NotYours, Refused
from taxonomy_app.contributions.services import DraftChanges
from tests.taxonomy_app.asking.making import done, failed, given, progress, report, tried
from tests.taxonomy_app.contributions.making import KNOWLEDGE_PATH, make_draft, make_submission, skill_form, submit
from tests.taxonomy_app.rounds.making import make_round
from workers.asking.specs import AskingReference, asking_cancel_key
from workers.specs import BUNDLED_MODEL

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft(taxonomy: Any, contributor: Any, now: Any) -> Any:
    return make_draft(contributor, now=now)


def answered(spec: Any) -> list[Any]:
    return [given(question.key) for question in spec.answers.questions]


def test_the_questions_of_a_draft_go_to_the_base_student_before_the_first_release(
    draft: Any, contributor: Any, sent: Any, now: Any
) -> None:
    made = services.draft_ask(draft=draft, by=contributor, now=now)
    (spec,) = sent.specs
    assert spec.answers.model.name == BUNDLED_MODEL
    assert [one.question for one in spec.answers.questions][:2] == [
        "Make a riddle about the bean.",
        "Make a riddle about the pea.",
    ]
    assert spec.answers.questions[0].answer.startswith("I grow in rows")
    assert "no release yet" in made.model_name
    assert made.fields[1] == "seed_examples[1].answer"


def test_the_questions_go_to_the_current_release(
    draft: Any, contributor: Any, sent: Any, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Current:
        name, student_model = "Spring", "artifact:tuned-1"

    monkeypatch.setattr("taxonomy_app.asking.questions.current_release", lambda: Current)
    made = services.draft_ask(draft=draft, by=contributor, now=now)
    assert sent.specs[0].answers.model.name == "artifact:tuned-1"
    assert made.model_name == "the current release, Spring"


def test_a_knowledge_question_is_asked_without_its_passage(
    taxonomy: Any, contributor: Any, sent: Any, now: Any
) -> None:
    services.draft_ask(draft=make_draft(contributor, now=now, path=KNOWLEDGE_PATH), by=contributor, now=now)
    assert len(sent.specs[0].answers.questions) == 15
    assert {one.shown for one in sent.specs[0].answers.questions} == {""}


def test_answers_are_kept_as_they_come_and_an_older_word_changes_nothing(
    draft: Any, contributor: Any, sent: Any, now: Any
) -> None:
    made = services.draft_ask(draft=draft, by=contributor, now=now)
    spec = sent.specs[0]
    answers = answered(spec)
    assert services.asking_report(report=report(spec, "started", 1), now=now)
    assert services.asking_report(report=progress(spec, *answers[:2], sequence=3), now=now)
    made.refresh_from_db()
    assert (made.state, len(made.answers), made.share) == (AskingState.RUNNING, 2, {"done": 2, "total": 5})
    assert not services.asking_report(report=progress(spec, *answers[:1], sequence=2), now=now)
    assert services.asking_report(report=done(spec, *answers), now=now)
    made.refresh_from_db()
    assert (made.state, len(made.answers)) == (AskingState.DONE, 5)
    assert not services.asking_report(report=failed(spec, sequence=10), now=now)


def test_only_what_is_not_answered_as_it_stands_is_asked_again(
    draft: Any, contributor: Any, sent: Any, now: Any
) -> None:
    services.draft_ask(draft=draft, by=contributor, now=now)
    services.asking_report(report=done(sent.specs[0], *answered(sent.specs[0])), now=now)
    with pytest.raises(Refused, match="has answered every question"):
        services.draft_ask(draft=draft, by=contributor, now=now)
    form = {**draft.form, "seed_examples": [dict(one) for one in draft.form["seed_examples"]]}
    form["seed_examples"][2]["question"] = "Make a riddle about the rhubarb."
    form["seed_examples"][3]["answer"] = "Quite another answer."
    draft = contributions.draft_save(
        draft=draft, by=contributor, version=draft.version, changes=DraftChanges(form=form), now=now
    )
    services.draft_ask(draft=draft, by=contributor, now=now)
    assert [one.question for one in sent.specs[1].answers.questions] == [
        "Make a riddle about the rhubarb.",
        "Make a riddle about the kale.",
    ]


def test_one_seed_is_asked_again_whenever_wanted(draft: Any, contributor: Any, sent: Any, now: Any) -> None:
    services.draft_ask(draft=draft, by=contributor, seed=1, now=now)
    services.draft_ask(draft=draft, by=contributor, seed=1, now=now)
    assert [len(spec.answers.questions) for spec in sent.specs] == [1, 1]


def test_what_counts_as_answered_is_shown(
    draft: Any, contributor: Any, sent: Any, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every seed asked by itself, and one of them again and again: more askings than there are seeds.
    for number, seed in enumerate([0, 1, 2, 3, *[4] * 14]):
        at = now + timedelta(minutes=number)
        services.draft_ask(draft=draft, by=contributor, seed=seed, now=at)
        services.asking_report(report=done(sent.specs[-1], *answered(sent.specs[-1])), now=at)
    assert draft_panel(draft).answered == 5
    with pytest.raises(Refused, match="has answered every question"):
        services.draft_ask(draft=draft, by=contributor, now=now)
    # However few are looked through, what is not shown any more is asked again.
    monkeypatch.setattr(Asking, "MOST_LOOKED_AT", 12)
    assert draft_panel(draft).answered == 1
    services.draft_ask(draft=draft, by=contributor, now=now + timedelta(hours=1))
    assert len(sent.specs[-1].answers.questions) == 4


def test_the_same_question_twice_is_asked_once(taxonomy: Any, contributor: Any, sent: Any, now: Any) -> None:
    form = skill_form()
    form["seed_examples"][1] = dict(form["seed_examples"][0])
    services.draft_ask(draft=make_draft(contributor, now=now, form=form), by=contributor, now=now)
    assert len(sent.specs[0].answers.questions) == 4


def test_a_person_has_a_share_of_the_queue(draft: Any, contributor: Any, sent: Any, now: Any) -> None:
    services.draft_ask(draft=draft, by=contributor, seed=0, now=now)
    services.draft_ask(draft=draft, by=contributor, seed=1, now=now)
    with pytest.raises(Refused, match="being worked on already"):
        services.draft_ask(draft=draft, by=contributor, seed=2, now=now)
    assert len(sent.specs) == 2


def test_a_person_may_ask_so_often_in_an_hour(draft: Any, contributor: Any, sent: Any, now: Any) -> None:
    for _ in range(Asking.MOST_IN_AN_HOUR):
        made = services.draft_ask(draft=draft, by=contributor, seed=0, now=now)
        services.asking_cancel(asking=made, by=contributor, now=now)
    with pytest.raises(Refused, match="times within an hour"):
        services.draft_ask(draft=draft, by=contributor, seed=0, now=now)
    services.draft_ask(draft=draft, by=contributor, seed=0, now=now + Asking.HOUR)


def test_nobody_asks_about_anothers_draft(draft: Any, other_contributor: Any, sent: Any, now: Any) -> None:
    with pytest.raises(NotYours):
        services.draft_ask(draft=draft, by=other_contributor, now=now)
    with pytest.raises(NotYours):
        services.draft_try(draft=draft, by=other_contributor, now=now)
    assert sent.specs == []


def test_yaml_that_cannot_be_read_cannot_be_asked(draft: Any, contributor: Any, sent: Any, now: Any) -> None:
    draft = contributions.draft_save(
        draft=draft,
        by=contributor,
        version=draft.version,
        changes=DraftChanges(
            text="seed_examples: [",
        ),
        now=now,
    )
    with pytest.raises(Refused, match="YAML has to be readable"):
        services.draft_ask(draft=draft, by=contributor, now=now)


def test_stopping_keeps_what_was_answered_and_tells_the_worker(
    draft: Any, contributor: Any, other_contributor: Any, sent: Any, now: Any
) -> None:
    made = services.draft_ask(draft=draft, by=contributor, now=now)
    spec = sent.specs[0]
    services.asking_report(report=progress(spec, *answered(spec)[:1]), now=now)
    with pytest.raises(NotYours):
        services.asking_cancel(asking=made, by=other_contributor, now=now)
    services.asking_cancel(asking=made, by=contributor, now=now)
    assert (made.state, len(made.answers)) == (AskingState.CANCELLED, 1)
    assert sent.stopped == [spec.cancel_key]


def test_a_worker_that_works_for_nobody_is_told_to_stop(draft: Any, contributor: Any, sent: Any, now: Any) -> None:
    services.draft_ask(draft=draft, by=contributor, now=now)
    contributions.draft_discard(draft=draft, by=contributor)
    assert not services.asking_report(report=report(sent.specs[0], "started", 1), now=now)
    assert sent.stopped == [sent.specs[0].cancel_key]


def test_a_silent_worker_is_given_up_and_after_three_times_the_asking(
    draft: Any, contributor: Any, sent: Any, now: Any
) -> None:
    made = services.draft_ask(draft=draft, by=contributor, now=now)
    for attempt in (1, 2, 3):
        spec = sent.specs[-1]
        assert spec.reference.attempt == attempt
        services.asking_report(report=report(spec, "started", 1), now=now)
        assert services.askings_reap(now=now + timedelta(seconds=1)) == 0
        now += timedelta(hours=1)
        assert services.askings_reap(now=now) == 1
    made.refresh_from_db()
    assert made.state == AskingState.FAILED
    assert made.problem["code"] == "silent"
    assert len(sent.specs) == 3
    # What an earlier attempt says is not listened to.
    assert not services.asking_report(report=done(sent.specs[0], *answered(sent.specs[0])), now=now)


def test_a_message_that_waits_is_left_alone_and_a_lost_one_is_sent_again(
    draft: Any, contributor: Any, sent: Any, now: Any
) -> None:
    services.draft_ask(draft=draft, by=contributor, now=now)
    later = now + timedelta(hours=1)
    assert services.askings_reap(now=later) == 0
    sent.queue.clear()
    assert services.askings_reap(now=later) == 1
    assert [spec.reference.attempt for spec in sent.specs] == [1, 2]


def test_a_worker_that_was_shut_down_is_followed_by_another(draft: Any, contributor: Any, sent: Any, now: Any) -> None:
    services.draft_ask(draft=draft, by=contributor, now=now)
    assert services.asking_report(report=failed(sent.specs[0], "interrupted"), now=now)
    assert [spec.reference.attempt for spec in sent.specs] == [1, 2]


def test_a_failure_is_kept_in_words(draft: Any, contributor: Any, sent: Any, now: Any) -> None:
    made = services.draft_ask(draft=draft, by=contributor, now=now)
    services.asking_report(report=failed(sent.specs[0]), now=now)
    made.refresh_from_db()
    assert (made.state, made.problem["message"]) == (AskingState.FAILED, "The model could not be asked.")


def test_a_report_that_is_none_is_ignored(db: None, sent: Any, now: Any) -> None:
    assert not services.asking_report(report={"event": "done"}, now=now)


def test_the_teacher_is_given_the_finished_seeds_and_the_document(
    taxonomy: Any, contributor: Any, sent: Any, now: Any
) -> None:
    draft = make_draft(contributor, now=now, path=KNOWLEDGE_PATH)
    form = {**draft.form, "seed_examples": [dict(one) for one in draft.form["seed_examples"]]}
    form["seed_examples"][0]["questions_and_answers"] = [{"question": "", "answer": ""}] * 3
    draft = contributions.draft_save(
        draft=draft, by=contributor, version=draft.version, changes=DraftChanges(form=form), now=now
    )
    services.draft_try(draft=draft, by=contributor, now=now)
    order = sent.specs[0].samples
    assert order.recipe.samples_per_leaf == 5
    assert len(order.leaf.seeds) == 12
    assert "smells of earth" in order.leaf.documents[0].text
    with pytest.raises(Refused, match="being tried already"):
        services.draft_try(draft=draft, by=contributor, now=now)


def test_the_teacher_its_recipe_and_the_pipeline_are_those_of_the_latest_round(
    draft: Any, contributor: Any, administrator: Any, sent: Any, now: Any
) -> None:
    plan = make_round(administrator).read_plan()
    made = services.draft_try(draft=draft, by=contributor, now=now)
    order = sent.specs[0].samples
    assert order.teacher == plan.teacher
    assert order.pipeline == plan.pipeline
    assert order.pipeline is not None
    assert order.recipe == plan.recipe.generation.model_copy(update={"samples_per_leaf": 5})
    assert made.model_name


def test_the_teacher_needs_something_to_go_by(taxonomy: Any, contributor: Any, sent: Any, now: Any) -> None:
    form = skill_form(count=5)
    for seed in form["seed_examples"][2:]:
        seed["answer"] = ""
    with pytest.raises(Refused, match="at least 3 finished"):
        services.draft_try(draft=make_draft(contributor, now=now, form=form), by=contributor, now=now)
    assert sent.specs == []


def test_what_the_models_said_goes_with_the_draft_to_the_reviewers(
    draft: Any, contributor: Any, other_contributor: Any, reviewer: Any, sent: Any, now: Any
) -> None:
    made = services.draft_ask(draft=draft, by=contributor, now=now)
    services.asking_report(report=done(sent.specs[0], *answered(sent.specs[0])), now=now)
    submission = submit(draft, now=now)
    made.refresh_from_db()
    assert (made.draft_id, made.submission_id) == (None, submission.pk)
    with pytest.raises(Refused, match="has answered every question"):
        services.submission_ask(submission=submission, by=reviewer, now=now)
    with pytest.raises(NotYours):
        services.submission_ask(submission=submission, by=other_contributor, now=now)


def test_reviewers_try_the_teacher_on_a_submission(
    taxonomy: Any, contributor: Any, reviewer: Any, sent: Any, now: Any
) -> None:
    submission = make_submission(contributor, now=now)
    made = services.submission_try(submission=submission, by=reviewer, now=now)
    services.asking_report(report=report(sent.specs[0], "done", 4, result=tried().model_dump(mode="json")), now=now)
    made.refresh_from_db()
    assert made.tried == tried()


def test_a_question_without_a_draft_is_forgotten_after_a_week(contributor: Any, sent: Any, now: Any) -> None:
    with pytest.raises(Refused, match="Write a question"):
        services.question_ask(question="  ", by=contributor, now=now)
    with pytest.raises(Refused, match="2,000"):
        services.question_ask(question="x" * 2001, by=contributor, now=now)
    made = services.question_ask(question="What is a bean?", by=contributor, now=now)
    services.asking_report(report=done(sent.specs[0], given("k")), now=now)
    services.askings_reap(now=now + timedelta(days=6))
    assert Asking.objects.filter(pk=made.pk).exists()
    services.askings_reap(now=now + timedelta(days=8))
    assert not Asking.objects.filter(pk=made.pk).exists()


def test_each_attempt_has_a_key_of_its_own_to_be_stopped_by() -> None:
    first = AskingReference(asking_id="a", kind="answers", attempt=1)
    assert asking_cancel_key(first) != asking_cancel_key(first.model_copy(update={"attempt": 2}))
