"""Earlier saves of a draft: which are kept, having one back, and putting back what was taken out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from taxonomy_app.contributions import document as documents
from taxonomy_app.contributions import services
from taxonomy_app.contributions.models import Draft, DraftSave
from taxonomy_app.contributions.problems import ChangedMeanwhile, NotYours
from taxonomy_app.contributions.services import DraftChanges
from tests.taxonomy_app.contributions.making import KNOWLEDGE_PATH, PATH, knowledge_form, make_draft, skill_form, submit

pytestmark = pytest.mark.django_db


def write(draft, task, *, now, because=""):
    changes = DraftChanges(form={**draft.form, "task_description": task})
    return services.draft_save(
        draft=draft, by=draft.author, version=draft.version, changes=changes, because=because, now=now
    )


def tasks(draft):
    return [save.form["task_description"] for save in draft.saves.order_by("version")]


def test_of_what_is_typed_one_save_is_kept_in_five_minutes(taxonomy, contributor, now):
    draft = make_draft(contributor, now=now, form=skill_form("At 0."))
    for minute in (1, 2, 6, 7, 8, 12):
        draft = write(draft, f"At {minute}.", now=now + timedelta(minutes=minute))
    assert tasks(draft) == ["At 2.", "At 8."]
    # A save that changes nothing replaces nothing.
    draft = write(draft, "At 12.", now=now + timedelta(minutes=30))
    assert tasks(draft) == ["At 2.", "At 8."]


def test_the_oldest_make_room(taxonomy, contributor, now, monkeypatch):
    monkeypatch.setattr(DraftSave, "MOST", 3)
    draft = make_draft(contributor, now=now, form=skill_form("0"))
    for number in range(1, 6):
        draft = write(draft, str(number), now=now, because="upload")
    assert tasks(draft) == ["2", "3", "4"]


def test_an_earlier_save_comes_back_and_what_stood_there_stays(taxonomy, contributor, other_contributor, now):
    draft = make_draft(contributor, now=now, form=skill_form("First."))
    draft = services.draft_save(
        draft=draft,
        by=contributor,
        version=draft.version,
        changes=DraftChanges(text="no: leaf"),
        because="upload",
        now=now,
    )
    save = draft.saves.get()
    other = make_draft(contributor, now=now, path=f"{PATH}_other")
    for person, mine in ((other_contributor, draft), (contributor, other)):
        with pytest.raises(NotYours):
            services.draft_restore(draft=mine, by=person, version=mine.version, save=save, now=now)
    with pytest.raises(ChangedMeanwhile):
        services.draft_restore(draft=draft, by=contributor, version=draft.version - 1, save=save, now=now)
    draft = services.draft_restore(draft=draft, by=contributor, version=draft.version, save=save, now=now)
    assert (draft.form["task_description"], draft.written_as) == ("First.", "form")
    assert [(one.because, one.text) for one in draft.saves.order_by("version")] == [
        ("upload", ""),
        ("restore", "no: leaf"),
    ]
    assert submit(draft, now=now).summary == "First."
    assert not DraftSave.objects.filter(draft_id=draft.pk).exists()


def test_what_an_upload_replaced_is_compared_and_brought_back_through_the_pages(taxonomy, contributor, client_for, now):
    draft = make_draft(contributor, now=now)
    client = client_for(contributor)
    other = documents.write_leaf(documents.leaf_from_form(skill_form("From a file.", count=6), kind="freeform"))
    answer = client.post(
        reverse("contributions:draft_yaml", args=[draft.pk]),
        {"version": draft.version, "file": SimpleUploadedFile("mine.yaml", other)},
        follow=True,
    )
    assert "What stood here is among the earlier saves." in answer.content.decode()
    page = client.get(reverse("contributions:draft_saves", args=[draft.pk])).content.decode()
    assert "Before a file was taken over" in page
    draft.refresh_from_db()
    save = draft.saves.get()
    where = reverse("contributions:draft_earlier", args=[draft.pk, save.version])
    assert where in page
    page = client.get(where).content.decode()
    assert '<ins class="word-ins">From' in page
    assert "Only in the draft now" in page
    restore = reverse("contributions:draft_restore", args=[draft.pk, save.version])
    late = client.post(restore, {"version": draft.version - 1}, follow=True).content.decode()
    assert "saved again since you opened this page" in late
    client.post(restore, {"version": draft.version})
    assert Draft.objects.get(pk=draft.pk).form == skill_form()


@pytest.mark.parametrize(
    ("form", "path", "action", "gone"),
    [
        (skill_form(), PATH, "seed-remove:1", "Make a riddle about the pea."),
        (knowledge_form(), KNOWLEDGE_PATH, "pair-remove:2.1", "What about compost, number 2, needs air?"),
    ],
)
def test_what_was_taken_out_is_put_back_among_what_was_written_since(
    taxonomy, contributor, client_for, now, form, path, action, gone
):
    draft = make_draft(contributor, now=now, path=path, form=form)
    client = client_for(contributor)
    answer = client.post(draft.get_absolute_url(), {"version": draft.version, "action": action}, follow=True)
    page = answer.content.decode()
    assert gone not in page
    save = draft.saves.get()
    assert f'value="put-back:{save.pk}"' in page
    field = "domain" if path == KNOWLEDGE_PATH else "task_description"
    client.post(
        draft.get_absolute_url(),
        {"version": draft.version + 1, "action": f"put-back:{save.pk}", field: "Written since."},
    )
    draft.refresh_from_db()
    assert draft.form == {**form, field: "Written since."}
    # It is offered only where nothing was saved since.
    page = client.get(f"{draft.get_absolute_url()}?removed={save.pk}").content.decode()
    assert "put-back:" not in page


def test_nobody_else_sees_earlier_saves(taxonomy, contributor, other_contributor, reviewer, client_for, now):
    draft = write(make_draft(contributor, now=now), "Later.", now=now, because="upload")
    version = draft.saves.get().version
    for person in (other_contributor, reviewer):
        for name, args in (("draft_saves", [draft.pk]), ("draft_earlier", [draft.pk, version])):
            assert client_for(person).get(reverse(f"contributions:{name}", args=args)).status_code == 404


def test_comments_and_the_order_of_keys_stay_when_the_form_edits_what_was_written_as_yaml(
    taxonomy, contributor, now
) -> None:
    draft = make_draft(contributor, now=now)
    written = services.draft_problems(draft).qna.decode()
    own = "# Our riddles\n" + written.replace("  - question:", "  # a plant\n  - question:", 1)
    draft = services.draft_save(
        draft=draft, by=contributor, version=draft.version, changes=DraftChanges(text=own), now=now
    )
    form = {**draft.form, "seed_examples": [dict(one) for one in draft.form["seed_examples"]]}
    form["seed_examples"][1]["question"] = "Make a riddle about the rhubarb."
    draft = services.draft_save(
        draft=draft, by=contributor, version=draft.version, changes=DraftChanges(form=form), now=now
    )
    before = own.replace("Make a riddle about the pea.", "Make a riddle about the rhubarb.")
    assert before != own
    assert services.draft_problems(draft).qna.decode() == before
