"""Texts that reviewers propose: taken over with one click, never over what changed meanwhile, told word by word."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from taxonomy_app.contributions import deciding, services
from taxonomy_app.contributions.form_fields import field_label, field_put, field_text, fields_of
from taxonomy_app.contributions.models import CommentResolution, Draft, Notice
from taxonomy_app.contributions.outbox import outbox_run
from taxonomy_app.contributions.problems import ChangedMeanwhile, Refused
from taxonomy_app.contributions.services import DraftChanges
from taxonomy_app.contributions.suggestions import Overtaken
from tests.taxonomy_app.contributions.making import (
    KNOWLEDGE_PATH,
    PATH,
    approve,
    knowledge_form,
    make_submission,
    skill_form,
)
from tests.taxonomy_app.contributions.test_views import fields_of as posted_fields

ANSWER = "seed_examples[2].answer"
BETTER = "I grow in rows and end in soup;\nmy name is red beet."


@pytest.fixture(autouse=True)
def _no_outbox(monkeypatch):
    monkeypatch.setattr(deciding, "outbox_send", lambda: None)


@pytest.fixture
def submission(taxonomy, contributor, now):
    return make_submission(contributor, now=now)


@pytest.fixture
def suggest(submission, reviewer, now):
    def make(texts=None, **more):
        fields = {"revision_number": submission.revision_number, "author": reviewer, "now": now, **more}
        return services.suggestions_add(submission=submission, texts=texts or {ANSWER: BETTER}, **fields)

    return make


def begin(submission, now):
    return services.submission_revise(submission=submission, by=submission.author, now=now)


def save(draft, form, now):
    changes = DraftChanges(form=form)
    return services.draft_save(draft=draft, by=draft.author, version=draft.version, changes=changes, now=now)


# --- Fields -------------------------------------------------------------------------------------


def test_fields_of_both_kinds_have_names_labels_and_texts():
    skill, knowledge = skill_form(), knowledge_form()
    assert [name for name, _ in fields_of(skill, 1)] == ["seed_examples[1].question", "seed_examples[1].answer"]
    assert dict(fields_of(skill, None)) == {"task_description": "Make a riddle about a plant."}
    names = [name for name, _ in fields_of(knowledge, 0)]
    assert names[0] == "seed_examples[0].context"
    assert len(names) == 7
    assert field_label(names[4]) == "Answer 2"
    for name in names:
        changed = field_put(knowledge, name, "Else.")
        assert field_text(changed, name) == "Else."
        assert field_text(knowledge, name) != "Else."
    for name in (
        "seed_examples[9].answer",
        "seed_examples[0].context.x",
        "version",
        "seed_examples[0].questions_and_answers[0].answer",
    ):
        assert field_text(skill, name) is None


# --- Suggesting ---------------------------------------------------------------------------------


def test_only_what_differs_becomes_a_suggestion(submission, suggest, contributor):
    made = suggest(
        {ANSWER: BETTER, "seed_examples[2].question": "Make a riddle about the beet.", "task_description": "Riddles."},
        remark="Clearer so?",
    )
    assert [comment.suggestion.field for comment in made] == [ANSWER, "task_description"]
    assert [comment.text for comment in made] == ["Clearer so?", ""]
    assert [comment.seed_position for comment in made] == [2, None]
    assert made[0].suggestion.before == skill_form()["seed_examples"][2]["answer"]
    assert Notice.objects.get(person=contributor).kind == "commented"


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({ANSWER: " "}, "cannot be empty"),
        ({ANSWER: "x" * 20_001}, "at most 20,000"),
        ({"seed_examples[7].answer": "x"}, "does not exist"),
        ({"version": "x"}, "does not exist"),
        ({"seed_examples[2].question": "Make a riddle about the beet."}, "Nothing is different"),
    ],
)
def test_what_cannot_be_suggested_is_said(submission, suggest, texts, sentence):
    with pytest.raises(Refused, match=sentence):
        suggest(texts)
    assert not submission.comments.exists()


def test_only_reviewers_suggest_and_only_while_it_can_be_changed(
    submission, suggest, contributor, other_contributor, reviewer, now
):
    for person in (contributor, other_contributor):
        with pytest.raises(PermissionDenied):
            suggest(author=person)
    approve(submission, reviewer, now=now)
    submission.refresh_from_db()
    with pytest.raises(Refused, match="nothing left to suggest"):
        suggest()


# --- Accepting ----------------------------------------------------------------------------------


def test_an_accepted_text_is_in_the_next_version_and_in_the_history(
    taxonomy, submission, suggest, contributor, reviewer, now
):
    comment = suggest()[0]
    draft = services.suggestion_accept(comment=comment, by=contributor, now=now)
    assert draft.submission == submission
    expected = skill_form()
    expected["seed_examples"][2]["answer"] = BETTER
    assert draft.form == expected
    assert draft.saves.get().reason == "Before a suggestion was accepted"
    assert comment.resolution.outcome == "accepted"
    event = submission.events.get(kind="suggestion_accepted")
    assert (event.person, event.reason) == (contributor, "Seed 3: Answer (suggested by Emeka Obi)")
    services.draft_submit(draft=draft, by=contributor, version=draft.version, sign_off=True, now=now)
    submission.refresh_from_db()
    approve(submission, reviewer, now=now)
    outbox_run(now=now)
    assert taxonomy.store.history(PATH)[0].trailers["Suggested-by"] == ("Emeka Obi <emeka@example.org>",)


def test_what_was_accepted_for_a_version_that_was_not_sent_is_not_credited(
    taxonomy, submission, suggest, contributor, reviewer, now
):
    comment = suggest()[0]
    services.suggestion_accept(comment=comment, by=contributor, now=now + timedelta(minutes=1))
    approve(submission, reviewer, now=now + timedelta(minutes=2))
    outbox_run(now=now + timedelta(minutes=3))
    first = taxonomy.store.history(PATH)[0]
    assert first.trailers["Submission"] == (f"S{submission.pk}/1",)
    assert "Suggested-by" not in first.trailers


def test_what_the_author_changed_meanwhile_is_not_overwritten_unseen(submission, suggest, contributor, now):
    comment = suggest()[0]
    draft = save(begin(submission, now), field_put(skill_form(), ANSWER, "My own new answer."), now)
    with pytest.raises(Overtaken):
        services.suggestion_accept(comment=comment, by=contributor, now=now)
    with pytest.raises(Overtaken):
        services.suggestion_accept(comment=comment, by=contributor, over_version=draft.version - 1, now=now)
    draft.refresh_from_db()
    assert field_text(draft.form, ANSWER) == "My own new answer."
    assert not CommentResolution.objects.exists()
    draft = services.suggestion_accept(comment=comment, by=contributor, over_version=draft.version, now=now)
    assert field_text(draft.form, ANSWER) == BETTER
    assert draft.saves.first().form["seed_examples"][2]["answer"] == "My own new answer."


def test_a_seed_that_was_moved_is_found_and_one_that_is_gone_is_told(submission, suggest, contributor, now):
    first, second = suggest()[0], suggest({"seed_examples[0].answer": "I climb and I pod; bean."})[0]
    form = skill_form()
    seeds = form["seed_examples"]
    form["seed_examples"] = [seeds[2], seeds[1], *seeds[3:]]  # the beet first, the bean taken out
    save(begin(submission, now), form, now)
    draft = services.suggestion_accept(comment=first, by=contributor, now=now)
    assert draft.form["seed_examples"][0]["answer"] == BETTER
    assert draft.form["seed_examples"][2] == seeds[3]
    with pytest.raises(Refused, match="no longer in your draft"):
        services.suggestion_accept(comment=second, by=contributor, now=now)
    assert not CommentResolution.objects.filter(comment=second).exists()


def test_a_suggestion_is_answered_once_and_by_its_author(
    submission, suggest, contributor, other_contributor, reviewer, now
):
    comment = suggest()[0]
    for person in (other_contributor, reviewer):
        with pytest.raises(PermissionDenied):
            services.suggestion_accept(comment=comment, by=person, now=now)
        with pytest.raises(PermissionDenied):
            services.suggestion_decline(comment=comment, by=person, now=now)
    services.suggestion_decline(comment=comment, by=contributor, now=now)
    assert not Draft.objects.exists()
    with pytest.raises(ChangedMeanwhile, match="Declined by Rosa Lind already"):
        services.suggestion_accept(comment=comment, by=contributor, now=now)
    assert not Draft.objects.exists()
    assert submission.events.last().kind == "suggestion_declined"


def test_yaml_that_can_be_read_takes_a_suggestion_and_other_yaml_says_why_not(submission, suggest, contributor, now):
    comment, other = suggest()[0], suggest({"task_description": "Riddles."})[0]
    draft = begin(submission, now)

    def write(draft, text):
        changes = DraftChanges(text=text)
        return services.draft_save(draft=draft, by=contributor, version=draft.version, changes=changes, now=now)

    draft = write(draft, submission.revisions.get().qna)
    draft = services.suggestion_accept(comment=comment, by=contributor, now=now)
    assert field_text(draft.form, ANSWER) == BETTER
    write(draft, "version: 3\nseed_examples: [")
    with pytest.raises(Refused, match="has to be mended first"):
        services.suggestion_accept(comment=other, by=contributor, now=now)


def test_a_pair_of_knowledge_takes_a_suggestion(taxonomy, contributor, reviewer, now):
    submission = make_submission(contributor, now=now, path=KNOWLEDGE_PATH)
    name = "seed_examples[1].questions_and_answers[2].answer"
    comment = services.suggestions_add(
        submission=submission, author=reviewer, revision_number=1, texts={name: "Every two weeks."}, now=now
    )[0]
    draft = services.suggestion_accept(comment=comment, by=contributor, now=now)
    assert draft.form["seed_examples"][1]["questions_and_answers"][2]["answer"] == "Every two weeks."
    assert draft.document_text


# --- Pages --------------------------------------------------------------------------------------


def test_a_suggestion_is_made_on_the_desk_and_accepted_on_the_submissions_page(
    submission, contributor, reviewer, client_for
):
    address = reverse("contributions:suggest", args=[submission.pk])
    judge = client_for(reviewer)
    desk = reverse("contributions:review", args=[submission.pk])
    assert f"{address}?back=review&amp;seed=2" in judge.get(desk).content.decode()
    fragment = judge.get(address, {"seed": 2}, headers={"hx-request": "true"}).content.decode()
    assert "<html" not in fragment
    assert "my name is beet." in fragment
    answer = judge.post(address, {"seed": 2, "revision": 1, ANSWER: BETTER, "remark": "Red?", "back": "review"})
    assert answer.url == f"{desk}#seed-3"
    assert '<ins class="word-ins">red' in judge.get(desk).content.decode()

    author = client_for(contributor)
    page = author.get(submission.get_absolute_url()).content.decode()
    comment = submission.comments.get()
    accept = reverse("contributions:suggestion", args=[submission.pk, comment.pk])
    assert accept in page
    assert '<ins class="word-ins">red' in page
    answer = author.post(accept, follow=True)
    assert "which you still have to send" in answer.content.decode()
    assert "Go on with it and send it" in answer.content.decode()
    assert "accepted by Rosa Lind" in answer.content.decode()


def test_a_refused_suggestion_keeps_what_was_typed(submission, reviewer, client_for):
    address = reverse("contributions:suggest", args=[submission.pk])
    posted = {"seed": 2, "revision": 1, ANSWER: " ", "seed_examples[2].question": "Kept?", "remark": "Kept as well."}
    answer = client_for(reviewer).post(address, posted)
    assert answer.status_code == 422
    for text in ("cannot be empty", "Kept?", "Kept as well."):
        assert text in answer.content.decode()


def test_both_texts_are_shown_where_the_author_was_faster(submission, suggest, contributor, client_for, now):
    comment = suggest()[0]
    draft = save(begin(submission, now), field_put(skill_form(), ANSWER, "My own new answer."), now)
    author = client_for(contributor)
    address = reverse("contributions:suggestion", args=[submission.pk, comment.pk])
    answer = author.post(address)
    assert answer.status_code == 409
    page = answer.content.decode()
    for text in ("nothing was overwritten", "new", "red", f'name="over" value="{draft.version}"', "Keep mine"):
        assert text in page
    assert author.post(address, {"over": draft.version}).url == draft.get_absolute_url()
    draft.refresh_from_db()
    assert field_text(draft.form, ANSWER) == BETTER


def test_the_editor_saves_what_is_typed_and_takes_the_suggestion(submission, suggest, contributor, client_for, now):
    comment = suggest()[0]
    draft = begin(submission, now)
    author = client_for(contributor)
    assert "suggestion-accept" in author.get(draft.get_absolute_url()).content.decode()
    form = field_put(skill_form(), "task_description", "Typed right before the click.")
    posted = {**posted_fields(form), "version": draft.version, "action": f"suggestion-accept:{comment.pk}"}
    answer = author.post(draft.get_absolute_url(), posted)
    assert answer.url == f"{draft.get_absolute_url()}#f-seed_examples-2-answer"
    draft.refresh_from_db()
    assert field_text(draft.form, ANSWER) == BETTER
    assert draft.form["task_description"] == "Typed right before the click."

    other = suggest({"seed_examples[1].answer": "I pop; pea."})[0]
    form = field_put(draft.form, "seed_examples[1].answer", "Mine.")
    posted = {**posted_fields(form), "version": draft.version, "action": f"suggestion-accept:{other.pk}"}
    answer = author.post(draft.get_absolute_url(), posted, headers={"hx-request": "true"})
    assert answer.headers["HX-Redirect"] == reverse("contributions:suggestion", args=[submission.pk, other.pk])
    draft.refresh_from_db()
    assert field_text(draft.form, "seed_examples[1].answer") == "Mine."
