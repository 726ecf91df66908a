"""Two windows on one draft: both texts are shown by the field, and one text is made of what is chosen."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions import services
from taxonomy_app.contributions.meanwhile import Side, differences, fields_of, settled
from taxonomy_app.contributions.models import Kind
from taxonomy_app.contributions.services import DraftChanges
from tests.taxonomy_app.contributions.making import KNOWLEDGE_PATH, knowledge_form, make_draft, skill_form

pytestmark = pytest.mark.django_db


def side(form: dict[str, Any], **more: Any) -> Side:
    return Side(form, more.pop("attribution", [{"title": "Mine"}]), **more)


def changed(form: dict[str, Any], at: int, **parts: str) -> dict[str, Any]:
    made = copy.deepcopy(form)
    made["seed_examples"][at].update(parts)
    return made


def test_each_field_is_chosen_by_itself() -> None:
    form = skill_form()
    mine = side(changed(changed(form, 0, answer="My answer."), 2, question="My question?"))
    theirs = side(changed(changed(form, 0, answer="Their answer."), 1, question="Their question?"))
    found = differences(mine, theirs, kind=Kind.FREEFORM)
    assert [(one.choice, one.place, one.label) for one in found] == [
        ("keep-0-answer", "Seed 1", "Answer"),
        ("keep-1-question", "Seed 2", "Question"),
        ("keep-2-question", "Seed 3", "Question"),
    ]
    choices = {"keep-0-answer": "theirs", "keep-1-question": "theirs", "keep-2-question": "mine"}
    seeds = settled(mine, theirs, choices, kind=Kind.FREEFORM).form["seed_examples"]
    assert (seeds[0]["answer"], seeds[1]["question"], seeds[2]["question"]) == (
        "Their answer.",
        "Their question?",
        "My question?",
    )


def test_a_seed_that_only_one_has_is_kept_unless_it_is_chosen_away() -> None:
    form = skill_form(count=6)
    fewer = copy.deepcopy(form)
    del fewer["seed_examples"][2]
    (one,) = differences(side(fewer), side(form), kind=Kind.FREEFORM)
    assert (one.choice, one.mine, one.proposed) == ("keep-2", None, "theirs")
    assert settled(side(fewer), side(form), {}, kind=Kind.FREEFORM).form == form
    assert settled(side(fewer), side(form), {"keep-2": "mine"}, kind=Kind.FREEFORM).form == fewer
    assert settled(side(form), side(fewer), {}, kind=Kind.FREEFORM).form == form


def test_questions_of_a_passage_and_the_document_and_the_sources_are_chosen_too() -> None:
    form = knowledge_form()
    other = copy.deepcopy(form)
    other["seed_examples"][1]["questions_and_answers"][2]["answer"] = "It is not."
    mine = Side(form, [{"title": "A"}], "a.md", "One text.")
    theirs = Side(other, [{"title": "B"}], "a.md", "Another text.")
    found = differences(mine, theirs, kind=Kind.KNOWLEDGE)
    assert [one.choice for one in found] == ["keep-document", "keep-1-2-answer", "keep-sources"]
    assert found[1].place == "Passage 2"
    assert settled(mine, theirs, dict.fromkeys([one.choice for one in found], "theirs"), kind=Kind.KNOWLEDGE) == theirs
    assert settled(mine, theirs, {}, kind=Kind.KNOWLEDGE) == mine


SEEDS = st.lists(
    st.fixed_dictionaries({key: st.sampled_from(["", "a", "b", "c d"]) for key in ("context", "question", "answer")}),
    max_size=6,
)


@given(SEEDS, SEEDS)
def test_choosing_one_side_throughout_gives_that_side(own: list[Any], other: list[Any]) -> None:
    mine, theirs = side({**skill_form(), "seed_examples": own}), side({**skill_form(), "seed_examples": other})
    found = differences(mine, theirs, kind=Kind.GROUNDED)
    for which, wanted in (("mine", mine), ("theirs", theirs)):
        choices = dict.fromkeys([one.choice for one in found], which)
        assert settled(mine, theirs, choices, kind=Kind.GROUNDED) == wanted
    assert bool(found) == (own != other)


@pytest.mark.parametrize(("form", "kind"), [(skill_form(), Kind.FREEFORM), (knowledge_form(), Kind.KNOWLEDGE)])
def test_the_other_windows_text_travels_in_the_editors_own_fields(form: dict[str, Any], kind: str) -> None:
    fields = dict(fields_of(side(form)))
    assert documents.form_from_fields(fields, kind=kind, before=form) == form


def page_fields(page: str) -> dict[str, str]:
    from html import unescape

    fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page))
    fields |= dict(re.findall(r'<textarea name="([^"]+)" hidden>\n(.*?)</textarea>', page, re.DOTALL))
    return {name: unescape(value) for name, value in fields.items()}


def post_form(client: Any, draft: Any, version: int, form: dict[str, Any]) -> Any:
    return client.post(draft.get_absolute_url(), {"version": version, **dict(fields_of(side(form)))})


def test_a_save_that_comes_too_late_shows_both_and_saves_what_is_chosen(
    taxonomy: Any, contributor: Any, client_for: Any, now: Any
) -> None:
    draft, client = make_draft(contributor, now=now), client_for(contributor)
    seen = draft.version
    post_form(client, draft, seen, changed(draft.form, 0, answer="From the first window."))
    answer = post_form(client, draft, seen, changed(draft.form, 1, answer="From the second."))
    assert answer.status_code == 409
    page = answer.content.decode()
    assert "From the first" in re.sub(r"<[^>]+>", "", page)
    fields = page_fields(page)
    address = reverse("contributions:draft_settle", args=[draft.pk])
    client.post(address, {**fields, "keep-0-answer": "theirs", "keep-1-answer": "mine"})
    draft.refresh_from_db()
    assert [seed["answer"] for seed in draft.form["seed_examples"][:2]] == [
        "From the first window.",
        "From the second.",
    ]
    # What was replaced can be had back.
    assert draft.saves.filter(because="overwrite").exists()


def test_a_third_save_meanwhile_is_not_lost_either(taxonomy: Any, contributor: Any, client_for: Any, now: Any) -> None:
    draft, client = make_draft(contributor, now=now), client_for(contributor)
    seen = draft.version
    post_form(client, draft, seen, changed(draft.form, 0, answer="First."))
    page = post_form(client, draft, seen, changed(draft.form, 0, answer="Second.")).content.decode()
    draft.refresh_from_db()
    post_form(client, draft, draft.version, changed(draft.form, 0, answer="Third."))
    address = reverse("contributions:draft_settle", args=[draft.pk])
    again = client.post(address, {**page_fields(page), "keep-0-answer": "mine"})
    assert again.status_code == 409
    assert "Third." in re.sub(r"<[^>]+>", "", again.content.decode())
    draft.refresh_from_db()
    assert draft.form["seed_examples"][0]["answer"] == "Third."


def test_two_yaml_windows_are_settled_by_field_and_keep_comments(
    taxonomy: Any, contributor: Any, client_for: Any, now: Any
) -> None:
    draft, client = make_draft(contributor, now=now), client_for(contributor)
    text = "# Mine\n" + services.draft_problems(draft).qna.decode()
    seen = draft.version
    post_form(client, draft, seen, changed(draft.form, 0, question="Their question?"))
    address = reverse("contributions:draft_yaml", args=[draft.pk])
    mine = text.replace("Make a riddle about the pea.", "My question?")
    answer = client.post(address, {"version": seen, "text": mine})
    assert answer.status_code == 409
    fields = page_fields(answer.content.decode())
    settle = reverse("contributions:draft_settle", args=[draft.pk])
    client.post(settle, {**fields, "keep-0-question": "theirs", "keep-1-question": "mine"})
    draft.refresh_from_db()
    assert draft.text == mine.replace("Make a riddle about the bean.", "Their question?")


def test_yaml_that_cannot_be_read_is_kept_as_a_whole(
    taxonomy: Any, contributor: Any, client_for: Any, now: Any
) -> None:
    draft, client = make_draft(contributor, now=now), client_for(contributor)
    seen = draft.version
    post_form(client, draft, seen, changed(draft.form, 0, question="Their question?"))
    answer = client.post(
        reverse("contributions:draft_yaml", args=[draft.pk]), {"version": seen, "text": "seed_examples: ["}
    )
    page = answer.content.decode()
    assert "only be kept as a whole" in page
    assert "Save what is chosen" not in page
    draft.refresh_from_db()
    assert draft.form["seed_examples"][0]["question"] == "Their question?"


def test_knowledge_with_its_document_is_settled(taxonomy: Any, contributor: Any, client_for: Any, now: Any) -> None:
    draft, client = make_draft(contributor, now=now, path=KNOWLEDGE_PATH), client_for(contributor)
    seen, text = draft.version, draft.document_text
    services.draft_save(
        draft=draft, by=contributor, version=seen, changes=DraftChanges(document_text=f"{text}More."), now=now
    )
    fields = dict(fields_of(side(draft.form))) | {"document_text": text, "domain": "soil"}
    page = client.post(draft.get_absolute_url(), {"version": seen, **fields}).content.decode()
    settle = reverse("contributions:draft_settle", args=[draft.pk])
    client.post(settle, {**page_fields(page), "keep-document": "theirs", "keep-domain": "mine"})
    draft.refresh_from_db()
    assert draft.document_text == f"{text}More."
    assert draft.form["domain"] == "soil"
