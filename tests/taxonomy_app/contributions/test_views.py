"""The pages as a browser without scripts uses them: from a new leaf to the commit, and what goes wrong on the way."""

from __future__ import annotations

import re
from datetime import timedelta
from io import BytesIO

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from taxonomy_app.contributions import deciding, services
from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions.models import Decision, Draft, PendingCommit, State, Submission
from taxonomy_app.contributions.outbox import outbox_run
from tests.leaves import FREEFORM
from tests.papers import pdf
from tests.taxonomy_app.contributions.making import (
    DOCUMENT,
    KNOWLEDGE_PATH,
    PATH,
    knowledge_form,
    make_draft,
    make_improvement,
    make_submission,
    skill_form,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_outbox(monkeypatch):
    monkeypatch.setattr(deciding, "outbox_send", lambda: None)


def fields_of(form: dict) -> dict[str, str]:
    """A form's seeds as a browser posts them."""
    fields = {key: form[key] for key in ("task_description", "domain", "document_outline") if form[key]}
    for index, seed in enumerate(form["seed_examples"]):
        for key, value in seed.items():
            if key != "questions_and_answers":
                fields[f"seed_examples[{index}].{key}"] = value
        for number, pair in enumerate(seed.get("questions_and_answers", ())):
            for key, value in pair.items():
                fields[f"seed_examples[{index}].questions_and_answers[{number}].{key}"] = value
    return fields


SOURCES = {
    "attribution[0].title": "Written for this leaf",
    "attribution[0].licence": "CC-BY-4.0",
    "attribution[0].creators": "Rosa Lind",
}


def draft_url(draft, name="draft"):
    return reverse(f"contributions:{name}", args=[draft.pk])


# --- The whole way


def test_from_a_new_leaf_to_the_taxonomy_without_scripts(taxonomy, contributor, reviewer, client_for, now):
    client = client_for(contributor)
    answer = client.post(
        reverse("contributions:new"), {"kind": "freeform", "folder": "Writing/poems", "name": "Été Rhymes"}
    )
    draft = Draft.objects.get()
    assert draft.path == "compositional_skills/writing/poems/ete_rhymes"
    assert answer.url == draft.get_absolute_url()
    page = client.get(answer.url).content.decode()
    assert page.count('class="panel seed-card') == 5
    assert "Seed 1" in page
    answer = client.post(draft_url(draft), {"version": 1, "action": "submit", **fields_of(skill_form()), **SOURCES})
    assert answer.url == draft_url(draft, "draft_submit")
    page = client.get(answer.url).content.decode()
    version = re.search(r'name="version" value="(\d+)"', page)[1]
    refused = client.post(answer.url, {"version": version})
    assert refused.status_code == 422
    assert "Tick the sign-off" in refused.content.decode()
    answer = client.post(answer.url, {"version": version, "sign_off": "yes", "message": "My first."}, follow=True)
    submission = Submission.objects.get()
    assert "A reviewer will read it" in answer.content.decode()

    judge = client_for(reviewer)
    queue = judge.get(reverse("contributions:queue")).content.decode()
    review = reverse("contributions:review", args=[submission.pk])
    assert review in queue
    page = judge.get(review).content.decode()
    assert "My first." in page
    assert "my name is kale." in page
    answer = judge.post(
        reverse("contributions:decide", args=[submission.pk]), {"verdict": "approve", "revision": "1"}, follow=True
    )
    assert "approved" in answer.content.decode()
    outbox_run(now=now)
    submission.refresh_from_db()
    assert submission.state == State.COMMITTED
    assert "It is in the taxonomy" in client.get(submission.get_absolute_url()).content.decode()


def test_a_knowledge_leaf_with_an_uploaded_document(taxonomy, contributor, client_for):
    client = client_for(contributor)
    client.post(reverse("contributions:new"), {"kind": "knowledge", "folder": "gardening", "name": "compost"})
    draft = Draft.objects.get()
    upload = SimpleUploadedFile("My Compost.md", DOCUMENT.encode())
    client.post(
        draft_url(draft),
        {"version": 1, "action": "save", "document_file": upload, **fields_of(knowledge_form()), **SOURCES},
    )
    draft.refresh_from_db()
    assert (draft.document_name, draft.document_text) == ("my-compost.md", DOCUMENT)
    assert draft.form["seed_examples"] == knowledge_form()["seed_examples"]
    assert services.draft_problems(draft).errors == ()
    client.post(draft_url(draft, "draft_submit"), {"version": draft.version, "sign_off": "yes"})
    assert Submission.objects.get().path == KNOWLEDGE_PATH


def test_an_uploaded_document_of_another_kind_becomes_text(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now, path=KNOWLEDGE_PATH)
    client = client_for(contributor)
    upload = SimpleUploadedFile("My Compost.pdf", pdf("Compost is ready when it smells of earth."))
    client.post(draft_url(draft), {"version": draft.version, "action": "save", "document_file": upload})
    draft.refresh_from_db()
    assert draft.document_name == "my-compost-pdf.md"
    assert draft.document_text == "Compost is ready when it smells of earth.\n"
    scan = SimpleUploadedFile("scan.pdf", pdf("", picture=True))
    answer = client.post(draft_url(draft), {"version": draft.version, "document_file": scan, "domain": "Newly typed"})
    assert answer.status_code == 422
    assert "scan.pdf has only pictures of pages and no text." in answer.content.decode()
    assert "Newly typed" in answer.content.decode()


def test_a_document_that_is_no_text_is_refused_and_nothing_else_is_lost(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now, path=KNOWLEDGE_PATH)
    upload = SimpleUploadedFile("scan.md", b"\xff\xd8\xff\xe0")
    answer = client_for(contributor).post(
        draft_url(draft), {"version": draft.version, "document_file": upload, "domain": "Newly typed"}
    )
    assert answer.status_code == 422
    assert "scan.md is not written in UTF-8." in answer.content.decode()
    assert "Newly typed" in answer.content.decode()


# --- The editor


@pytest.mark.parametrize(
    ("action", "order"),
    [
        ("seed-add", [0, 1, 2, 3, 4, None]),
        ("seed-remove:1", [0, 2, 3, 4]),
        ("seed-up:2", [0, 2, 1, 3, 4]),
        ("seed-up:0", [0, 1, 2, 3, 4]),
        ("seed-down:4", [0, 1, 2, 3, 4]),
        ("seed-down:0", [1, 0, 2, 3, 4]),
        ("seed-duplicate:3", [0, 1, 2, 3, 3, 4]),
        ("seed-remove:99", [0, 1, 2, 3, 4]),
        ("seed-remove:../../x", [0, 1, 2, 3, 4]),
    ],
)
def test_buttons_of_the_editor_keep_what_was_typed(taxonomy, contributor, client_for, now, action, order):
    draft = make_draft(contributor, now=now)
    before = skill_form()["seed_examples"]
    client_for(contributor).post(
        draft_url(draft), {"version": draft.version, "action": action, **fields_of(skill_form("Typed just now."))}
    )
    draft.refresh_from_db()
    assert draft.form["task_description"] == "Typed just now."
    expected = [before[i] if i is not None else {"context": "", "question": "", "answer": ""} for i in order]
    assert draft.form["seed_examples"] == expected


def test_pairs_are_added_and_removed(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now, path=KNOWLEDGE_PATH)
    client = client_for(contributor)
    client.post(draft_url(draft), {"version": draft.version, "action": "pair-add:1"})
    draft.refresh_from_db()
    assert [len(seed["questions_and_answers"]) for seed in draft.form["seed_examples"]] == [3, 4, 3, 3, 3]
    client.post(draft_url(draft), {"version": draft.version, "action": "pair-remove:1.0"})
    draft.refresh_from_db()
    pairs = draft.form["seed_examples"][1]["questions_and_answers"]
    assert len(pairs) == 3
    assert pairs[0]["question"].startswith("What about compost, number 2")


def test_two_windows_do_not_overwrite_each_other_and_both_texts_are_there(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now)
    client = client_for(contributor)
    seen = draft.version
    client.post(draft_url(draft), {"version": seen, **fields_of(skill_form("First window."))})
    answer = client.post(draft_url(draft), {"version": seen, **fields_of(skill_form("Second window."))})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "changed in another window" in page
    assert "Second window." in page
    draft.refresh_from_db()
    assert draft.form["task_description"] == "First window."
    overwrite = re.search(r'name="overwrite" value="(\d+)"', page)[1]
    client.post(draft_url(draft), {"version": seen, "overwrite": overwrite, **fields_of(skill_form("Second window."))})
    draft.refresh_from_db()
    assert draft.form["task_description"] == "Second window."


def test_checks_while_typing_save_and_name_the_field(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now)
    form = skill_form()
    form["seed_examples"][1]["question"] = form["seed_examples"][0]["question"]
    answer = client_for(contributor).post(
        draft_url(draft, "draft_check"), {"version": draft.version, **fields_of(form), "seed_examples[2].answer": ""}
    )
    page = answer.content.decode()
    assert answer.status_code == 200
    assert f'data-version="{draft.version + 1}"' in page
    assert "1 field to write" in page
    assert 'data-field="seed_examples[1].question"' in page
    draft.refresh_from_db()
    assert draft.form["seed_examples"][2]["answer"] == ""


def test_a_check_from_an_older_window_saves_nothing(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now)
    answer = client_for(contributor).post(
        draft_url(draft, "draft_check"), {"version": draft.version - 1, "task_description": "Late."}
    )
    assert answer.status_code == 409
    assert "data-refused" in answer.content.decode()
    draft.refresh_from_db()
    assert draft.form["task_description"] != "Late."


# --- YAML


BROKEN = 'version: 3\ncreated_by: rosa\ntask_description: "no end\nseed_examples: []\n'


def test_a_broken_upload_says_one_sentence_with_its_line_and_is_kept_for_mending(
    taxonomy, contributor, client_for, now
):
    draft = make_draft(contributor, now=now)
    client = client_for(contributor)
    answer = client.post(
        draft_url(draft, "draft_yaml"),
        {
            "version": draft.version,
            "text": "what stood there",
            "file": SimpleUploadedFile("mine.yaml", BROKEN.encode()),
        },
        follow=True,
    )
    page = answer.content.decode()
    assert re.search(r"mine\.yaml was taken over, but needs mending\. Line \d", page)
    draft.refresh_from_db()
    assert draft.text == BROKEN
    assert "task_description: &quot;no end" in page
    answer = client.get(draft_url(draft), follow=True)
    assert answer.redirect_chain[0][0] == draft_url(draft, "draft_yaml")
    assert "The form cannot show this YAML" in answer.content.decode()


def test_an_upload_that_is_not_text_leaves_the_draft_as_it_was(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now)
    answer = client_for(contributor).post(
        draft_url(draft, "draft_yaml"),
        {"version": draft.version, "text": "typed: here", "file": SimpleUploadedFile("a.yaml", b"\xff\xfe\x00")},
    )
    assert answer.status_code == 422
    assert "not plain text in UTF-8" in answer.content.decode()
    assert "typed: here" in answer.content.decode()
    assert Draft.objects.get(pk=draft.pk).version == draft.version


def test_taking_over_no_file_says_so_and_keeps_what_is_typed(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now)
    answer = client_for(contributor).post(
        draft_url(draft, "draft_yaml"), {"version": draft.version, "text": "typed: here", "action": "upload"}
    )
    assert answer.status_code == 422
    assert "Choose a file first" in answer.content.decode()
    assert "typed: here" in answer.content.decode()


def test_what_can_be_mended_is_mended_at_one_press_and_told(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now)
    text = services.draft_problems(draft).qna.decode()
    broken = re.sub(r"task_description: .*", "task_description: Say it: in verse. # a remark", text)
    broken = broken.replace("    answer: |", "    # kept\n    answer: |", 1)
    client = client_for(contributor)
    answer = client.post(
        draft_url(draft, "draft_yaml"), {"version": draft.version, "text": broken, "action": "mend"}, follow=True
    )
    page = answer.content.decode()
    assert re.search(r"Mended\. Line \d+: ", page)
    draft.refresh_from_db()
    assert "# kept" in draft.text
    assert draft.form["task_description"].startswith("Say it: in verse.")
    assert [save.because for save in draft.saves.all()] == ["mend"]
    answer = client.post(
        draft_url(draft, "draft_yaml"), {"version": draft.version, "text": draft.text, "action": "mend"}, follow=True
    )
    assert "Nothing here could be mended" in answer.content.decode()


def test_a_save_that_brings_no_text_empties_nothing(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now)
    client = client_for(contributor)
    client.post(draft_url(draft, "draft_yaml"), {"version": draft.version})
    client.post(draft_url(draft, "draft_check"), {"version": draft.version + 1, "tab": "yaml"})
    draft.refresh_from_db()
    assert (draft.form, draft.written_as) == (skill_form(), "form")


def test_what_no_file_can_hold_is_mended_in_the_form_before_it_is_shown_as_yaml(taxonomy, contributor, client_for, now):
    form = skill_form()
    form["seed_examples"][1]["answer"] = "From a page\x0cof a book."
    draft = make_draft(contributor, now=now, form=form)
    answer = client_for(contributor).get(draft_url(draft, "draft_yaml"), follow=True)
    assert answer.redirect_chain[0][0] == draft_url(draft)
    assert "cannot be written as YAML yet" in answer.content.decode()
    assert "of a book." in answer.content.decode()


def test_a_browser_asks_again_for_a_draft_that_it_has_seen(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now)
    for name in ("draft", "draft_yaml", "draft_submit"):
        assert "no-store" in client_for(contributor).get(draft_url(draft, name))["Cache-Control"]


def test_a_good_upload_is_the_form_as_well(taxonomy, contributor, client_for, now):
    source = make_draft(contributor, now=now, form=skill_form("From a file."))
    client = client_for(contributor)
    data = client.get(draft_url(source, "draft_download"))
    assert data["Content-Disposition"] == 'attachment; filename="seed_riddles.yaml"'
    target = make_draft(contributor, now=now, path=f"{PATH}_copy")
    upload = BytesIO(data.content)
    upload.name = "seed_riddles.yaml"
    client.post(draft_url(target, "draft_yaml"), {"version": target.version, "file": upload})
    page = client.get(draft_url(target)).content.decode()
    assert "From a file." in page


def test_knowledge_as_yaml_keeps_the_lines_that_its_author_sees(taxonomy, contributor, now):
    draft = make_draft(contributor, now=now, path=KNOWLEDGE_PATH)
    text = re.sub(r"document:\n(  .*\n)+", "", services.draft_problems(draft).qna.decode())
    text = text.replace("What about compost, number 2, needs air?", "What about compost, number 1, needs air?")
    line = [number for number, one in enumerate(text.splitlines(), 1) if "number 1, needs air" in one][1]
    draft = services.draft_save(
        draft=draft, by=contributor, version=draft.version, changes=services.DraftChanges(text=text), now=now
    )
    files = services.draft_problems(draft)
    assert [problem.line for problem in files.errors] == [line]
    assert b"seedbed:documents" in files.qna


# --- Places


@pytest.mark.parametrize(
    ("folder", "name", "sentence"),
    [
        ("../../etc", "x", "leads elsewhere"),
        ("writing", "..", "leads elsewhere"),
        ("writing", "a:b", "not a name for a folder"),
        ("writing", "plant_rhymes", "There is a leaf at"),
    ],
)
def test_a_place_that_cannot_be_used_is_said_where_it_was_typed(
    taxonomy, contributor, client_for, folder, name, sentence
):
    answer = client_for(contributor).post(
        reverse("contributions:new"), {"kind": "freeform", "folder": folder, "name": name}
    )
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Draft.objects.exists()


def test_folders_of_the_taxonomy_are_suggested(taxonomy, contributor, client_for):
    client = client_for(contributor)
    page = client.get(reverse("contributions:places"), {"kind": "freeform", "folder": "wri"}).content.decode()
    assert '<option value="writing">' in page
    assert "gardening" not in page
    page = client.get(reverse("contributions:new"), {"folder": "knowledge/gardening"}).content.decode()
    assert 'value="gardening"' in page


# --- Reviewing


def test_the_queue_is_filtered_by_its_address(taxonomy, contributor, other_contributor, reviewer, client_for, now):
    one = make_submission(contributor, now=now)
    two = make_submission(other_contributor, now=now, path=KNOWLEDGE_PATH)
    client = client_for(reviewer)

    def shown(**filters):
        page = client.get(reverse("contributions:queue"), filters).content.decode()
        return {s.pk for s in (one, two) if reverse("contributions:review", args=[s.pk]) in page}

    assert shown() == {one.pk, two.pk}
    assert shown(branch="knowledge") == {two.pk}
    assert shown(kind="freeform") == {one.pk}
    assert shown(author="tomas") == {two.pk}
    assert shown(q="riddles") == {one.pk}
    assert shown(state="rejected") == set()
    services.submission_claim(submission=one, reviewer=reviewer, now=now)
    assert shown(claim="mine") == {one.pk}


def test_deciding_lands_on_the_next_of_the_filter(taxonomy, contributor, other_contributor, reviewer, client_for, now):
    first = make_submission(contributor, now=now)
    make_submission(other_contributor, now=now + timedelta(minutes=1), path=f"{PATH}_other")
    third = make_submission(contributor, now=now + timedelta(minutes=2), path=f"{PATH}_third")
    client = client_for(reviewer)
    answer = client.post(
        reverse("contributions:decide", args=[first.pk]),
        {"verdict": "reject", "revision": 1, "canned": "Too alike.", "reason": "Really.", "filter": "author=rosa"},
    )
    assert answer.url == reverse("contributions:review", args=[third.pk]) + "?author=rosa"
    assert Decision.objects.get().reason == "Too alike.\nReally."
    answer = client.post(
        reverse("contributions:decide", args=[third.pk]),
        {"verdict": "approve", "revision": 1, "filter": "author=rosa"},
    )
    assert answer.url == reverse("contributions:queue") + "?author=rosa"


def test_the_second_of_two_reviewers_reads_who_was_first_and_keeps_the_reason(
    taxonomy, contributor, reviewer, administrator, client_for, now
):
    submission = make_submission(contributor, now=now)
    url = reverse("contributions:decide", args=[submission.pk])
    client_for(reviewer).post(url, {"verdict": "approve", "revision": 1})
    answer = client_for(administrator).post(url, {"verdict": "reject", "revision": 1, "reason": "I think not."})
    assert answer.status_code == 409
    assert "Emeka Obi approved it" in answer.content.decode()
    assert "I think not." in answer.content.decode()
    assert PendingCommit.objects.count() == 1


def test_ones_own_shows_why_one_cannot_decide(taxonomy, reviewer, client_for, now):
    submission = make_submission(reviewer, now=now)
    client = client_for(reviewer)
    page = client.get(reverse("contributions:review", args=[submission.pk])).content.decode()
    assert "This is your own contribution" in page
    assert 'name="verdict"' not in page
    answer = client.post(reverse("contributions:decide", args=[submission.pk]), {"verdict": "approve", "revision": 1})
    assert answer.status_code == 422
    assert Submission.objects.get().state == State.SUBMITTED


def test_an_improvement_is_shown_word_by_word_beside_what_is_there(taxonomy, contributor, reviewer, client_for, now):
    leaf = taxonomy.leaf(FREEFORM)
    submission = make_improvement(
        contributor, leaf, now=now, seed=2, answer="The beet in its plot,\nlooks up and lifts its head."
    )
    page = client_for(reviewer).get(reverse("contributions:review", args=[submission.pk])).content.decode()
    assert '<del class="word-del">bed</del>' in page
    assert '<ins class="word-ins">plot</ins>' in page
    assert "0 added, 1 changed, 0 removed, 4 as before" in page


def test_seeds_that_ask_nearly_the_same_elsewhere_are_shown(taxonomy, contributor, reviewer, client_for, now):
    form = skill_form()
    form["seed_examples"][3]["question"] = "Write a rhyme about kale, please."
    submission = make_submission(contributor, now=now, form=form)
    page = client_for(reviewer).get(reverse("contributions:alike", args=[submission.pk])).content.decode()
    assert "Write a rhyme about kale." in page
    assert "Number 4" in page
    assert "Write a rhyme about pea." not in page


def test_what_was_handed_back_to_its_author_is_still_looked_through(
    taxonomy, contributor, other_contributor, reviewer, client_for, now
):
    handed_back = make_submission(other_contributor, now=now)
    services.submission_request_changes(
        submission=handed_back, reviewer=reviewer, revision_number=1, reason="Rhyme it.", now=now
    )
    submission = make_submission(contributor, now=now, path=f"{PATH}_too")
    page = client_for(reviewer).get(reverse("contributions:alike", args=[submission.pk])).content.decode()
    assert handed_back.get_absolute_url() in page or f"S{handed_back.pk}" in page


def test_a_comment_on_one_seed_is_read_by_its_author_at_that_seed(taxonomy, contributor, reviewer, client_for, now):
    submission = make_submission(contributor, now=now)
    answer = client_for(reviewer).post(
        reverse("contributions:comment", args=[submission.pk]),
        {"text": "Does it rhyme?", "seed": "3", "back": "review"},
    )
    assert answer.url.endswith(f"/review/{submission.pk}/#seed-4")
    page = client_for(contributor).get(submission.get_absolute_url()).content.decode()
    assert "Does it rhyme?" in page[page.index('id="seed-4"') : page.index('id="seed-5"')]
    desk = reverse("contributions:review", args=[submission.pk])
    assert "1 comment not settled" in client_for(reviewer).get(desk).content.decode()
    comment = submission.comments.get()
    settle = reverse("contributions:comment_resolve", args=[submission.pk, comment.pk])
    assert client_for(contributor).post(settle).url.endswith("#talk")
    page = client_for(contributor).get(submission.get_absolute_url()).content.decode()
    assert "settled by Rosa Lind" in page[page.index('id="seed-4"') : page.index('id="seed-5"')]
    assert "not settled" not in client_for(reviewer).get(desk).content.decode()


def test_others_read_what_is_in_the_taxonomy_but_not_what_was_said_about_it(
    taxonomy, contributor, other_contributor, reviewer, client_for, now
):
    submission = make_submission(contributor, now=now)
    services.comment_add(submission=submission, author=reviewer, text="Between us.", now=now)
    draft = services.submission_revise(submission=submission, by=contributor, now=now)
    services.draft_submit(
        draft=draft, by=contributor, version=draft.version, sign_off=True, message="Only for you.", now=now
    )
    submission.refresh_from_db()
    assert client_for(other_contributor).get(submission.get_absolute_url()).status_code == 404
    services.submission_approve(submission=submission, reviewer=reviewer, revision_number=2, now=now)
    outbox_run(now=now)
    version = reverse("contributions:revision", args=[submission.pk, 2])
    assert "Only for you." in client_for(reviewer).get(version).content.decode()
    assert "Only for you." not in client_for(other_contributor).get(version).content.decode()
    for person in (other_contributor, None):
        page = client_for(person).get(submission.get_absolute_url()).content.decode()
        assert "my name is kale." in page
        assert "Between us." not in page
        assert "rosa@example.org" not in page


def test_what_could_not_be_committed_is_told_to_those_concerned(
    taxonomy, contributor, other_contributor, reviewer, administrator, client_for, now, monkeypatch
):
    submission = make_submission(contributor, now=now)
    services.submission_approve(submission=submission, reviewer=reviewer, revision_number=1, now=now)

    def full_disk(self, changes, **fields):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(taxonomy.store), "commit", full_disk)
    outbox_run(now=now)
    page = client_for(contributor).get(submission.get_absolute_url()).content.decode()
    assert "could not be put into the taxonomy so far (1 try)" in page
    assert "No space left" not in page
    assert "No space left" in client_for(reviewer).get(submission.get_absolute_url()).content.decode()
    assert "No space left" in client_for(administrator).get("/").content.decode()
    monkeypatch.undo()
    outbox_run(now=now + timedelta(hours=2))
    assert "could not be put" not in client_for(contributor).get(submission.get_absolute_url()).content.decode()
    assert "No space left" not in client_for(administrator).get("/").content.decode()


