"""The start page by role, health, the theme, error pages, and what browsers and robots ask every site for."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from taxonomy_app.contributions.models import Submission
from taxonomy_app.people.models import User
from tests.conftest import Taxonomy

pytestmark = pytest.mark.django_db


def submit(author: User, now: datetime, state: str = "submitted", path: str = "knowledge/plants/moss") -> Submission:
    made: Submission = Submission.objects.create(
        author=author,
        kind="knowledge",
        path=path,
        branch=path.partition("/")[0],
        state=state,
        created_at=now,
        submitted_at=now,
        updated_at=now,
    )
    return made


def navigation(client: Client, url: str = "/") -> list[str]:
    return [place.title for place in client.get(url).context["navigation"]]


def test_a_visitor_is_told_what_it_is_and_what_to_do(taxonomy: Taxonomy, client: Client) -> None:
    page = client.get("/").content.decode()
    assert "Teach a language model, one reviewed example at a time" in page
    assert "4 leaves with 20 seeds" in page
    assert reverse("people:register") in page


def test_each_role_has_its_places(
    contributor: User, reviewer: User, administrator: User, client_for: Callable[..., Client]
) -> None:
    assert navigation(client_for(None)) == ["Taxonomy", "Releases"]
    assert navigation(client_for(contributor)) == ["Taxonomy", "My contributions", "Rounds", "Releases"]
    assert "Review queue" in navigation(client_for(reviewer))
    assert "People" not in navigation(client_for(reviewer))
    assert navigation(client_for(administrator))[-1] == "People"


def test_the_reviewers_count_leaves_out_their_own_and_what_is_decided(
    contributor: User, reviewer: User, client_for: Callable[..., Client], now: datetime
) -> None:
    submit(contributor, now)
    submit(contributor, now, path="knowledge/plants/fern")
    submit(contributor, now, state="committed", path="knowledge/plants/oak")
    submit(reviewer, now, path="knowledge/plants/elm")
    answer = client_for(reviewer).get("/")
    queue = next(place for place in answer.context["navigation"] if place.title == "Review queue")
    assert queue.count == 2
    assert "Elm" not in re.findall(r"review/\d+/\">(\w+)", answer.content.decode())


def test_the_place_whose_page_is_shown_is_marked(reviewer: User, client_for: Callable[..., Client]) -> None:
    client = client_for(reviewer)

    def current(url: str) -> list[str]:
        return [place.title for place in client.get(url).context["navigation"] if place.current]

    assert current("/taxonomy/") == ["Taxonomy"]
    assert current("/contributions/") == ["My contributions"]
    assert current("/contributions/queue/") == ["Review queue"]
    assert current("/") == []


def test_what_asks_for_an_answer_comes_first(
    contributor: User, other_contributor: User, client_for: Callable[..., Client], now: datetime
) -> None:
    submit(contributor, now, state="changes_requested")
    mine = client_for(contributor).get("/").content.decode()
    assert "A reviewer asks you for changes to <strong>Moss</strong>" in mine
    assert "Moss" not in client_for(other_contributor).get("/").content.decode()


def test_the_start_page_asks_a_constant_number_of_queries(
    taxonomy: Taxonomy,
    contributor: User,
    administrator: User,
    client_for: Callable[..., Client],
    now: datetime,
    django_assert_max_num_queries: Any,
) -> None:
    client = client_for(administrator)
    for turn in range(2):
        with django_assert_max_num_queries(14):
            client.get("/")
        for number in range(20 * (1 - turn)):
            submit(contributor, now, path=f"knowledge/plants/plant_{number}")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chosen_theme_is_painted_by_the_next_page_and_system_forgets_it(theme: str, client: Client) -> None:
    assert "data-theme" not in client.get("/").content.decode().partition(">")[2].partition("<body")[0]
    answer = client.post(reverse("web:theme"), {"theme": theme, "next": "/taxonomy/?q=moss"})
    assert answer.url == "/taxonomy/?q=moss"
    assert f'<html lang="en" data-theme="{theme}">' in client.get("/").content.decode()
    client.post(reverse("web:theme"), {"theme": "system"})
    assert '<html lang="en">' in client.get("/").content.decode()


def test_single_keys_can_be_switched_off_and_on_again(client: Client) -> None:
    url = reverse("web:shortcuts")
    assert 'data-shortcuts="off"' not in client.get("/").content.decode()
    assert client.post(url, {"shortcuts": "off", "next": "/taxonomy/"}).url == "/taxonomy/"
    page = client.get("/").content.decode()
    assert 'data-shortcuts="off"' in page
    assert "Single keys are switched off." in page
    assert client.post(url, {"shortcuts": "on", "next": "https://elsewhere.example/"}).url == "/"
    assert 'data-shortcuts="off"' not in client.get("/").content.decode()
    assert client.post(url, {"shortcuts": "maybe"}).status_code == 400


def test_an_unknown_theme_is_refused_and_a_foreign_way_back_not_followed(client: Client) -> None:
    assert client.post(reverse("web:theme"), {"theme": "neon"}).status_code == 400
    assert client.post(reverse("web:theme"), {"theme": "dark", "next": "https://elsewhere.example/"}).url == "/"
    client.cookies["theme"] = '"><script>'
    assert '<html lang="en">' in client.get("/").content.decode()


def test_health_says_that_all_is_well(taxonomy: Taxonomy, redis_url: str, client: Client) -> None:
    answer = client.get(reverse("web:health"))
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert set(answer.json()["parts"]) == {"database", "redis", "git", "artifacts"}
    assert "no-store" in answer.headers["Cache-Control"]


def test_health_names_each_part_that_is_down_and_says_no_more(
    settings: Any, tmp_path: Path, client: Client, redis_url: str
) -> None:
    settings.TAXONOMY_REPOSITORY = tmp_path / "missing.git"
    answer = client.get(reverse("web:health"))
    parts = answer.json()["parts"]
    assert answer.status_code == 503
    assert {name for name, part in parts.items() if not part["ok"]} == {"git"}
    assert str(tmp_path) not in answer.content.decode()


def test_health_gives_redis_up_soon(settings: Any, taxonomy: Taxonomy, client: Client, tmp_path: Path) -> None:
    from dataclasses import replace

    settings.SHARED = replace(settings.SHARED, redis_url=f"redis+socket://{tmp_path / 'nobody.sock'}")
    answer = client.get(reverse("web:health"))
    assert answer.status_code == 503
    assert answer.json()["parts"]["redis"] == {
        "ok": False,
        "seconds": answer.json()["parts"]["redis"]["seconds"],
        "problem": "Redis does not answer.",
    }
    assert answer.json()["parts"]["database"]["ok"]


def test_robots_may_read_a_public_site_but_not_a_closed_one(settings: Any, client: Client) -> None:
    assert "Disallow: /contributions/" in client.get("/robots.txt").content.decode()
    settings.PUBLIC = False
    assert "Disallow: /\n" in client.get("/robots.txt").content.decode()


def test_the_manifest_and_the_icon_are_there(client: Client) -> None:
    manifest = client.get(reverse("web:manifest"))
    assert manifest.headers["Content-Type"] == "application/manifest+json"
    assert client.get(manifest.json()["icons"][0]["src"]).status_code == 200
    assert client.get("/favicon.ico").status_code == 302


def test_a_page_that_is_not_there_leads_back(client: Client) -> None:
    answer = client.get("/nowhere/")
    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()
    assert 'href="/taxonomy/"' in answer.content.decode()


def test_who_may_not_is_told_in_a_sentence(contributor: User, client_for: Callable[..., Client]) -> None:
    answer = client_for(contributor).get(reverse("people:list"))
    assert answer.status_code == 403
    assert "Only administrators may do this." in answer.content.decode()


def test_a_form_without_its_token_is_asked_for_again() -> None:
    answer = Client(enforce_csrf_checks=True).post(reverse("people:sign_in"), {"identifier": "a", "password": "b"})
    assert answer.status_code == 403
    assert "Please send it again" in answer.content.decode()


@pytest.mark.parametrize(
    ("name", "sentence"), [("500", "Something broke on our side"), ("400", "could not make sense")]
)
def test_pages_for_errors_need_no_request_no_database_and_no_collected_files(
    name: str, sentence: str, settings: Any
) -> None:
    from django.template.loader import get_template

    manifest = {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": manifest}
    page = get_template(f"{name}.html").render()
    assert sentence in page
    assert 'href="/"' in page


def test_a_view_that_fails_answers_with_the_page_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taxonomy_app.web.views.start_page", lambda user: 1 / 0)
    client = Client(raise_request_exception=False)
    answer = client.get("/")
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.content.decode()
