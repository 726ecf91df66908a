"""Asking the model and settling two windows, in a real browser: nothing typed is lost while answers arrive."""

from __future__ import annotations

from typing import Any

import pytest

from taxonomy_app.asking import services, shown
from taxonomy_app.asking.models import Asking
from taxonomy_app.contributions.models import Draft
from taxonomy_app.rounds import broker
from tests.taxonomy_app.asking.making import done, given, progress, report, tried
from tests.taxonomy_app.contributions.making import make_draft

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the workers were sent; nobody answers but the test."""
    specs: list[dict[str, Any]] = []
    monkeypatch.setattr(broker, "job_send", lambda _task, spec, **_: specs.append(spec) or True)
    monkeypatch.setattr(broker, "stop_keys", lambda _keys: True)
    monkeypatch.setattr(shown, "somebody_listens", lambda: True)
    return specs


def test_answers_arrive_while_one_goes_on_writing(taxonomy, contributor, page_for, axe, now, sent) -> None:
    draft = make_draft(contributor, now=now)
    page = page_for(contributor, width=360)
    page.goto(draft.get_absolute_url())
    page.locator("#asking button[value=ask]").click()
    page.wait_for_selector(".model-answer-slot")
    spec = Asking.objects.get().read_spec
    keys = [question.key for question in spec.answers.questions]
    answer = page.locator("[name='seed_examples[4].answer']")
    answer.fill("What I write meanwhile.")
    services.asking_report(report=progress(spec, given(keys[0], "First, **strong**.")), now=now)
    page.locator("#model-f-seed_examples-0-answer strong").wait_for()
    services.asking_report(report=done(spec, *(given(key) for key in keys)), now=now)
    page.locator(".model-answer").nth(4).wait_for()
    assert answer.input_value() == "What I write meanwhile."
    assert answer.evaluate("field => field === document.activeElement")
    page.wait_for_selector("text=Saved at")
    assert Draft.objects.get().form["seed_examples"][4]["answer"] == "What I write meanwhile."
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_teacher_is_tried_and_stopped(taxonomy, contributor, page_for, axe, now, sent) -> None:
    draft = make_draft(contributor, now=now)
    page = page_for(contributor, theme="dark")
    page.goto(draft.get_absolute_url())
    page.locator("#asking button[value=try]").click()
    stop = page.locator("#asking").get_by_role("button", name="Stop")
    stop.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Stopped.")
    page.locator("#asking button[value=try]").click()
    stop.wait_for()
    spec = Asking.objects.first().read_spec
    services.asking_report(report=report(spec, "done", 3, result=tried().model_dump(mode="json")), now=now)
    page.wait_for_selector("text=2 of 5 kept, 3 dropped")
    assert axe(page) == []


def test_two_windows_are_settled_by_the_field(taxonomy, contributor, page_for, axe, now, sent) -> None:
    draft = make_draft(contributor, now=now)
    first, second = page_for(contributor), page_for(contributor, width=360)
    for page in (first, second):
        page.goto(draft.get_absolute_url())
    first.fill("[name='seed_examples[0].answer']", "From the first window.")
    first.wait_for_selector("text=Saved at")
    second.fill("[name='seed_examples[1].answer']", "From the second window.")
    second.get_by_role("button", name="Compare the two").click()
    second.wait_for_selector("text=Seed 1: Answer")
    assert axe(second) == []
    assert second.evaluate("document.documentElement.scrollWidth <= innerWidth")
    second.get_by_role("group", name="Seed 1, Answer").get_by_label("Saved meanwhile").check()
    second.get_by_role("button", name="Save what is chosen").click()
    second.wait_for_selector("text=Saved as you chose.")
    answers = [seed["answer"] for seed in Draft.objects.get().form["seed_examples"][:2]]
    assert answers == ["From the first window.", "From the second window."]
