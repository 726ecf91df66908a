"""A leaf written, submitted and approved in a real browser, and what the editor does while one types."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from taxonomy_app.contributions import deciding
from taxonomy_app.contributions.models import Draft, State, Submission
from taxonomy_app.contributions.outbox import outbox_run
from tests.taxonomy_app.contributions.making import KNOWLEDGE_PATH, PATH, make_draft, make_submission, skill_form

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _no_outbox(monkeypatch):
    monkeypatch.setattr(deciding, "outbox_send", lambda: None)


def saved(page) -> None:
    page.wait_for_selector("[data-save-state][data-state=saved]")


def test_a_leaf_is_written_submitted_and_approved_by_keyboard(
    taxonomy, contributor, reviewer, page_for, axe, now, client_for
):
    page = page_for(contributor)
    page.goto("/contributions/new/")
    page.get_by_label("Folder in the tree").fill("writing")
    page.get_by_label("Name of the leaf").fill("seed riddles")
    page.get_by_role("button", name="Start writing").click()
    page.wait_for_url(re.compile(r"/contributions/drafts/\d+/$"))
    assert axe(page) == []
    page.get_by_label("What should the model learn to do?").fill("Make a riddle about a plant.")
    for index, seed in enumerate(skill_form()["seed_examples"]):
        page.fill(f'[name="seed_examples[{index}].question"]', seed["question"])
        page.fill(f'[name="seed_examples[{index}].answer"]', seed["answer"])
    page.get_by_label("Title of the work").fill("Written for this leaf")
    page.get_by_label("Who made it").fill("Rosa Lind")
    page.get_by_label("Licence", exact=True).select_option("CC-BY-4.0")
    page.wait_for_selector("text=Nothing is missing")
    saved(page)
    assert Draft.objects.get().form["seed_examples"] == skill_form()["seed_examples"]

    page.get_by_role("button", name="Go on to submit").click()
    page.wait_for_url("**/submit/")
    assert axe(page) == []
    page.get_by_label("I sign this off").check()
    page.get_by_role("button", name="Submit for review").click()
    page.wait_for_url(re.compile(r"/contributions/\d+/$"))
    expect(page.get_by_text("You can still change it or take it back")).to_be_visible()
    assert axe(page) == []
    submission = Submission.objects.get()
    waiting = make_submission(contributor, now=now, path=f"{PATH}_next")

    judge = page_for(reviewer)
    judge.goto(f"/contributions/review/{submission.pk}/")
    expect(judge.locator("#alike-card")).to_contain_text("100 % the same words")
    assert axe(judge) == []
    judge.keyboard.press("a")
    judge.wait_for_selector("dialog[open]")
    judge.keyboard.press("Escape")
    judge.wait_for_selector("dialog[open]", state="detached")  # the browser closes it a moment after the key
    assert Submission.objects.get(pk=submission.pk).state == State.SUBMITTED
    judge.keyboard.press("a")
    judge.wait_for_selector("dialog[open]")
    judge.keyboard.press("Enter")
    judge.wait_for_url(f"**/contributions/review/{waiting.pk}/")
    assert Submission.objects.get(pk=submission.pk).state == State.APPROVED

    judge.keyboard.press("r")  # without a reason nothing is asked, the field is
    expect(judge.locator("[name=reason]")).to_be_focused()
    judge.keyboard.type("Seeds 1 and 2 are alike.")
    judge.keyboard.press("Control+Enter")  # the decision that was begun goes on
    expect(judge.locator("dialog[open]")).to_contain_text("Reject this?")
    judge.keyboard.press("Escape")
    judge.wait_for_selector("dialog[open]", state="detached")
    judge.keyboard.press("Escape")  # leaves the reason, so that keys are keys again
    judge.keyboard.press("c")
    judge.wait_for_selector("dialog[open]")
    judge.keyboard.press("Enter")
    judge.wait_for_url("**/contributions/queue/")
    assert waiting.decisions.get().reason == "Seeds 1 and 2 are alike."

    outbox_run(now=now)
    page.reload()
    expect(page.get_by_text("It is in the taxonomy. New rounds")).to_be_visible()
    assert taxonomy.store.file_at(taxonomy.store.head(), f"{PATH}/qna.yaml")


def test_seeds_are_added_and_moved_without_losing_words_or_focus(taxonomy, contributor, page_for, now):
    draft = make_draft(contributor, now=now)
    page = page_for(contributor)
    page.goto(draft.get_absolute_url())
    page.fill('[name="seed_examples[4].answer"]', "Typed right before the click.")
    page.get_by_role("button", name="Add a seed").click()
    page.wait_for_selector("#seed-6")
    expect(page.locator('[name="seed_examples[5].question"]')).to_be_focused()
    page.keyboard.type("A sixth?")
    saved(page)
    assert Draft.objects.get().form["seed_examples"][5]["question"] == "A sixth?"
    assert Draft.objects.get().form["seed_examples"][4]["answer"] == "Typed right before the click."
    page.get_by_role("button", name="Move number 6 up").click()
    expect(page.locator('[name="seed_examples[4].question"]')).to_have_value("A sixth?")
    page.get_by_role("button", name="Remove number 1", exact=True).click()
    expect(page.locator(".seed-card")).to_have_count(5)
    page.fill('[name="task_description"]', "Typed after the removal.")
    page.get_by_role("button", name="Put it back").click()
    expect(page.locator(".seed-card")).to_have_count(6)
    expect(page.locator('[name="seed_examples[0].question"]')).to_have_value("Make a riddle about the bean.")
    expect(page.locator('[name="task_description"]')).to_have_value("Typed after the removal.")


def test_problems_appear_at_their_field_while_typing(taxonomy, contributor, page_for, now):
    draft = make_draft(contributor, now=now, path=KNOWLEDGE_PATH)
    page = page_for(contributor)
    page.goto(draft.get_absolute_url())
    name = "seed_examples[0].questions_and_answers[1].answer"
    page.fill(f'[name="{name}"]', "word " * 251)
    frame = page.locator(f'[data-field="{name}"]').first
    frame.locator(".field-problems li").wait_for()
    assert frame.locator("[data-count]").inner_text() == "251"
    page.fill(f'[name="{name}"]', "Short.")
    frame.locator(".field-problems li").wait_for(state="detached")


def test_another_window_is_noticed_while_typing_and_nothing_is_overwritten(taxonomy, contributor, page_for, now):
    draft = make_draft(contributor, now=now)
    first, second = page_for(contributor), page_for(contributor)
    for page in (first, second):
        page.goto(draft.get_absolute_url())
    first.fill('[name="task_description"]', "From the first window.")
    saved(first)
    second.fill('[name="task_description"]', "From the second window.")
    second.wait_for_selector("text=changed in another window")
    assert Draft.objects.get().form["task_description"] == "From the first window."
    second.get_by_role("button", name="Keep what is here").click()
    second.wait_for_selector("text=Saved.")
    assert Draft.objects.get().form["task_description"] == "From the second window."


def test_yaml_shows_problems_at_their_line_and_is_the_same_draft(taxonomy, contributor, page_for, axe, now):
    draft = make_draft(contributor, now=now)
    page = page_for(contributor)
    page.goto(f"{draft.get_absolute_url()}yaml/")
    page.locator(".cm-content").click()
    page.keyboard.press("Control+Home")
    page.keyboard.type("quesiton: x\n")
    page.wait_for_selector(".cm-lint-marker-error")
    assert page.locator("#checks a[data-line]").first.inner_text().startswith("Line 1")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.wait_for_selector("text=Nothing is missing")
    saved(page)
    assert axe(page) == []
    page.get_by_role("link", name="Form", exact=True).click()
    page.wait_for_url(re.compile(r"/contributions/drafts/\d+/$"))
    assert page.input_value('[name="seed_examples[2].question"]') == "Make a riddle about the beet."


def test_what_is_typed_survives_a_server_that_is_away_for_a_moment(taxonomy, contributor, page_for, now):
    draft = make_draft(contributor, now=now)
    page = page_for(contributor)
    page.goto(draft.get_absolute_url())
    page.route("**/check/", lambda route: route.abort())
    page.fill('[name="task_description"]', "Written on a train.")
    page.wait_for_selector("text=Not saved: the server cannot be reached")
    page.unroute("**/check/")
    saved(page)
    assert Draft.objects.get().form["task_description"] == "Written on a train."


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_lists_are_fit_for_everybody_on_a_phone(taxonomy, contributor, reviewer, page_for, axe, now, theme):
    make_draft(contributor, now=now, path=f"{PATH}_draft")
    make_submission(contributor, now=now)
    for person, address in ((contributor, "/contributions/"), (reviewer, "/contributions/queue/")):
        page = page_for(person, width=390, height=844, theme=theme)
        page.goto(address)
        assert axe(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_button_pressed_after_another_window_saved_shows_what_was_typed_and_loses_nothing(
    taxonomy, contributor, page_for, now
):
    draft = make_draft(contributor, now=now)
    first, second = page_for(contributor), page_for(contributor)
    for page in (first, second):
        page.goto(draft.get_absolute_url())
    first.fill('[name="task_description"]', "From the first window.")
    saved(first)
    second.route("**/check/", lambda route: route.abort())
    second.fill('[name="task_description"]', "From the second window.")
    second.get_by_role("button", name="Add a seed").click()
    second.wait_for_selector("text=changed in another window")
    expect(second.locator('[name="task_description"]')).to_have_value("From the second window.")
    assert Draft.objects.get().form["task_description"] == "From the first window."


def test_coming_back_from_the_last_step_one_goes_on_writing(taxonomy, contributor, page_for, now):
    draft = make_draft(contributor, now=now)
    page = page_for(contributor)
    page.goto(draft.get_absolute_url())
    page.get_by_role("button", name="Go on to submit").click()
    page.wait_for_url("**/submit/")
    page.go_back()
    page.fill('[name="task_description"]', "Written on the way back.")
    saved(page)
    assert Draft.objects.get().form["task_description"] == "Written on the way back."


def test_the_keys_of_a_page_are_shown_and_can_be_switched_off(taxonomy, contributor, reviewer, page_for, axe, now):
    first = make_submission(contributor, now=now)
    second = make_submission(contributor, now=now + timedelta(minutes=1), path=f"{PATH}_second")
    page = page_for(reviewer)
    page.goto(f"/contributions/review/{first.pk}/")
    page.keyboard.press("?")
    sheet = page.locator("#shortcut-sheet")
    expect(sheet).to_contain_text("Request changes")
    assert axe(page) == []
    page.keyboard.press("Escape")
    expect(sheet).not_to_be_visible()  # the browser closes it a moment after the key
    page.keyboard.press("n")
    page.wait_for_url(f"**/review/{second.pk}/")
    page.keyboard.press("?")
    page.get_by_role("button", name="Switch the keys off").click()
    page.wait_for_selector("body[data-shortcuts=off]")
    page.keyboard.press("n")
    page.keyboard.press("?")
    expect(sheet).not_to_be_visible()
    assert page.url.endswith(f"/review/{second.pk}/")
