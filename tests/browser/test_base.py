"""The pages of the base in a real browser: readable by everyone, by keyboard, at phone width, in both themes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taxonomy_app.contributions.models import Notice
from taxonomy_app.people.models import User
from tests.browser.screens import Screen, ScreenProblem, take
from tests.conftest import PASSWORD, Taxonomy
from tests.leaves import FREEFORM, KNOWLEDGE
from tests.taxonomy_app.contributions.making import make_submission

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def addresses(taxonomy: Taxonomy) -> dict[str, tuple[str, str]]:
    """Name → (address, who looks) of each page of this room."""
    return {
        "welcome": ("/", ""),
        "about": ("/about/", ""),
        "sign-in": ("/people/sign-in/", ""),
        "register": ("/people/register/", ""),
        "not-found": ("/nowhere/", ""),
        "tree": ("/taxonomy/", ""),
        "folder": ("/taxonomy/?at=compositional_skills/writing", ""),
        "search": ("/taxonomy/?q=seed", ""),
        "nothing-found": ("/taxonomy/?q=submarine", ""),
        "leaf": (taxonomy.leaf(KNOWLEDGE).get_absolute_url(), "administrator"),
        "start": ("/", "administrator"),
        "people": ("/people/", "administrator"),
        "person": ("/people/@rosa/", "administrator"),
        "add-person": ("/people/add/", "administrator"),
        "account": ("/people/account/", "administrator"),
    }


@pytest.mark.timeout(400)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_pass_axe_and_fit_a_phone(
    theme: str,
    taxonomy: Taxonomy,
    contributor: User,
    administrator: User,
    page_for: Callable[..., Any],
    axe: Callable[[Any], list[str]],
) -> None:
    wrong: list[str] = []
    pages = {
        "": page_for(None, width=360, height=760, theme=theme),
        "administrator": page_for(administrator, width=360, height=760, theme=theme),
    }
    for name, (url, who) in addresses(taxonomy).items():
        page = pages[who]
        page.goto(url)
        wrong += [f"{name}: {sentence}" for sentence in axe(page)]
        needed = page.evaluate("document.documentElement.scrollWidth")
        if needed > 360:
            wrong.append(f"{name}: {needed} px wide")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_header_fits_a_phone_with_a_count_of_notices(
    language: str,
    taxonomy: Taxonomy,
    contributor: User,
    administrator: User,
    page_for: Callable[..., Any],
    now: Any,
) -> None:
    administrator.language = language
    administrator.save(update_fields=["language"])
    submission = make_submission(contributor, now=now)
    page = page_for(administrator, width=360, height=760)
    for count in (1, 12, 345):
        Notice.objects.all().delete()
        Notice.objects.bulk_create(
            Notice(person=administrator, submission=submission, kind="commented", by=contributor, at=now)
            for _ in range(count)
        )
        page.goto("/people/")
        assert page.locator('header a[href$="/notices/"] .count-mark').inner_text() == str(count)
        assert page.evaluate("document.documentElement.scrollWidth") == 360, count


def test_a_leaf_is_found_by_keyboard_alone(taxonomy: Taxonomy, page_for: Callable[..., Any]) -> None:
    page = page_for(None)
    page.goto("/taxonomy/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "q"
    # From the search field to the first folder, which opens with Enter and fetches what is in it.
    writing = page.locator("summary", has_text="Writing")
    for _ in range(20):
        if writing.evaluate("element => element === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    leaf = page.locator("a.tree-leaf", has_text="Plant rhymes")
    leaf.wait_for()
    page.keyboard.press("Tab")
    assert leaf.evaluate("element => element === document.activeElement")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{taxonomy.leaf(FREEFORM).get_absolute_url()}")
    assert page.locator("h1").inner_text() == "Plant rhymes"


def test_the_slash_key_goes_to_the_search(taxonomy: Taxonomy, page_for: Callable[..., Any]) -> None:
    page = page_for(None)
    page.goto("/taxonomy/")
    page.keyboard.press("/")
    page.keyboard.type("kale/")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=kale%2F**")


def test_the_theme_changes_at_once_and_stays(page_for: Callable[..., Any]) -> None:
    page = page_for(None)
    page.goto("/about/")
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.locator("summary", has_text="Colours of the pages").click()
    with page.expect_response("**/theme/"):
        page.get_by_role("button", name="Dark", exact=True).click()
    page.wait_for_function(f"{background} !== '{light}'")
    page.goto("/about/")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate(background) != light
    assert page.url.endswith("/about/")


def test_menus_close_on_escape_and_give_the_focus_back(administrator: User, page_for: Callable[..., Any]) -> None:
    page = page_for(administrator, width=390)
    page.goto("/")
    menu = page.locator("summary", has_text="Menu")
    menu.click()
    page.get_by_role("link", name="Review queue").wait_for()
    page.keyboard.press("Escape")
    assert not page.get_by_role("link", name="Review queue").is_visible()
    assert menu.evaluate("element => element === document.activeElement")


def test_signing_in_and_out_through_the_pages(contributor: User, page_for: Callable[..., Any]) -> None:
    page = page_for(None)
    page.goto("/people/account/")
    page.get_by_label("Username or e-mail address").fill("rosa")
    page.get_by_label("Password").fill("not-it")
    page.get_by_role("button", name="Sign in").click()
    assert "not right" in page.get_by_role("alert").first.inner_text()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/people/account/")
    page.locator("summary", has_text="Account of Rosa Lind").click()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out.").wait_for()


@pytest.mark.timeout(300)
def test_pictures_are_taken_of_every_page_width_and_theme(
    taxonomy: Taxonomy, contributor: User, browser: Any, live_server: Any, tmp_path: Path
) -> None:
    screens = [Screen("tree", "/taxonomy/"), Screen("start", "/", "rosa")]
    written = take(browser, live_server.url, screens, tmp_path / "to", passwords={"rosa": PASSWORD})
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == sorted(path.name for path in written)
    assert len(written) == 8
    light, dark = ((tmp_path / "to" / f"tree-phone-{theme}.png").read_bytes() for theme in ("light", "dark"))
    assert light.startswith(b"\x89PNG")
    assert light != dark
    with pytest.raises(ScreenProblem, match="cannot sign in"):
        take(browser, live_server.url, screens, tmp_path, passwords={"rosa": "not-it"})


@pytest.mark.parametrize(
    ("text", "screen"),
    [
        ("home:/", Screen("home", "/")),
        ("queue:/contributions/queue/:emeka", Screen("queue", "/contributions/queue/", "emeka")),
        ("search:/taxonomy/?q=a:rosa", Screen("search", "/taxonomy/?q=a", "rosa")),
    ],
)
def test_a_screen_is_read_from_the_command_line(text: str, screen: Screen) -> None:
    assert Screen.parse(text) == screen
