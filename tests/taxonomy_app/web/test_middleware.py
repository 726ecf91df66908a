"""The content security policy of every answer, and pages that keep to it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import reverse

from taxonomy_app.people.models import User
from taxonomy_app.web.middleware import ContentSecurityPolicyMiddleware, policy
from tests.conftest import Taxonomy
from tests.leaves import KNOWLEDGE
from workers.environment import PROJECT

FORBIDDEN = re.compile(
    r"""<script(?![^>]*\ssrc=)|<style|\sstyle\s*=|\son[a-z]+\s*=\s*["']|hx-on|javascript:|href="//|src="//|src="https?:""",
    re.I,
)


@pytest.mark.django_db
def test_every_answer_has_the_policy(client: Client) -> None:
    for url in ("/", "/nowhere/", reverse("web:robots"), reverse("people:profile")):
        headers = client.get(url).headers
        assert headers["Content-Security-Policy"] == policy()
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_the_policy_allows_no_inline_code_and_no_other_site() -> None:
    assert "unsafe" not in policy("n0nce")
    assert "http" not in policy("n0nce")
    assert "default-src 'self'" in policy()
    assert "nonce" not in policy()
    assert "script-src 'self';" in policy("n0nce")


def test_a_nonce_is_given_to_pages_that_ask_and_is_another_each_time() -> None:
    seen: list[str] = []

    def page(request: object) -> HttpResponse:
        seen.append(str(request.csp_nonce))  # type: ignore[attr-defined]
        return HttpResponse(str(request.csp_nonce))  # type: ignore[attr-defined]

    for _ in range(2):
        answer = ContentSecurityPolicyMiddleware(page)(RequestFactory().get("/"))
        assert answer.headers["Content-Security-Policy"] == policy(answer.content.decode())
    assert len(set(seen)) == 2


@pytest.mark.django_db
def test_pages_of_this_room_have_nothing_that_the_policy_forbids(
    taxonomy: Taxonomy, administrator: User, client_for: Callable[..., Client]
) -> None:
    urls = [
        "/",
        reverse("web:about"),
        reverse("tree:home"),
        taxonomy.leaf(KNOWLEDGE).get_absolute_url(),
        reverse("people:list"),
        administrator.get_absolute_url(),
        reverse("people:profile"),
    ]
    for url in urls:
        found = FORBIDDEN.search(client_for(administrator).get(url).content.decode())
        assert found is None, f"{url}: {found and found[0]}"


MAIL = PROJECT / "templates" / "mail" / "base.html"


def _is_mail(path: Path) -> bool:
    """Whether a template is an e-mail's text: the frame of e-mails, or what extends it.

    Mail programs read no style sheets of other hosts, and the policy goes with this site's answers only. What lies in
    the same folder and extends another frame is a page.
    """
    return path == MAIL or '{% extends "mail/base.html" %}' in path.read_text(encoding="utf-8")


TEMPLATES = sorted((PROJECT / "templates").rglob("*.html"))


def test_e_mails_are_told_from_pages() -> None:
    assert {path.name for path in TEMPLATES if _is_mail(path)} == {
        "base.html",
        "confirmation.html",
        "notices.html",
        "reviewers.html",
    }
    assert all(path.parent == MAIL.parent for path in TEMPLATES if _is_mail(path))


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=str(path.relative_to(PROJECT))) for path in TEMPLATES if not _is_mail(path)]
)
def test_no_template_has_inline_code_or_style(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}|\{% comment .*?endcomment %\}", "", path.read_text(encoding="utf-8"), flags=re.S)
    found = FORBIDDEN.search(text)
    assert found is None, found and found[0]


@pytest.mark.parametrize(
    ("zone", "shown"), [("Asia/Tokyo", "JST"), ("../../etc/passwd", "UTC"), ("Nowhere/Land", "UTC"), ("", "UTC")]
)
@pytest.mark.django_db
def test_times_are_on_the_readers_clock(taxonomy: object, client: Client, zone: str, shown: str) -> None:
    client.cookies["zone"] = zone
    page = client.get("/").content.decode()
    assert re.search(rf'title="14 March 2025, \d\d:26 {shown}"', page)
