"""Whole journeys of reviewing in a real browser: by keyboard, suggestions, moving, rules, many at once, on a phone."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from taxonomy_app.contributions import deciding, services
from taxonomy_app.contributions.models import Draft, ReviewRule, State, Submission
from taxonomy_app.contributions.outbox import outbox_run
from taxonomy_app.people.models import Role, User
from tests.leaves import FREEFORM
from tests.taxonomy_app.contributions.making import PATH, approve, make_improvement, make_submission, skill_form

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
BETTER = "I grow in rows and end in soup;\nmy name is red beet."


@pytest.fixture(autouse=True)
def _no_outbox(monkeypatch):
    monkeypatch.setattr(deciding, "outbox_send", lambda: None)


@pytest.fixture
def page_for(page_for):
    """Whole journeys take a while on a machine that does other things as well: what is missing is missing for long."""
    expect.set_options(timeout=30_000)

    def make(*args, **options):
        page = page_for(*args, **options)
        page.set_default_timeout(45_000)
        return page

    yield make
    expect.set_options(timeout=5_000)


def fits(page) -> None:
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_ten_are_reviewed_by_keyboard_alone(taxonomy, contributor, reviewer, page_for, now):
    made = [
        make_submission(contributor, now=now + timedelta(minutes=number), path=f"{PATH}_{number}")
        for number in range(10)
    ]
    page = page_for(reviewer)
    page.goto("/contributions/queue/")
    start = page.get_by_role("link", name="Start with the first")
    for _ in range(40):
        if start.evaluate("one => one === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    for number, submission in enumerate(made):
        page.wait_for_url(f"**/review/{submission.pk}/")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        if number % 5 == 3:
            page.keyboard.press("c")
            page.keyboard.type("Vary the wording.")
            page.keyboard.press("Control+Enter")
        elif number % 5 == 4:
            page.keyboard.press("r")
            page.keyboard.type("Another leaf teaches this.")
            page.keyboard.press("Control+Enter")
        else:
            page.keyboard.press("a")
        page.wait_for_selector("dialog[open]")
        page.keyboard.press("Enter")
    page.wait_for_url("**/contributions/queue/")
    expect(page.get_by_text("The queue is empty")).to_be_visible()
    states = list(Submission.objects.order_by("pk").values_list("state", flat=True))
    assert states == [State.APPROVED] * 3 + [State.CHANGES_REQUESTED, State.REJECTED] + states[:5]


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (360, "dark")])
def test_a_suggestion_goes_from_the_desk_into_the_next_version_with_one_click(
    taxonomy, contributor, reviewer, page_for, axe, now, width, theme
):
    submission = make_submission(contributor, now=now)
    judge = page_for(reviewer, width=width, theme=theme)
    judge.goto(f"/contributions/review/{submission.pk}/")
    seed = judge.locator("#seed-3")
    seed.get_by_role("link", name="Suggest another text").click()
    seed.get_by_label("Answer", exact=True).fill(BETTER)
    seed.get_by_label("A word on it").fill("Which beet?")
    assert axe(judge) == []
    seed.get_by_role("button", name="Send suggestion").click()
    judge.wait_for_url("**#seed-3")
    expect(judge.locator("#seed-3 ins.word-ins")).to_contain_text("red")
    judge.locator("#head").get_by_role("link", name="Suggest another text").click()
    judge.get_by_label("Task", exact=True).fill("Make a short riddle about a plant.")
    judge.locator("#head").get_by_role("button", name="Send suggestion").click()
    judge.wait_for_url("**#head")
    judge.get_by_label("In your own words").fill("Two small things.")
    judge.get_by_role("button", name="Request changes").click()
    judge.locator("dialog[open]").get_by_role("button", name="Request changes").click()
    judge.wait_for_url("**/contributions/queue/")

    page = page_for(contributor, width=width, theme=theme)
    page.goto(f"/contributions/{submission.pk}/")
    assert axe(page) == []
    fits(page)
    page.locator("#suggestions").get_by_role("button", name="Accept for Seed 3: Answer").click()
    page.get_by_role("link", name="Go on with it and send it").click()
    page.wait_for_url(re.compile(r"/drafts/\d+/$"))
    expect(page.locator('[name="seed_examples[2].answer"]')).to_have_value(BETTER)
    page.fill('[name="seed_examples[0].answer"]', "Typed right before the click.")
    page.locator("#suggestions").get_by_role("button", name="Accept for Task").click()
    expect(page.locator('[name="task_description"]')).to_have_value("Make a short riddle about a plant.")
    expect(page.locator('[name="seed_examples[0].answer"]')).to_have_value("Typed right before the click.")
    assert axe(page) == []
    fits(page)
    page.get_by_role("button", name="Go on to submit").click()
    page.get_by_label("I sign this off").check()
    page.get_by_role("button", name="Send the new version").click()
    page.wait_for_url(re.compile(r"/contributions/\d+/$"))
    form = services.draft_problems(services.submission_revise(submission=submission, by=contributor, now=now))
    assert b"red beet" in form.qna
    assert Submission.objects.get().revision_number == 2


def test_a_suggestion_for_what_was_changed_meanwhile_shows_both(taxonomy, contributor, reviewer, page_for, axe, now):
    submission = make_submission(contributor, now=now)
    services.suggestions_add(
        submission=submission,
        author=reviewer,
        revision_number=1,
        texts={"seed_examples[2].answer": BETTER},
        now=now,
    )
    draft = services.submission_revise(submission=submission, by=contributor, now=now)
    page = page_for(contributor)
    page.goto(draft.get_absolute_url())
    page.fill('[name="seed_examples[2].answer"]', "Something of my own about a beet.")
    page.locator("#suggestions").get_by_role("button", name="Accept").click()
    page.wait_for_url("**/suggestions/**")
    expect(page.get_by_text("Both stand below")).to_be_visible()
    assert axe(page) == []
    assert Draft.objects.get().form["seed_examples"][2]["answer"] == "Something of my own about a beet."
    page.get_by_role("button", name="Take the suggestion").click()
    page.wait_for_url(re.compile(r"/drafts/\d+/$"))
    expect(page.locator('[name="seed_examples[2].answer"]')).to_have_value(BETTER)


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (360, "light")])
def test_an_administrator_sets_a_rule_and_two_approve_by_it_after_a_move(
    taxonomy, contributor, reviewer, administrator, page_for, axe, now, width, theme
):
    second = User.objects.create_user("yuki", "yuki@example.org", None, name="Yuki Mori", role=Role.REVIEWER)
    submission = make_submission(contributor, now=now)
    chief = page_for(administrator, width=width, theme=theme)
    chief.goto("/contributions/rules/")
    chief.get_by_role("link", name="Add a rule").click()
    chief.get_by_label("Place in the tree").fill("compositional_skills/riddles")
    chief.get_by_label("Approvals needed").fill("2")
    chief.get_by_label("Emeka Obi").check()
    chief.get_by_label("Yuki Mori").check()
    assert axe(chief) == []
    fits(chief)
    chief.get_by_role("button", name="Add the rule").click()
    chief.wait_for_url("**/contributions/rules/")
    assert axe(chief) == []
    fits(chief)
    assert ReviewRule.objects.get().approvals == 2

    judge = page_for(reviewer, width=width, theme=theme)
    judge.goto(f"/contributions/review/{submission.pk}/")
    judge.keyboard.press("m")
    judge.wait_for_url("**/move/")
    judge.get_by_label("Place", exact=True).fill("compositional_skills/riddles/of_plants")
    judge.get_by_label("Why").fill("Riddles have a folder of their own.")
    assert axe(judge) == []
    fits(judge)
    judge.get_by_role("button", name="Move it").click()
    judge.wait_for_url(f"**/review/{submission.pk}/")
    expect(judge.get_by_text("0 of 2 approvals")).to_be_visible()
    assert axe(judge) == []
    fits(judge)
    judge.keyboard.press("a")
    expect(judge.locator("dialog[open]")).to_contain_text("one of 2 approvals")
    judge.keyboard.press("Enter")
    judge.wait_for_url("**/contributions/queue/")

    other = page_for(second, width=width, theme=theme)
    other.goto("/contributions/queue/?waits=me")
    expect(other.get_by_text("1 of 2 approvals")).to_be_visible()
    assert axe(other) == []
    fits(other)
    other.get_by_role("link", name="Start with the first").click()
    other.wait_for_url(f"**/review/{submission.pk}/**")
    other.keyboard.press("a")
    other.wait_for_selector("dialog[open]")
    other.keyboard.press("Enter")
    other.wait_for_url("**/contributions/queue/?waits=me")
    outbox_run(now=now)
    assert taxonomy.leaf("compositional_skills/riddles/of_plants")


def test_an_improvement_that_meets_another_is_merged_by_its_author(
    taxonomy, contributor, other_contributor, reviewer, page_for, axe, now
):
    """Both change one answer; the second author sees both, decides, and it gets in."""
    leaf = taxonomy.leaf(FREEFORM)
    first = make_improvement(other_contributor, leaf, now=now, seed=1, answer="The pea is round,\nit likes the ground.")
    page = page_for(contributor)
    page.goto(f"/contributions/improve/{leaf.leaf_id}/")
    page.locator("main form").get_by_role("button").first.click()
    page.wait_for_url(re.compile(r"/drafts/\d+/$"))
    page.fill('[name="seed_examples[1].answer"]', "The pea is green,\nthe best I have seen.")
    page.get_by_role("button", name="Go on to submit").click()
    page.get_by_label("I sign this off").check()
    page.get_by_role("button", name="Submit for review").click()
    page.wait_for_url(re.compile(r"/contributions/\d+/$"))
    second = Submission.objects.get(author=contributor)
    for one in (first, second):
        approve(one, reviewer, now=now)
        outbox_run(now=now)
    page.reload()
    conflict = page.locator("#conflict")
    expect(conflict).to_contain_text("the answer of seed 2")
    expect(page.locator("#seed-2 .side-before")).to_contain_text("it likes the ground")
    expect(page.locator("#seed-2 .side-after")).to_contain_text("the best I have seen")
    assert axe(page) == []
    page.get_by_role("button", name="Change it").click()
    page.wait_for_url(re.compile(r"/drafts/\d+/$"))
    page.fill('[name="seed_examples[1].answer"]', "The pea is green,\nit likes the ground.")
    page.get_by_role("button", name="Go on to submit").click()
    page.get_by_label("I sign this off").check()
    page.get_by_role("button", name="Send the new version").click()
    page.wait_for_url(re.compile(r"/contributions/\d+/$"))
    second.refresh_from_db()
    approve(second, reviewer, now=now)
    outbox_run(now=now)
    page.reload()
    expect(page.get_by_text("It is in the taxonomy. New rounds")).to_be_visible()
    text = taxonomy.store.file_at(taxonomy.store.head(), f"{FREEFORM}/qna.yaml").decode()
    assert "The pea is green,\n" in text
    assert "best I have seen" not in text


@pytest.mark.parametrize("width", [1280, 360])
def test_all_that_a_filter_matches_are_rejected_and_the_rest_is_told(
    taxonomy, contributor, other_contributor, reviewer, administrator, page_for, axe, now, width
):
    for number in range(30):
        make_submission(contributor, now=now, path=f"{PATH}_{number}", form=skill_form("Sell a plant."))
    taken = make_submission(contributor, now=now, path=f"{PATH}_taken", form=skill_form("Sell a plant."))
    services.submission_claim(submission=taken, reviewer=administrator, now=timezone.now())
    other = make_submission(other_contributor, now=now, path=f"{PATH}_kept")
    page = page_for(reviewer, width=width)
    page.goto("/contributions/queue/")
    page.get_by_label("Words in place or task").fill("sell plant")
    expect(page.get_by_text("31 match", exact=True)).to_be_visible()
    page.get_by_role("link", name="Decide on all of them").click()
    page.get_by_label("Reject them").check()
    page.locator("[name=reason]").fill("Advertising is not what this taxonomy is for.")
    assert axe(page) == []
    fits(page)
    page.get_by_role("button", name="Do it").click()
    expect(page.locator("#refused")).to_contain_text("Ines Aldana is reviewing this at the moment")
    assert axe(page) == []
    fits(page)
    assert Submission.objects.filter(state=State.REJECTED).count() == 30
    for one in (taken, other):
        one.refresh_from_db()
        assert one.state == State.SUBMITTED