def test_all_drafts_are_listed_page_by_page(taxonomy, contributor, client_for, now):
    for number in range(30):
        make_draft(contributor, now=now, path=f"{PATH}_{number}")
    client = client_for(contributor)
    url = reverse("contributions:mine")
    first, second = (client.get(url, {"drafts": page}).content.decode() for page in (1, 2))
    assert "1–25 of 30" in first
    assert "26–30 of 30" in second


# --- What no page of this site sends


@pytest.mark.parametrize(
    "action", ["seed-up:" + "9" * 5000, "pair-remove:0." + "9" * 5000, "source-remove:" + "9" * 5000, "seed-up:²"]
)
def test_a_button_that_no_page_has_changes_nothing(taxonomy, contributor, client_for, now, action):
    draft = make_draft(contributor, now=now)
    fields = fields_of(draft.form)
    answer = client_for(contributor).post(draft_url(draft), {"version": draft.version, "action": action, **fields})
    assert answer.status_code == 302
    assert Draft.objects.get(pk=draft.pk).form == draft.form


def test_signs_that_no_keyboard_has_are_left_out_of_filters(taxonomy, contributor, reviewer, client_for, now):
    one = make_submission(contributor, now=now)
    client = client_for(reviewer)
    page = client.get(reverse("contributions:queue"), {"q": "ridd\x00les", "author": "ro\x00sa"}).content.decode()
    assert reverse("contributions:review", args=[one.pk]) in page
    assert client.get(reverse("contributions:places"), {"kind": "freeform", "folder": "wri\x00"}).status_code == 200
    comment = reverse("contributions:comment", args=[one.pk])
    assert client.post(comment, {"text": "Well.", "seed": "9" * 5000}).status_code == 302


