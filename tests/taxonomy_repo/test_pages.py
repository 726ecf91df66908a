"""The documentation of the checks is what the checks say."""

from __future__ import annotations

from taxonomy_repo.checks.across import ACROSS
from taxonomy_repo.checks.pages import PAGE, page
from taxonomy_repo.checks.registry import REGISTRY


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "Run python -m taxonomy_repo.checks.pages."


def test_every_check_has_its_section() -> None:
    sections = {line.removeprefix("## ") for line in page().splitlines() if line.startswith("## ")}
    assert sections == {"Mending", *REGISTRY, *ACROSS}
