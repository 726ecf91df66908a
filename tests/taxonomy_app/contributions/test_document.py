"""The draft's JSON, the form's fields and the two files are the same leaf."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions.models import Kind
from taxonomy_repo.leaf import write_leaf
from tests.taxonomy_app.contributions.making import SOURCE, knowledge_form, skill_form

words = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufeff\ufffe\uffff\u2028\u2029\x85"
    ),
    min_size=1,
    max_size=30,
).filter(str.strip)


def fields_of(form):
    """Every field of a form as a browser posts it."""
    fields = {"task_description": form["task_description"], "domain": form["domain"]}
    fields["document_outline"] = form["document_outline"]
    for index, seed in enumerate(form["seed_examples"]):
        for key, value in seed.items():
            if key != "questions_and_answers":
                fields[f"seed_examples[{index}].{key}"] = value
        for number, pair in enumerate(seed.get("questions_and_answers", ())):
            fields[f"seed_examples[{index}].questions_and_answers[{number}].question"] = pair["question"]
            fields[f"seed_examples[{index}].questions_and_answers[{number}].answer"] = pair["answer"]
    return fields


@pytest.mark.parametrize(("kind", "form"), [(Kind.FREEFORM, skill_form()), (Kind.KNOWLEDGE, knowledge_form())])
def test_what_the_form_posts_is_what_was_shown(kind, form):
    before = documents.empty_form(kind, "rosa")
    assert documents.form_from_fields(fields_of(form), kind=kind, before=before) == form


# How quickly examples are made says something of the machine only.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.tuples(words, words), min_size=5, max_size=8, unique=True), words)
def test_a_form_written_as_yaml_and_read_again_is_the_same_form(pairs, task):
    form = {
        **documents.empty_form(Kind.FREEFORM, "rosa"),
        "task_description": task,
        "seed_examples": [{"context": "", "question": question, "answer": answer} for question, answer in pairs],
    }
    data = write_leaf(documents.leaf_from_form(form, kind=Kind.FREEFORM))
    read, kind = documents.form_from_text(data.decode(), kind=Kind.FREEFORM, path="compositional_skills/a/b")
    assert (read, kind) == (form, Kind.FREEFORM)


def test_gaps_in_the_numbers_of_posted_seeds_leave_no_empty_seed():
    fields = {"seed_examples[7].question": "Second?", "seed_examples[2].question": "First?"}
    form = documents.form_from_fields(fields, kind=Kind.FREEFORM, before=skill_form())
    assert [seed["question"] for seed in form["seed_examples"]] == ["First?", "Second?"]


def test_fields_that_no_leaf_has_are_left_out():
    fields = {"seed_examples[0].version": "9", "seed_examples[99999].question": "?", "created_by": "somebody else"}
    assert documents.form_from_fields(fields, kind=Kind.FREEFORM, before=skill_form()) == skill_form()


def test_line_ends_of_browsers_and_nul_do_not_reach_a_leaf():
    fields = {"task_description": "one\r\ntwo\rthree\x00"}
    form = documents.form_from_fields(fields, kind=Kind.FREEFORM, before=skill_form())
    assert form["task_description"] == "one\ntwo\nthree"


def test_a_free_skill_whose_yaml_has_contexts_becomes_one_with_a_text():
    form = skill_form()
    for seed in form["seed_examples"]:
        seed["context"] = f"About {seed['question']}"
    text = write_leaf(documents.leaf_from_form(form, kind=Kind.GROUNDED)).decode()
    read, kind = documents.form_from_text(text, kind=Kind.FREEFORM, path="compositional_skills/a/b")
    assert kind == Kind.GROUNDED
    assert read == form


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "Line 1"),
        ("version: 3\nseed_examples:\n  - quesiton: x\n", "Line 3"),
        ("- just\n- a list\n", "has no keys"),
        ("", "empty"),
    ],
)
def test_yaml_that_a_form_would_lose_stays_yaml(text, sentence):
    with pytest.raises(documents.NotAForm, match=sentence):
        documents.form_from_text(text, kind=Kind.FREEFORM, path="compositional_skills/a/b")


def test_sources_written_and_read_are_the_same():
    other = {**SOURCE, "title": "A garden book", "link": "https://garden.example/book", "revision": "2nd"}
    data = documents.attribution_bytes([SOURCE, other, documents.empty_source()])
    assert documents.sources_from_bytes(data) == [SOURCE, other]


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("History of Osk.MD", "history-of-osk.md"),
        ("C:\\files\\osk.txt", "osk.txt"),
        ("../../etc/passwd", "passwd.md"),
        ("Überblick", "uberblick.md"),
        ("", "compost.md"),
        ("...", "compost.md"),
    ],
)
def test_names_of_documents_are_plain(given_name, kept):
    assert documents.document_file_name(given_name, "knowledge/gardening/compost") == kept