def test_more_seeds_than_a_page_can_hold_stay_in_yaml(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now)
    many = {**skill_form(), "seed_examples": skill_form()["seed_examples"] * 101}
    text = documents.write_leaf(documents.leaf_from_form(many, kind="freeform")).decode()
    client = client_for(contributor)
    client.post(draft_url(draft, "draft_yaml"), {"version": draft.version, "text": text})
    answer = client.get(draft_url(draft), follow=True)
    assert answer.redirect_chain[0][0] == draft_url(draft, "draft_yaml")
    assert "505 seeds; the form holds 500" in answer.content.decode()
    answer = client.post(draft_url(draft), {"version": draft.version + 1, **fields_of(many)})
    assert answer.status_code == 422
    assert Draft.objects.get(pk=draft.pk).text == text


# --- Constant queries


@pytest.mark.parametrize("name", ["queue", "mine"])
def test_lists_ask_the_database_as_often_for_twenty_as_for_two(taxonomy, contributor, reviewer, client_for, now, name):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = client_for(reviewer if name == "queue" else contributor)
    counts = []
    for round_number, number in enumerate((2, 18)):
        for index in range(number):
            make_submission(contributor, now=now, path=f"{PATH}_{round_number}_{index}")
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse(f"contributions:{name}"))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 10


def test_a_review_asks_the_database_as_often_for_forty_seeds_as_for_five(
    taxonomy, contributor, reviewer, client_for, now
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for count in (5, 40):
        form = skill_form()
        form["seed_examples"] = [
            {"context": "", "question": f"Question {index}?", "answer": f"Answer {index}."} for index in range(count)
        ]
        submission = make_submission(contributor, now=now, path=f"{PATH}_{count}", form=form)
        for index in range(count):
            services.comment_add(submission=submission, author=reviewer, text="Hm.", seed_position=index, now=now)
        client = client_for(reviewer)
        client.get(reverse("contributions:queue"))
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("contributions:review", args=[submission.pk]))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 17


def test_a_leaf_of_hundreds_of_seeds_can_still_be_posted(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now)
    form = skill_form()
    form["seed_examples"] = [{"context": "", "question": f"Q {i}?", "answer": f"A {i}."} for i in range(400)]
    answer = client_for(contributor).post(draft_url(draft), {"version": draft.version, **fields_of(form)})
    assert answer.status_code == 302
    draft.refresh_from_db()
    assert len(draft.form["seed_examples"]) == 400
