"""A reviewer puts a submission elsewhere in the tree: new leaves, leaves that are there, approvals, the commit."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse

from taxonomy_app.contributions import deciding, outbox, services
from taxonomy_app.contributions.approvals import approvals_count
from taxonomy_app.contributions.models import Draft, Notice, PendingCommit, State
from taxonomy_app.contributions.outbox import outbox_run
from taxonomy_app.contributions.problems import ChangedMeanwhile, Refused
from taxonomy_app.people.models import Role, User
from taxonomy_repo.store import FileChange, Person
from tests.leaves import FOUNDATIONAL, FREEFORM
from tests.taxonomy_app.contributions.making import PATH, approve, make_improvement, make_submission

NEW = "compositional_skills/riddles/of_plants"


@pytest.fixture(autouse=True)
def _no_outbox(monkeypatch):
    monkeypatch.setattr(deciding, "outbox_send", lambda: None)


def move(submission, reviewer, *, now, path=NEW, **more):
    fields = {"reason": "Riddles have a folder of their own.", **more}
    return services.submission_move(submission=submission, reviewer=reviewer, path=path, now=now, **fields)


def test_a_new_leaf_is_made_at_its_new_place_and_the_author_is_told(taxonomy, contributor, reviewer, now):
    submission = make_submission(contributor, now=now)
    draft = services.submission_revise(submission=submission, by=contributor, now=now)
    services.submission_claim(submission=submission, reviewer=reviewer, now=now)
    move(submission, reviewer, now=now, path=f" {NEW}/ ")
    submission.refresh_from_db()
    assert (submission.path, submission.moves, submission.claimed_by) == (NEW, False, reviewer)
    event = submission.events.last()
    assert (event.kind, event.reason) == ("moved", f"{PATH} → {NEW}\nRiddles have a folder of their own.")
    assert Notice.objects.get(person=contributor).kind == "moved"
    begun = Draft.objects.get(pk=draft.pk)
    assert (begun.path, begun.version) == (NEW, draft.version + 1)
    approve(submission, reviewer, now=now)
    outbox_run(now=now)
    assert taxonomy.leaf(NEW)
    assert taxonomy.store.file_at(taxonomy.store.head(), f"{PATH}/qna.yaml") is None


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (PATH, "is at .* already"),
        (FREEFORM, "There is a leaf at"),
        (f"{FREEFORM}/more", "a leaf can hold no other"),
        ("compositional_skills/writing", "folder with leaves"),
        ("knowledge/riddles/of_plants", "belongs under compositional_skills"),
        ("compositional_skills/Riddles", "not a name for a folder"),
        ("compositional_skills/../x", "cannot be used"),
        ("", "cannot be used"),
        ("compositional_skills/taken/by_another", "S.* is to go to"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused(taxonomy, contributor, reviewer, now, path, sentence):
    make_submission(contributor, now=now, path="compositional_skills/taken/by_another")
    submission = make_submission(contributor, now=now)
    with pytest.raises(Refused, match=sentence):
        move(submission, reviewer, now=now, path=path)
    submission.refresh_from_db()
    assert submission.path == PATH


def test_who_may_not_decide_may_not_move_and_a_reason_is_needed(
    taxonomy, contributor, other_contributor, reviewer, administrator, now
):
    submission = make_submission(reviewer, now=now)
    with pytest.raises(PermissionDenied):
        move(submission, other_contributor, now=now)
    with pytest.raises(Refused, match="your own"):
        move(submission, reviewer, now=now)
    with pytest.raises(Refused, match="Write why"):
        move(submission, administrator, now=now, reason=" ")
    services.submission_withdraw(submission=submission, by=reviewer, now=now)
    with pytest.raises(ChangedMeanwhile):
        move(submission, administrator, now=now)


def test_an_approval_is_for_a_place_and_asked_for_again_after_a_move(
    taxonomy, contributor, reviewer, administrator, now
):
    services.rule_make(path="compositional_skills", approvals=2, reviewers=[], by=administrator, now=now)
    third = User.objects.create_user("yuki", "yuki@example.org", None, role=Role.REVIEWER)
    submission = make_submission(contributor, now=now)
    approve(submission, reviewer, now=now)
    move(submission, administrator, now=now)
    assert approvals_count([submission])[submission.pk].missing == 2
    approve(submission, third, now=now)
    submission.refresh_from_db()
    assert submission.state == State.SUBMITTED
    approve(submission, reviewer, now=now)
    submission.refresh_from_db()
    assert submission.state == State.APPROVED
    assert PendingCommit.objects.get().path == NEW


def test_an_approval_of_what_was_moved_in_between_is_not_counted_for_the_new_place(
    taxonomy, contributor, reviewer, administrator, now
):
    submission = make_submission(contributor, now=now)
    seen = type(submission).objects.get(pk=submission.pk)
    move(submission, administrator, now=now)
    with pytest.raises(ChangedMeanwhile, match="was moved to"):
        approve(seen, reviewer, now=now)
    assert not submission.approvals.exists()


# --- A leaf that is in the taxonomy ---------------------------------------------------------------


@pytest.fixture
def improvement(taxonomy, contributor, now):
    answer = "A pea, a pea,\nas round as can be."
    return make_improvement(contributor, taxonomy.leaf(FREEFORM), now=now, seed=1, answer=answer)


def test_a_leaf_moves_with_its_improvement_and_stays_the_same_leaf(taxonomy, improvement, reviewer, now):
    before = taxonomy.leaf(FREEFORM)
    move(improvement, reviewer, now=now)
    assert improvement.moves
    approve(improvement, reviewer, now=now)
    assert outbox_run(now=now).committed == [improvement.pk]
    after = taxonomy.leaf(NEW)
    assert (after.pk, after.leaf_id) == (before.pk, before.leaf_id)
    head = taxonomy.store.head()
    assert taxonomy.store.snapshot(head).get(FREEFORM) is None
    assert b"as round as can be" in taxonomy.store.file_at(head, f"{NEW}/qna.yaml")
    assert taxonomy.store.file_at(head, f"{NEW}/attribution.txt")
    first = taxonomy.store.history(NEW)[0]
    assert (first.kind, first.trailers["Submission"]) == ("moved", (f"S{improvement.pk}/1",))
    assert len(taxonomy.store.history(NEW)) == 2


def test_every_file_of_a_leaf_moves_along(taxonomy, contributor, reviewer, now):
    leaf = taxonomy.leaf(FOUNDATIONAL)
    submission = make_improvement(contributor, leaf, now=now, seed=0, answer="14 seeds, that is.")
    move(submission, reviewer, now=now, path="foundational_skills/sums/seeds_in_rows")
    approve(submission, reviewer, now=now)
    outbox_run(now=now)
    head = taxonomy.store.head()
    assert taxonomy.store.file_at(head, "foundational_skills/sums/seeds_in_rows/data.jsonl")
    assert taxonomy.store.file_at(head, f"{FOUNDATIONAL}/data.jsonl") is None
    assert taxonomy.leaf("foundational_skills/sums/seeds_in_rows").leaf_id == leaf.leaf_id


def test_a_move_joins_what_others_changed_meanwhile(taxonomy, improvement, other_contributor, reviewer, now):
    other = make_improvement(
        other_contributor, taxonomy.leaf(FREEFORM), now=now, seed=3, answer="Kale, kale,\nneither wan nor pale."
    )
    move(improvement, reviewer, now=now)
    for one in (other, improvement):
        approve(one, reviewer, now=now)
        outbox_run(now=now)
    text = taxonomy.store.file_at(taxonomy.store.head(), f"{NEW}/qna.yaml")
    assert b"neither wan nor pale" in text
    assert b"as round as can be" in text
    assert taxonomy.store.snapshot(taxonomy.store.head()).get(FREEFORM) is None


@pytest.mark.parametrize("order", ["in one run", "moved while the other is brought in"])
def test_an_improvement_follows_a_move_that_the_index_does_not_know_yet(
    taxonomy, improvement, other_contributor, reviewer, now, order, monkeypatch
):
    other = make_improvement(
        other_contributor, taxonomy.leaf(FREEFORM), now=now, seed=3, answer="Kale, kale,\nneither wan nor pale."
    )
    move(improvement, reviewer, now=now)
    approve(improvement, reviewer, now=now)
    if order == "in one run":
        approve(other, reviewer, now=now)
        assert outbox_run(now=now).committed == [improvement.pk, other.pk]
    else:
        PendingCommit.objects.update(next_try_at=now + timedelta(minutes=5))
        approve(other, reviewer, now=now)
        real = outbox._with_document

        def meanwhile(pending):
            if pending.submission_id == other.pk:
                monkeypatch.setattr(outbox, "_with_document", real)
                outbox_run(now=now + timedelta(minutes=6))
            return real(pending)

        monkeypatch.setattr(outbox, "_with_document", meanwhile)
        assert outbox_run(now=now).conflicts == []
        outbox_run(now=now + timedelta(hours=2))
    text = taxonomy.store.file_at(taxonomy.store.head(), f"{NEW}/qna.yaml")
    assert b"neither wan nor pale" in text
    assert b"as round as can be" in text
    other.refresh_from_db()
    assert other.state == State.COMMITTED


@pytest.mark.parametrize("what", ["removed", "taken"])
def test_a_move_that_cannot_be_made_any_more_goes_back_to_its_author(taxonomy, improvement, reviewer, now, what):
    leaf = taxonomy.leaf(FREEFORM)
    move(improvement, reviewer, now=now)
    approve(improvement, reviewer, now=now)
    if what == "taken":
        changes = [FileChange(f"{NEW}/qna.yaml", taxonomy.store.read_blob(taxonomy.leaf(FOUNDATIONAL).blob), None)]
    else:
        changes = [
            FileChange(f"{FREEFORM}/qna.yaml", None, leaf.blob),
            FileChange(f"{FREEFORM}/attribution.txt", None, leaf.attribution_blob),
        ]
    taxonomy.store.commit(changes, author=Person("T", "t@example.org"), message="Meanwhile", when=now)
    head = taxonomy.store.head()
    assert outbox_run(now=now).conflicts == [improvement.pk]
    assert taxonomy.store.head() == head
    improvement.refresh_from_db()
    assert improvement.state == State.CONFLICT
    told = {"removed": "was removed", "taken": "Another leaf came to"}[what]
    assert told in improvement.events.last().reason


def test_a_run_that_was_killed_after_the_commit_does_not_move_twice(taxonomy, improvement, reviewer, now):
    move(improvement, reviewer, now=now)
    approve(improvement, reviewer, now=now)

    class Killed(BaseException):
        pass

    def kill():
        raise Killed

    with pytest.raises(Killed):
        outbox_run(now=now, after_commit=kill)
    head = taxonomy.store.head()
    assert outbox_run(now=now + timedelta(minutes=2)).committed == [improvement.pk]
    assert taxonomy.store.head() == head
    improvement.refresh_from_db()
    assert (improvement.state, improvement.commit) == (State.COMMITTED, head)


def test_a_leaf_goes_back_to_where_it_is_and_then_does_not_move(taxonomy, improvement, reviewer, now):
    move(improvement, reviewer, now=now)
    move(improvement, reviewer, now=now, path=FREEFORM)
    assert (improvement.path, improvement.moves) == (FREEFORM, False)


def test_what_its_author_takes_back_goes_on_at_the_leafs_own_place(taxonomy, improvement, contributor, reviewer, now):
    services.submission_revise(submission=improvement, by=contributor, now=now)
    move(improvement, reviewer, now=now)
    assert Draft.objects.get().path == NEW
    services.submission_withdraw(submission=improvement, by=contributor, now=now)
    assert Draft.objects.get().path == FREEFORM


# --- The page -----------------------------------------------------------------------------------


def test_the_page_moves_and_keeps_what_was_typed_where_it_cannot(taxonomy, contributor, reviewer, client_for, now):
    submission = make_submission(contributor, now=now)
    address = reverse("contributions:move", args=[submission.pk])
    client = client_for(reviewer)
    assert PATH in client.get(address).content.decode()
    posted = {"path": FREEFORM, "reason": "It is a rhyme.", "seen": PATH, "filter": "branch=knowledge"}
    answer = client.post(address, posted)
    assert answer.status_code == 422
    for text in ("There is a leaf at", f'value="{FREEFORM}"', "It is a rhyme."):
        assert text in answer.content.decode()
    answer = client.post(address, {**posted, "path": NEW})
    desk = reverse("contributions:review", args=[submission.pk])
    assert answer.url == f"{desk}?branch=knowledge"
    page = client.get(desk).content.decode()
    assert f"{PATH} → {NEW}" in page
    decide = reverse("contributions:decide", args=[submission.pk])
    late = client.post(decide, {"verdict": "approve", "revision": 1, "path": PATH})
    assert late.status_code == 409
    assert "nothing was decided" in late.content.decode()
    again = client.post(address, {**posted, "path": f"{NEW}_2"})
    assert again.status_code == 409
