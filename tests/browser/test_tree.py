"""The taxonomy's pages in a real browser: readable by everyone, at phone width, and what they fetch as one reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import expect

from taxonomy_app.people.models import User
from taxonomy_app.tree import services
from taxonomy_app.tree.models import LeafVersion
from taxonomy_app.tree.similarity import nearest
from taxonomy_app.tree.similarity.vectors import vectors_update
from tests.conftest import Taxonomy
from tests.leaves import FREEFORM, GROUNDED, KNOWLEDGE
from tests.taxonomy_app.tree.test_leaf_states import release, score, submit
from tests.taxonomy_app.tree.test_services import commit, document

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TABLE = b"| plant | row |\\n|---|---|\\n| bean | 1 |\\n\\n```\\n" + b"a very long line of code " * 8 + b"\\n```"


@pytest.fixture
def grown(taxonomy: Taxonomy, contributor: User, now: datetime) -> Iterator[Taxonomy]:
    """The tiny taxonomy with a change, a related leaf, Markdown, something that waits, a score, and vectors."""
    rhymes = document("Write two short lines that rhyme.").replace(b"Answer 1.", b'"' + TABLE + b'"')
    commit(taxonomy, {f"{FREEFORM}/qna.yaml": rhymes})
    commit(taxonomy, {"compositional_skills/poems/odes/qna.yaml": document("Write an ode of lines that rhyme.")}, day=1)
    services.index_update(now=now)
    submit(taxonomy.leaf(FREEFORM), contributor, now, "submitted")
    score(release(1, contributor, now), taxonomy.leaf(FREEFORM), -1.5, low=0.1)
    vectors_update(now=now)
    nearest.forget()
    yield taxonomy
    nearest.forget()


def addresses(taxonomy: Taxonomy) -> dict[str, str]:
    leaf = taxonomy.leaf(FREEFORM)
    version = LeafVersion.objects.get(leaf=leaf, kind="modified")
    return {
        "tree": "/taxonomy/",
        "folder": "/taxonomy/?at=compositional_skills/writing",
        "search": "/taxonomy/?q=rhyme",
        "narrowed": "/taxonomy/?state=open&author=tom",
        "not-understood": "/taxonomy/?kind=none",
        "nothing-found": "/taxonomy/?q=rhyming+submarines",
        "leaf": leaf.get_absolute_url(),
        "typed": f"{leaf.get_absolute_url()}?as=written",
        "history": f"{leaf.get_absolute_url()}history/",
        "change": version.get_absolute_url(),
        "related": f"{leaf.get_absolute_url()}related/",
        "document": f"{taxonomy.leaf(KNOWLEDGE).get_absolute_url()}documents/seed-banks.md/",
        "places": "/taxonomy/where/?text=lines+that+rhyme",
        "new": "/contributions/new/",
    }


@pytest.mark.timeout(400)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pages_pass_axe_and_fit_a_phone(
    theme: str, grown: Taxonomy, reviewer: User, page_for: Callable[..., Any], axe: Callable[[Any], list[str]]
) -> None:
    page = page_for(reviewer, width=360, height=760, theme=theme)
    wrong: list[str] = []
    for name, url in addresses(grown).items():
        page.goto(url)
        if name in ("leaf", "typed"):
            expect(page.locator("#related").get_by_role("link", name="Odes")).to_be_visible()
        wrong += [f"{name}: {sentence}" for sentence in axe(page)]
        needed = page.evaluate("document.documentElement.scrollWidth")
        if needed > 360:
            wrong.append(f"{name}: {needed} px wide")
    assert not wrong, "\n".join(wrong)


def test_a_folder_opens_in_its_place_and_shows_how_its_leaves_stand(
    grown: Taxonomy, reviewer: User, page_for: Callable[..., Any]
) -> None:
    page = page_for(reviewer)
    page.goto("/taxonomy/")
    page.locator("summary", has_text="Writing").click()
    leaf = page.locator("a.tree-leaf", has_text="Plant rhymes")
    expect(leaf).to_contain_text("1 open submission")
    expect(leaf).to_contain_text("Release 1")
    assert page.url.endswith("/taxonomy/")


def test_places_are_suggested_as_one_types_where_a_contribution_begins(
    grown: Taxonomy, contributor: User, page_for: Callable[..., Any]
) -> None:
    page = page_for(contributor)
    page.goto("/contributions/new/")
    page.get_by_label("Describe what you want to teach").press_sequentially("Short lines that rhyme")
    start = page.get_by_role("link", name="Start a leaf here in compositional_skills/writing")
    start.click()
    page.wait_for_url("**/contributions/new/?folder=compositional_skills**")
    expect(page.get_by_label("Folder in the tree")).to_have_value("writing")


def test_places_are_found_without_scripts_too(grown: Taxonomy, browser: Any, live_server: Any) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/taxonomy/where/")
    page.get_by_label("Describe what you want to teach").fill("When is it sown, by the note")
    page.get_by_role("button", name="Find the place").click()
    expect(page.get_by_role("link", name="Sowing dates")).to_be_visible()
    page.goto(grown.leaf(GROUNDED).get_absolute_url())
    page.get_by_role("link", name="Leaves like this one").click()
    expect(page.get_by_role("heading", name="Related leaves", level=1)).to_be_visible()
    context.close()
