"""Transitions of drafts and submissions: who may, from where, and what is recorded."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from taxonomy_app.contributions import deciding, services
from taxonomy_app.contributions.models import (
    CLAIM_LASTS,
    Decision,
    Draft,
    Kind,
    PendingCommit,
    Revision,
    State,
    Submission,
    SubmissionEvent,
)
from taxonomy_app.contributions.problems import ChangedMeanwhile, NeedsWork, NotYours, Refused
from taxonomy_app.contributions.services import DraftChanges
from taxonomy_app.web.history import HistoryProblem
from tests.leaves import FREEFORM, GROUNDED
from tests.taxonomy_app.contributions.making import (
    KNOWLEDGE_PATH,
    PATH,
    approve,
    make_draft,
    make_submission,
    skill_form,
    submit,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_outbox(monkeypatch):
    """What the services decide is looked at before the outbox acts on it."""
    monkeypatch.setattr(deciding, "outbox_send", lambda: None)


# --- Drafts


def test_a_draft_keeps_what_was_written_even_while_it_is_invalid(taxonomy, contributor, now):
    draft = services.draft_create(author=contributor, kind=Kind.FREEFORM, path=PATH, now=now)
    broken = "version: 3\n  created_by: [unfinished"
    saved = services.draft_save(draft=draft, by=contributor, version=1, changes=DraftChanges(text=broken), now=now)
    assert saved.text == broken
    assert saved.written_as == Draft.WrittenAs.YAML
    assert services.draft_problems(saved).errors


def test_the_same_draft_in_form_and_yaml(taxonomy, contributor, now):
    draft = make_draft(contributor, now=now)
    text = services.draft_problems(draft).qna.decode()
    saved = services.draft_save(draft=draft, by=contributor, version=2, changes=DraftChanges(text=text), now=now)
    assert saved.form == skill_form()
    assert services.draft_problems(saved).qna.decode() == text


def test_a_save_from_an_older_window_overwrites_nothing(taxonomy, contributor, now):
    draft = make_draft(contributor, now=now)
    seen = draft.version
    services.draft_save(
        draft=draft, by=contributor, version=seen, changes=DraftChanges(form=skill_form("First.")), now=now
    )
    with pytest.raises(ChangedMeanwhile, match="nothing was overwritten"):
        services.draft_save(
            draft=draft, by=contributor, version=seen, changes=DraftChanges(form=skill_form("Second.")), now=now
        )
    assert Draft.objects.get(pk=draft.pk).form["task_description"] == "First."


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("compositional_skills/../../etc", "leads elsewhere"),
        ("/etc/passwd", "must be relative"),
        ("compositional_skills/writing/Big Name", "not a name for a folder"),
        ("knowledge/gardening/compost", "belongs under compositional_skills"),
        (FREEFORM, "There is a leaf at"),
        ("compositional_skills/writing", "folder with leaves"),
        (f"{FREEFORM}/deeper", "a leaf can hold no other"),
    ],
)
def test_a_new_leaf_cannot_lie_just_anywhere(taxonomy, contributor, now, path, sentence):
    with pytest.raises(Refused, match=sentence):
        services.draft_create(author=contributor, kind=Kind.FREEFORM, path=path, now=now)
    assert not Draft.objects.exists()


def test_only_its_author_saves_submits_or_deletes_a_draft(taxonomy, contributor, other_contributor, reviewer, now):
    draft = make_draft(contributor, now=now)
    for other in (other_contributor, reviewer):
        with pytest.raises(NotYours):
            services.draft_save(
                draft=draft, by=other, version=draft.version, changes=DraftChanges(form=skill_form("x")), now=now
            )
        with pytest.raises(NotYours):
            services.draft_submit(draft=draft, by=other, version=draft.version, sign_off=True, now=now)
        with pytest.raises(NotYours):
            services.draft_discard(draft=draft, by=other)
        assert not Draft.objects.visible_for(other).exists()
    services.draft_discard(draft=draft, by=contributor)
    assert not Draft.objects.exists()


def test_an_improvement_starts_from_the_leaf_as_it_is(taxonomy, contributor, now):
    leaf = taxonomy.leaf(GROUNDED)
    draft = services.draft_improve(author=contributor, leaf=leaf, now=now)
    assert draft.leaf_id == leaf.leaf_id
    assert draft.base_blob == leaf.blob
    assert draft.form["seed_examples"][0]["context"].startswith("Note 1")
    assert draft.attribution[0]["licence"] == "CC-BY-4.0"
    assert services.draft_improve(author=contributor, leaf=leaf, now=now).pk == draft.pk


# --- Submitting


def test_submitting_keeps_exact_files_and_needs_a_sign_off(taxonomy, contributor, now):
    draft = make_draft(contributor, now=now)
    files = services.draft_problems(draft)
    with pytest.raises(Refused, match="sign-off"):
        services.draft_submit(draft=draft, by=contributor, version=draft.version, sign_off=False, now=now)
    submission = submit(draft, now=now)
    revision = Revision.objects.get()
    assert (revision.qna.encode(), revision.attribution.encode()) == (files.qna, files.attribution)
    assert revision.signed_off_as == "Rosa Lind <rosa@example.org>"
    assert submission.state == State.SUBMITTED
    assert (submission.branch, submission.kind, submission.seed_count) == ("compositional_skills", "freeform", 5)
    assert not Draft.objects.exists()
    assert [event.kind for event in submission.events.all()] == ["submitted"]


def test_a_leaf_with_errors_is_not_taken(taxonomy, contributor, now):
    draft = make_draft(contributor, now=now, form=skill_form(count=4))
    with pytest.raises(NeedsWork, match="One problem") as refused:
        submit(draft, now=now)
    assert refused.value.problems[0].code == "too-few"
    assert Draft.objects.filter(pk=draft.pk).exists()
    assert not Submission.objects.exists()


def test_a_leaf_without_sources_is_not_taken(taxonomy, contributor, now):
    draft = make_draft(contributor, now=now)
    draft = services.draft_save(
        draft=draft, by=contributor, version=draft.version, changes=DraftChanges(attribution=[]), now=now
    )
    with pytest.raises(NeedsWork):
        submit(draft, now=now)


def test_knowledge_needs_its_document_and_keeps_it_for_the_reviewer(taxonomy, contributor, now):
    draft = make_draft(contributor, now=now, path=KNOWLEDGE_PATH)
    without = services.draft_save(
        draft=draft, by=contributor, version=draft.version, changes=DraftChanges(document_text=""), now=now
    )
    assert [p.field for p in services.draft_problems(without).errors] == ["document"]
    draft = services.draft_save(
        draft=without,
        by=contributor,
        version=without.version,
        changes=DraftChanges(document_name="My Compost.TXT", document_text="Compost smells of earth."),
        now=now,
    )
    submission = submit(draft, now=now)
    revision = submission.revisions.get()
    assert revision.document_text == "Compost smells of earth."
    assert revision.document_name == f"{KNOWLEDGE_PATH}/my-compost.txt"
    assert submission.kind == Kind.KNOWLEDGE


def test_a_draft_that_was_changed_elsewhere_is_not_submitted_unread(taxonomy, contributor, now):
    draft = make_draft(contributor, now=now)
    with pytest.raises(ChangedMeanwhile):
        services.draft_submit(draft=draft, by=contributor, version=draft.version - 1, sign_off=True, now=now)


def test_a_next_version_takes_the_submission_before_the_draft_as_all_others_do(taxonomy, contributor, now):
    submission = make_submission(contributor, now=now)
    draft = services.submission_revise(submission=submission, by=contributor, now=now)
    with CaptureQueriesContext(connection) as seen:
        services.draft_submit(draft=draft, by=contributor, version=draft.version, sign_off=True, now=now)
    tables = (re.match(r'SELECT .*? FROM "contributions_(submission|draft)" ', one["sql"]) for one in seen)
    read = [match[1] for match in tables if match]
    assert read[:2] == ["submission", "draft"]
    submission.refresh_from_db()
    assert submission.revision_number == 2


def test_an_improvement_that_changes_nothing_is_not_taken(taxonomy, contributor, now):
    draft = services.draft_improve(author=contributor, leaf=taxonomy.leaf(FREEFORM), now=now)
    with pytest.raises(Refused, match="Nothing is different"):
        submit(draft, now=now)
    # Laid out otherwise it still says the same.
    text = f"# a remark\n{draft.text}"
    draft = services.draft_save(
        draft=draft, by=contributor, version=draft.version, changes=DraftChanges(text=text), now=now
    )
    with pytest.raises(Refused, match="Nothing is different"):
        submit(draft, now=now)


def test_an_improvement_may_be_of_the_sources_alone(taxonomy, contributor, now):
    draft = services.draft_improve(author=contributor, leaf=taxonomy.leaf(FREEFORM), now=now)
    sources = [{**draft.attribution[0], "creators": "Rosa Lind and her class"}]
    draft = services.draft_save(
        draft=draft, by=contributor, version=draft.version, changes=DraftChanges(attribution=sources), now=now
    )
    assert "Rosa Lind and her class" in submit(draft, now=now).revisions.get().attribution


# --- Deciding


def test_nobody_decides_on_their_own(taxonomy, reviewer, administrator, contributor, now):
    for person in (reviewer, administrator):
        own = make_submission(person, now=now, path=f"{PATH}_{person.username}")
        with pytest.raises(Refused, match="your own"):
            approve(own, person, now=now)
        with pytest.raises(Refused, match="your own"):
            services.submission_reject(submission=own, reviewer=person, revision_number=1, reason="No.", now=now)
        with pytest.raises(Refused, match="your own"):
            services.submission_request_changes(
                submission=own, reviewer=person, revision_number=1, reason="No.", now=now
            )
        with pytest.raises(Refused, match="your own"):
            services.submission_claim(submission=own, reviewer=person, now=now)
        assert Submission.objects.get(pk=own.pk).state == State.SUBMITTED
    assert not Decision.objects.exists()


def test_contributors_decide_on_nothing(taxonomy, contributor, other_contributor, now):
    submission = make_submission(contributor, now=now)
    for person in (contributor, other_contributor):
        with pytest.raises(NotYours):
            approve(submission, person, now=now)
        with pytest.raises(NotYours):
            services.submission_reject(submission=submission, reviewer=person, revision_number=1, reason="No.", now=now)
    with pytest.raises(NotYours):
        services.comment_add(submission=submission, author=other_contributor, text="Hello", now=now)
    with pytest.raises(NotYours):
        services.submission_withdraw(submission=submission, by=other_contributor, now=now)
    with pytest.raises(NotYours):
        services.submission_revise(submission=submission, by=other_contributor, now=now)


def test_approval_is_decision_event_and_pending_commit_in_one(taxonomy, contributor, reviewer, now):
    submission = make_submission(contributor, now=now)
    approve(submission, reviewer, now=now)
    pending = PendingCommit.objects.get()
    revision = submission.revisions.get()
    assert bytes(pending.qna) == revision.qna.encode()
    assert pending.signed_off_by == "Rosa Lind <rosa@example.org>"
    assert pending.reviewed_by == "Emeka Obi <emeka@example.org>"
    assert Decision.objects.get().verdict == Decision.Verdict.APPROVE
    assert submission.events.last().kind == SubmissionEvent.Kind.APPROVED
    assert submission.state == State.APPROVED


def test_an_approval_that_fails_half_way_leaves_nothing(taxonomy, contributor, reviewer, now, monkeypatch):
    submission = make_submission(contributor, now=now)

    def fail(**fields):
        raise RuntimeError("the database went away")

    monkeypatch.setattr(PendingCommit.objects, "create", fail)
    with pytest.raises(RuntimeError):
        approve(submission, reviewer, now=now)
    assert Submission.objects.get(pk=submission.pk).state == State.SUBMITTED
    assert not Decision.objects.exists()
    assert submission.events.count() == 1


def test_a_new_leaf_is_not_approved_inside_another_new_leaf(taxonomy, contributor, other_contributor, reviewer, now):
    outer = make_submission(contributor, now=now)
    inner = make_submission(other_contributor, now=now, path=f"{PATH}/of_one_plant")
    approve(outer, reviewer, now=now)
    services.outbox_run(now=now)
    with pytest.raises(Refused, match="a leaf can hold no other"):
        approve(inner, reviewer, now=now)
    assert Submission.objects.get(pk=inner.pk).state == State.SUBMITTED


def test_of_two_reviewers_exactly_one_decides_and_the_other_is_told_who(
    taxonomy, contributor, reviewer, administrator, now
):
    submission = make_submission(contributor, now=now)
    as_the_other_saw_it = Submission.objects.get(pk=submission.pk)
    services.submission_reject(
        submission=submission, reviewer=reviewer, revision_number=1, reason="Too short.", now=now
    )
    with pytest.raises(ChangedMeanwhile, match="Emeka Obi rejected it at 09:26 UTC, so nothing was changed"):
        approve(as_the_other_saw_it, administrator, now=now)
    assert Decision.objects.count() == 1
    assert not PendingCommit.objects.exists()


def test_a_decision_is_about_the_revision_that_was_read(taxonomy, contributor, reviewer, now):
    submission = make_submission(contributor, now=now)
    read = Submission.objects.get(pk=submission.pk)
    draft = services.submission_revise(submission=submission, by=contributor, now=now)
    draft = services.draft_save(
        draft=draft, by=contributor, version=1, changes=DraftChanges(form=skill_form("Another task.")), now=now
    )
    submit(draft, now=now)
    with pytest.raises(ChangedMeanwhile, match="newer revision"):
        services.submission_approve(submission=read, reviewer=reviewer, revision_number=1, now=now)
    assert Submission.objects.get(pk=submission.pk).revision_number == 2


@pytest.mark.parametrize("act", [services.submission_reject, services.submission_request_changes])
def test_saying_no_needs_a_reason(taxonomy, contributor, reviewer, now, act):
    submission = make_submission(contributor, now=now)
    with pytest.raises(Refused, match="the author sees it"):
        act(submission=submission, reviewer=reviewer, revision_number=1, reason="  ", now=now)
    act(submission=submission, reviewer=reviewer, revision_number=1, reason="Seed 2 is wrong.", now=now)
    assert submission.decisions.get().reason == "Seed 2 is wrong."
    assert submission.events.last().reason == "Seed 2 is wrong."


def test_an_author_answers_a_request_with_the_next_revision(taxonomy, contributor, reviewer, now):
    submission = make_submission(contributor, now=now)
    services.submission_request_changes(
        submission=submission, reviewer=reviewer, revision_number=1, reason="More.", now=now
    )
    draft = services.submission_revise(submission=submission, by=contributor, now=now)
    assert services.submission_revise(submission=submission, by=contributor, now=now).pk == draft.pk
    changes = DraftChanges(form=skill_form(count=6))
    draft = services.draft_save(draft=draft, by=contributor, version=1, changes=changes, now=now)
    again = services.draft_submit(
        draft=draft, by=contributor, version=2, sign_off=True, message="One more.", now=now + timedelta(hours=1)
    )
    assert (again.pk, again.state, again.revision_number, again.seed_count) == (
        submission.pk,
        State.SUBMITTED,
        2,
        6,
    )
    assert again.claimed_by is None
    assert [event.kind for event in again.events.all()] == ["submitted", "changes_requested", "revised"]
    services.submission_approve(submission=again, reviewer=reviewer, revision_number=2, now=now)
    assert PendingCommit.objects.get().revision.number == 2


def test_what_is_approved_can_no_longer_be_taken_back(taxonomy, contributor, reviewer, now):
    submission = make_submission(contributor, now=now)
    approve(submission, reviewer, now=now)
    with pytest.raises(ChangedMeanwhile, match="Emeka Obi approved it"):
        services.submission_withdraw(submission=submission, by=contributor, now=now)
    with pytest.raises(Refused, match="on its way"):
        services.submission_revise(submission=submission, by=contributor, now=now)


def test_withdrawing_closes_it_and_keeps_the_next_draft_as_one_of_its_own(taxonomy, contributor, reviewer, now):
    submission = make_submission(contributor, now=now)
    draft = services.submission_revise(submission=submission, by=contributor, now=now)
    services.submission_withdraw(submission=submission, by=contributor, reason="Not mine.", now=now)
    assert submission.state == State.WITHDRAWN
    with pytest.raises(ChangedMeanwhile, match="withdrew it"):
        approve(submission, reviewer, now=now)
    draft.refresh_from_db()
    assert draft.submission is None
    assert submit(draft, now=now).pk != submission.pk


@pytest.mark.parametrize("rejected", [True, False])
def test_the_next_version_of_what_was_decided_meanwhile_goes_on_on_its_own(
    taxonomy, contributor, reviewer, now, rejected
):
    submission = make_submission(contributor, now=now)
    draft = services.submission_revise(submission=submission, by=contributor, now=now)
    with pytest.raises(Refused, match="as it is"):
        services.draft_detach(draft=draft, by=contributor, now=now)
    form = {**draft.form, "task_description": "Make a short riddle about a plant."}
    draft = services.draft_save(
        draft=draft, by=contributor, version=draft.version, changes=DraftChanges(form=form), now=now
    )
    if rejected:
        services.submission_reject(
            submission=submission, reviewer=reviewer, revision_number=1, reason="Too easy.", now=now
        )
    else:
        approve(submission, reviewer, now=now)
    draft = Draft.objects.get(pk=draft.pk)
    with pytest.raises(ChangedMeanwhile):
        submit(draft, now=now)
    if not rejected:
        with pytest.raises(Refused, match="in a moment"):
            services.draft_detach(draft=draft, by=contributor, now=now)
        services.outbox_run(now=now)
        draft = Draft.objects.get(pk=draft.pk)
    with pytest.raises(NotYours):
        services.draft_detach(draft=draft, by=reviewer, now=now)
    own = submit(services.draft_detach(draft=draft, by=contributor, now=now), now=now)
    assert own.pk != submission.pk
    assert own.improves is not rejected
    approve(own, reviewer, now=now)
    assert services.outbox_run(now=now).committed == [own.pk]


def test_a_new_leaf_that_was_asked_to_go_elsewhere_can(taxonomy, contributor, reviewer, now):
    submission = make_submission(contributor, now=now)
    services.submission_request_changes(
        submission=submission, reviewer=reviewer, revision_number=1, reason="It belongs to garden.", now=now
    )
    draft = services.submission_revise(submission=submission, by=contributor, now=now)
    elsewhere = "compositional_skills/garden/seed_riddles"
    draft = services.draft_save(
        draft=draft, by=contributor, version=draft.version, changes=DraftChanges(path=elsewhere), now=now
    )
    assert submit(draft, now=now).path == elsewhere


# --- Claims


def test_a_claim_keeps_others_from_deciding_until_it_is_taken_over_or_runs_out(
    taxonomy, contributor, reviewer, administrator, now
):
    submission = make_submission(contributor, now=now)
    services.submission_claim(submission=submission, reviewer=reviewer, now=now)
    with pytest.raises(ChangedMeanwhile, match="Emeka Obi is reviewing this"):
        approve(submission, administrator, now=now)
    with pytest.raises(ChangedMeanwhile, match="Take it over first"):
        services.submission_claim(submission=submission, reviewer=administrator, now=now)
    assert not Submission.objects.queue().unclaimed(now=now).exists()
    assert Submission.objects.queue().unclaimed(now=now + CLAIM_LASTS + timedelta(seconds=1)).exists()
    services.submission_claim(submission=submission, reviewer=administrator, take_over=True, now=now)
    approve(submission, administrator, now=now)
    assert submission.state == State.APPROVED


def test_only_who_claimed_it_gives_it_back(taxonomy, contributor, reviewer, administrator, now):
    submission = make_submission(contributor, now=now)
    services.submission_claim(submission=submission, reviewer=reviewer, now=now)
    with pytest.raises(ChangedMeanwhile):
        services.submission_release(submission=submission, reviewer=administrator, now=now)
    services.submission_release(submission=submission, reviewer=reviewer, now=now)
    assert submission.claimed_by is None


# --- Comments, history, visibility


def test_comments_belong_to_the_revision_and_a_seed_that_exists(taxonomy, contributor, reviewer, now):
    submission = make_submission(contributor, now=now)
    comment = services.comment_add(submission=submission, author=reviewer, text="Is this so?", seed_position=4, now=now)
    assert (comment.revision_number, comment.seed_position) == (1, 4)
    services.comment_add(submission=submission, author=contributor, text="It is.", now=now)
    with pytest.raises(Refused, match="does not exist"):
        services.comment_add(submission=submission, author=reviewer, text="?", seed_position=5, now=now)
    with pytest.raises(Refused, match="Write something"):
        services.comment_add(submission=submission, author=reviewer, text=" ", now=now)
    with pytest.raises(Refused, match="4,000 characters"):
        services.comment_add(submission=submission, author=reviewer, text="x" * 4001, now=now)


def test_a_comment_is_settled_once_by_those_concerned(taxonomy, contributor, other_contributor, reviewer, now):
    submission = make_submission(contributor, now=now)
    comment = services.comment_add(submission=submission, author=reviewer, text="Is this so?", now=now)
    with pytest.raises(NotYours):
        services.comment_resolve(comment=comment, by=other_contributor, now=now)
    services.comment_resolve(comment=comment, by=contributor, now=now)
    with pytest.raises(ChangedMeanwhile, match="Rosa Lind has settled this already"):
        services.comment_resolve(comment=comment, by=reviewer, now=now)


def test_a_comment_stays_with_the_revision_that_was_read(taxonomy, contributor, reviewer, now):
    submission = make_submission(contributor, now=now, form=skill_form(count=7))
    draft = services.submission_revise(submission=submission, by=contributor, now=now)
    form = {**draft.form, "seed_examples": draft.form["seed_examples"][:5]}
    draft = services.draft_save(draft=draft, by=contributor, version=1, changes=DraftChanges(form=form), now=now)
    submission = submit(draft, now=now)
    comment = services.comment_add(
        submission=submission, author=reviewer, text="Is this so?", revision_number=1, seed_position=6, now=now
    )
    assert (comment.revision_number, comment.seed_position) == (1, 6)
    with pytest.raises(Refused, match="does not exist"):
        services.comment_add(
            submission=submission, author=reviewer, text="?", revision_number=2, seed_position=6, now=now
        )


def test_history_is_only_ever_added_to(taxonomy, contributor, reviewer, now):
    submission = make_submission(contributor, now=now)
    approve(submission, reviewer, now=now)
    for row in (submission.events.first(), submission.decisions.get(), submission.revisions.get()):
        with pytest.raises(HistoryProblem):
            row.save()
        with pytest.raises(HistoryProblem):
            row.delete()
    with pytest.raises(HistoryProblem):
        SubmissionEvent.objects.all().delete()
    with pytest.raises(HistoryProblem):
        SubmissionEvent.objects.update(reason="")


def test_who_sees_a_submission(taxonomy, contributor, other_contributor, reviewer, now, settings):
    from django.contrib.auth.models import AnonymousUser

    waiting = make_submission(contributor, now=now)
    done = make_submission(contributor, now=now, path=f"{PATH}_done")
    Submission.objects.filter(pk=done.pk).update(state=State.COMMITTED)

    def seen(user):
        return set(Submission.objects.visible_for(user).values_list("pk", flat=True))

    assert seen(contributor) == seen(reviewer) == {waiting.pk, done.pk}
    assert seen(other_contributor) == seen(AnonymousUser()) == {done.pk}
    settings.PUBLIC = False
    assert seen(AnonymousUser()) == set()
