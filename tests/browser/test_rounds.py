"""The pages of rounds in a real browser: for axe, at phone width, in both themes; rows decided about by keyboard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse

from taxonomy_app.people.models import User
from taxonomy_app.rounds import services
from taxonomy_app.rounds.models import Round
from taxonomy_app.rounds.services.rows import verdicts_of
from tests.taxonomy_app.rounds.making import NOW, FakeBroker, make_round, make_running, run_all, run_stage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def fake_broker(monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path) -> FakeBroker:
    settings.SHARED = replace(settings.SHARED, artifacts_url=f"file://{tmp_path / 'artifacts'}")
    return FakeBroker().install(monkeypatch)


@pytest.fixture
def held(administrator: User, fake_broker: FakeBroker) -> Round:
    running = make_running(administrator, holds=True)
    run_stage(fake_broker, running)
    running.refresh_from_db()
    return running


def previewed(administrator: User, fake_broker: FakeBroker, monkeypatch: pytest.MonkeyPatch) -> Round:
    """A planned round whose preview is made."""
    planned = make_round(administrator, title="Autumn")
    with monkeypatch.context() as patched:
        patched.setattr("taxonomy_app.rounds.services.plan.plan_write", lambda *_: None)
        preview = services.round_preview(round=planned, actor=administrator, now=NOW)
        services.round_prepare(round_id=preview.pk, now=NOW)
    run_stage(fake_broker, preview)
    return planned


@pytest.mark.timeout(400)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_of_rounds_pass_axe_and_fit_a_phone(
    theme: str,
    held: Round,
    administrator: User,
    fake_broker: FakeBroker,
    page_for: Callable[..., Any],
    axe: Callable[[Any], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planned = previewed(administrator, fake_broker, monkeypatch)
    done = make_running(administrator, random_seed=11)
    run_all(fake_broker, done)
    samples = reverse("rounds:samples", args=[held.pk])
    addresses = {
        "list": reverse("rounds:list"),
        "new": reverse("rounds:new"),
        "planned": planned.get_absolute_url(),
        "preview": planned.previews.get().get_absolute_url(),
        "held": held.get_absolute_url(),
        "kept": samples,
        "dropped": f"{samples}?show=dropped",
        "nothing": f"{samples}?q=submarine",
        "done": done.get_absolute_url(),
    }
    page = page_for(administrator, width=360, height=760, theme=theme)
    wrong: list[str] = []
    for name, url in addresses.items():
        page.goto(url)
        wrong += [f"{name}: {sentence}" for sentence in axe(page)]
        needed = page.evaluate("document.documentElement.scrollWidth")
        if needed > 360:
            wrong.append(f"{name}: {needed} px wide")
    assert not wrong, "\n".join(wrong)


def test_a_row_is_rejected_and_taken_back_by_keyboard(
    held: Round, administrator: User, page_for: Callable[..., Any]
) -> None:
    page = page_for(administrator)
    page.goto(reverse("rounds:samples", args=[held.pk]))
    page.locator("#row-2 button", has_text="Reject").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**#row-2")
    assert page.locator("#row-2").get_by_text("Rejected").is_visible()
    assert len(verdicts_of(held).rejected) == 1
    page.locator("#row-2 button", has_text="Take it back").focus()
    page.keyboard.press("Enter")
    page.locator("#row-2 button", has_text="Reject").wait_for()
    assert verdicts_of(held).rejected == ()


def test_a_number_typed_just_before_planning_plans_one_round(held: Round, administrator: User, page_for: Any) -> None:
    """Leaving the field asks for a new estimate a moment later: that must not plan another round."""
    page = page_for(administrator)
    page.goto(reverse("rounds:new"))
    page.wait_for_load_state("networkidle")
    asked: list[str] = []
    page.on("request", lambda request: request.method == "POST" and asked.append(request.url.rpartition("/rounds/")[2]))
    # Planning answers only after the estimate was asked for.
    page.route("**/rounds/new/", lambda route: (page.wait_for_timeout(1000), route.continue_()))
    page.evaluate("document.getElementsByName('samples_per_leaf')[0].closest('details')?.setAttribute('open', '')")
    page.fill("[name=samples_per_leaf]", "3")
    page.get_by_role("button", name="Plan the round").click()
    page.wait_for_url(lambda url: not url.endswith("/new/"))
    assert asked.count("new/") == 1
    assert Round.objects.exclude(pk=held.pk).count() == 1
