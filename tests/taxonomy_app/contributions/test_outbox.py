"""What was approved reaches git exactly once: with a real repository, several processes, and SIGKILL."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connections, transaction

from taxonomy_app.contributions import deciding, outbox, services
from taxonomy_app.contributions.models import PendingCommit, State, Submission
from taxonomy_app.contributions.outbox import LEASE, outbox_run
from taxonomy_app.contributions.services import DraftChanges
from taxonomy_app.tree.models import Leaf
from taxonomy_app.tree.services import index_update
from taxonomy_repo.leaf import read_leaf
from taxonomy_repo.store import FileChange, Person
from tests.leaves import FREEFORM
from tests.taxonomy_app.contributions.making import (
    DOCUMENT,
    KNOWLEDGE_PATH,
    PATH,
    approve,
    make_improvement,
    make_submission,
    submit,
)

LATER = LEASE + timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _run_by_hand(monkeypatch):
    """The outbox runs when the test says so, not when an approval asks Celery for it."""
    monkeypatch.setattr(deciding, "outbox_send", lambda: None)


def in_a_process(work: Callable[[], object]) -> int:
    """Run ``work`` in a process of its own and give its wait status: 0, or the signal that killed it."""
    connections.close_all()
    return os.waitpid(started(work), 0)[1]


def started(work: Callable[[], object]) -> int:
    """The id of a new process that does ``work``. It ends without running what the test's own end would run."""
    child = os.fork()
    if child == 0:
        status = 70
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def die(*args: object, **kwargs: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def seeds_now(taxonomy):
    data = taxonomy.store.file_at(taxonomy.store.head(), f"{FREEFORM}/qna.yaml")
    return read_leaf(data, FREEFORM).leaf.seed_examples


def commits_for(taxonomy, path: str, submission: Submission) -> list[str]:
    return [
        one.commit
        for one in taxonomy.store.history(path)
        if any(value.startswith(f"S{submission.pk}/") for value in one.trailers.get("Submission", ()))
    ]


@pytest.mark.django_db
def test_an_approved_leaf_is_committed_with_its_people(taxonomy, contributor, reviewer, now):
    submission = make_submission(contributor, now=now)
    approve(submission, reviewer, now=now)
    result = outbox_run(now=now)
    assert result.committed == [submission.pk]
    submission.refresh_from_db()
    info = taxonomy.store.history(PATH)[0]
    assert (submission.state, submission.commit) == (State.COMMITTED, info.commit)
    assert (info.author.name, info.author.email) == ("Rosa Lind", "rosa@example.org")
    assert info.trailers["Signed-off-by"] == ("Rosa Lind <rosa@example.org>",)
    assert info.trailers["Reviewed-by"] == ("Emeka Obi <emeka@example.org>",)
    assert info.trailers["Submission"] == (f"S{submission.pk}/1",)
    assert taxonomy.store.file_at(info.commit, f"{PATH}/qna.yaml") == submission.revisions.get().qna.encode()
    assert b"CC-BY-4.0" in taxonomy.store.file_at(info.commit, f"{PATH}/attribution.txt")
    assert submission.leaf_id == Leaf.objects.get(path=PATH).leaf_id
    assert submission.events.last().kind == "committed"
    assert outbox_run(now=now + LATER).committed == []


@pytest.mark.django_db
def test_a_knowledge_leaf_is_pinned_to_its_document(taxonomy, contributor, reviewer, now):
    submission = make_submission(contributor, now=now, path=KNOWLEDGE_PATH)
    approve(submission, reviewer, now=now)
    outbox_run(now=now)
    data = taxonomy.store.file_at(taxonomy.store.head(), f"{KNOWLEDGE_PATH}/qna.yaml")
    reference = read_leaf(data, KNOWLEDGE_PATH).leaf.document
    assert reference.repo == "seedbed:documents"
    assert set(reference.commit) != {"0"}
    assert taxonomy.documents.read(reference) == [(f"{KNOWLEDGE_PATH}/compost.md", DOCUMENT)]


@pytest.mark.django_db
def test_changes_of_different_seeds_are_joined(taxonomy, contributor, other_contributor, reviewer, now):
    leaf = taxonomy.leaf(FREEFORM)
    first = make_improvement(contributor, leaf, now=now, seed=0, answer="Bean,\ngreen.")
    second = make_improvement(other_contributor, leaf, now=now, seed=3, answer="Kale,\npale.")
    for submission in (first, second):
        approve(submission, reviewer, now=now)
    assert sorted(outbox_run(now=now).committed) == [first.pk, second.pk]
    leaf.refresh_from_db()
    seeds = read_leaf(taxonomy.store.read_blob(leaf.blob), FREEFORM).leaf.seed_examples
    assert (seeds[0].answer, seeds[3].answer) == ("Bean,\ngreen.", "Kale,\npale.")


@pytest.mark.django_db
def test_a_real_conflict_goes_back_to_its_author_with_both_versions(
    taxonomy, contributor, other_contributor, reviewer, now
):
    leaf = taxonomy.leaf(FREEFORM)
    first = make_improvement(contributor, leaf, now=now, seed=1, answer="Pea,\nfree.")
    second = make_improvement(other_contributor, leaf, now=now, seed=1, answer="Pea,\nme.")
    for submission in (first, second):
        approve(submission, reviewer, now=now)
    result = outbox_run(now=now)
    assert (result.committed, result.conflicts) == ([first.pk], [second.pk])
    second.refresh_from_db()
    assert second.state == State.CONFLICT
    assert second.events.last().reason == "Both you and somebody else changed the answer of seed 2."
    pending = PendingCommit.objects.get(submission=second)
    assert b"free" in bytes(pending.their_qna)
    assert b"me." in bytes(pending.qna)

    draft = services.submission_revise(submission=second, by=other_contributor, now=now)
    assert draft.form["seed_examples"][1]["answer"] == "Pea,\nme."
    again = submit(draft, now=now)
    approve(again, reviewer, now=now)
    assert outbox_run(now=now).committed == [second.pk]
    seeds = read_leaf(
        taxonomy.store.file_at(taxonomy.store.head(), f"{FREEFORM}/qna.yaml"), FREEFORM
    ).leaf.seed_examples
    assert seeds[1].answer == "Pea,\nme."


@pytest.mark.django_db
def test_two_new_leaves_of_one_name_do_not_overwrite_each_other(
    taxonomy, contributor, other_contributor, reviewer, now
):
    first = make_submission(contributor, now=now)
    second = make_submission(other_contributor, now=now, form={**_form_of("An other task.")})
    for submission in (first, second):
        approve(submission, reviewer, now=now)
    result = outbox_run(now=now)
    assert (result.committed, result.conflicts) == ([first.pk], [second.pk])


@pytest.mark.django_db
def test_who_came_second_with_a_new_leaf_can_answer_as_often_as_it_takes(
    taxonomy, contributor, other_contributor, reviewer, now
):
    approve(make_submission(contributor, now=now), reviewer, now=now)
    second = make_submission(other_contributor, now=now, form=_form_of("An other task."))
    approve(second, reviewer, now=now)
    outbox_run(now=now)
    second.refresh_from_db()
    assert second.state == State.CONFLICT
    for _ in range(2):
        draft = services.submission_revise(submission=second, by=other_contributor, now=now)
        again = submit(draft, now=now)
        assert again.improves
        services.submission_request_changes(
            submission=again,
            reviewer=reviewer,
            revision_number=again.revision_number,
            reason="Once more.",
            now=now,
        )
    again = submit(services.submission_revise(submission=second, by=other_contributor, now=now), now=now)
    approve(again, reviewer, now=now)
    assert outbox_run(now=now).committed == [second.pk]


@pytest.mark.django_db
def test_a_change_of_a_leaf_that_was_removed_meanwhile_can_bring_it_back(taxonomy, contributor, reviewer, now):
    leaf = taxonomy.leaf(FREEFORM)
    submission = make_improvement(contributor, leaf, now=now, seed=0, answer="Bean,\ngreen.")
    approve(submission, reviewer, now=now)
    files = ((f"{FREEFORM}/qna.yaml", leaf.blob), (f"{FREEFORM}/attribution.txt", leaf.attribution_blob))
    taxonomy.store.commit(
        [FileChange(path=path, data=None, base_blob=blob) for path, blob in files],
        author=Person(name="Ines Aldana", email="ines@example.org"),
        message="Remove it",
        trailers={},
        when=now,
    )
    index_update(now=now)
    assert outbox_run(now=now).conflicts == [submission.pk]
    submission.refresh_from_db()
    draft = services.submission_revise(submission=submission, by=contributor, now=now)
    assert draft.is_new_leaf
    again = submit(draft, now=now)
    approve(again, reviewer, now=now)
    assert outbox_run(now=now).committed == [submission.pk]
    assert b"green." in taxonomy.store.file_at(taxonomy.store.head(), f"{FREEFORM}/qna.yaml")


def _form_of(task: str) -> dict:
    from tests.taxonomy_app.contributions.making import skill_form

    form = skill_form(task)
    form["seed_examples"][0]["answer"] = "Another answer."
    return form


@pytest.mark.django_db
def test_a_failure_is_kept_and_tried_again_later_without_holding_up_others(
    taxonomy, contributor, reviewer, now, monkeypatch
):
    first = make_submission(contributor, now=now)
    second = make_submission(contributor, now=now, path=f"{PATH}_two")
    for submission in (first, second):
        approve(submission, reviewer, now=now)
    commit = type(taxonomy.store).commit

    def full_disk(self, changes, **fields):
        if any(change.path.startswith(f"{PATH}/") for change in changes):
            raise OSError(28, "No space left on device")
        return commit(self, changes, **fields)

    monkeypatch.setattr(type(taxonomy.store), "commit", full_disk)
    result = outbox_run(now=now)
    assert (result.committed, result.failed) == ([second.pk], [first.pk])
    pending = PendingCommit.objects.get(submission=first)
    assert "No space left" in pending.problem
    assert outbox_run(now=now).failed == []  # not before its time
    monkeypatch.setattr(type(taxonomy.store), "commit", commit)
    assert outbox_run(now=now + timedelta(hours=1)).committed == [first.pk]


@pytest.mark.django_db
def test_an_improvement_follows_its_leaf_when_that_was_moved(taxonomy, contributor, reviewer, now):
    from taxonomy_app.tree.services import index_update
    from taxonomy_repo.store import FileChange, Person

    leaf = taxonomy.leaf(FREEFORM)
    submission = make_improvement(contributor, leaf, now=now, seed=0, answer="Bean,\nlean.")
    target = "compositional_skills/poetry/plant_rhymes"
    entry = taxonomy.store.snapshot(taxonomy.store.head()).get(FREEFORM)
    changes = []
    for name, blob in (("qna.yaml", entry.blob), ("attribution.txt", entry.attribution_blob)):
        changes.append(FileChange(f"{FREEFORM}/{name}", None, blob))
        changes.append(FileChange(f"{target}/{name}", taxonomy.store.read_blob(blob), None))
    taxonomy.store.commit(
        changes, author=Person("I", "i@example.org"), message="Move", when=now, moves={FREEFORM: target}
    )
    index_update(now=now)
    approve(submission, reviewer, now=now)
    assert outbox_run(now=now).committed == [submission.pk]
    head = taxonomy.store.head()
    assert b"lean" in taxonomy.store.file_at(head, f"{target}/qna.yaml")
    assert taxonomy.store.file_at(head, f"{FREEFORM}/qna.yaml") is None


# --- Processes that die


KILLS = {
    "before the commit": lambda monkeypatch: monkeypatch.setattr("taxonomy_repo.store.TaxonomyStore.commit", die),
    "between commit and database": lambda monkeypatch: None,
    "after the document, before its mark": lambda monkeypatch: monkeypatch.setattr(
        "taxonomy_app.contributions.document.with_document", die
    ),
    "before the index": lambda monkeypatch: monkeypatch.setattr("taxonomy_app.tree.services.index_update", die),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("instant", list(KILLS))
def test_killed_at_any_instant_nothing_is_lost_and_nothing_committed_twice(
    taxonomy, contributor, reviewer, now, monkeypatch, instant
):
    submission = make_submission(contributor, now=now, path=KNOWLEDGE_PATH)
    approve(submission, reviewer, now=now)
    after_commit = die if instant == "between commit and database" else None
    with monkeypatch.context() as patched:
        KILLS[instant](patched)
        status = in_a_process(lambda: outbox_run(now=now, after_commit=after_commit))
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL
    if instant == "between commit and database":
        assert len(commits_for(taxonomy, KNOWLEDGE_PATH, submission)) == 1
        assert Submission.objects.get(pk=submission.pk).state == State.APPROVED

    outbox_run(now=now + LATER)
    submission.refresh_from_db()
    assert submission.state == State.COMMITTED
    assert commits_for(taxonomy, KNOWLEDGE_PATH, submission) == [submission.commit]
    assert [event.kind for event in submission.events.all()] == ["submitted", "approved", "committed"]
    assert submission.leaf_id is not None
    assert len(list(taxonomy.documents.repository.first_parents(taxonomy.documents.repository.head()))) == 2
    assert outbox_run(now=now + 2 * LATER).committed == []


@pytest.mark.django_db(transaction=True)
def test_a_second_run_does_not_bring_back_what_was_changed_since(
    taxonomy, contributor, other_contributor, reviewer, now
):
    """Killed after its commit; before the next run somebody improves the leaf. The first change is not made again."""
    leaf = taxonomy.leaf(FREEFORM)
    first = make_improvement(contributor, leaf, now=now, seed=2, answer="Beet,\nsweet.")
    approve(first, reviewer, now=now)
    assert in_a_process(lambda: outbox_run(now=now, after_commit=die)) == signal.SIGKILL
    from taxonomy_app.tree.services import index_update

    index_update(now=now)
    leaf.refresh_from_db()
    second = make_improvement(other_contributor, leaf, now=now, seed=2, answer="Beet,\nneat.")
    approve(second, reviewer, now=now)
    outbox_run(now=now)
    assert sorted(outbox_run(now=now + LATER).committed) == [first.pk]
    seeds = read_leaf(
        taxonomy.store.file_at(taxonomy.store.head(), f"{FREEFORM}/qna.yaml"), FREEFORM
    ).leaf.seed_examples
    assert seeds[2].answer == "Beet,\nneat."
    assert len(taxonomy.store.history(FREEFORM)) == 3


@pytest.mark.django_db(transaction=True)
def test_several_runs_at_once_commit_everything_exactly_once(taxonomy, contributor, reviewer, now):
    submissions = [make_submission(contributor, now=now, path=f"{PATH}_{number}") for number in range(8)]
    for submission in submissions:
        approve(submission, reviewer, now=now)
    connections.close_all()
    children = [started(lambda: outbox_run(now=now)) for _ in range(3)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    for submission in submissions:
        submission.refresh_from_db()
        assert submission.state == State.COMMITTED
        assert commits_for(taxonomy, submission.path, submission) == [submission.commit]
        assert submission.events.filter(kind="committed").count() == 1


# --- Being asked


@pytest.mark.django_db(transaction=True)
def test_an_approval_asks_for_the_outbox_only_once_it_is_certain(taxonomy, contributor, reviewer, now, monkeypatch):
    asked: list[bool] = []
    monkeypatch.setattr(deciding, "outbox_send", lambda: asked.append(PendingCommit.objects.exists()))
    submission = make_submission(contributor, now=now)
    with transaction.atomic():
        approve(submission, reviewer, now=now)
        transaction.set_rollback(True)
    assert asked == []
    submission.refresh_from_db()
    approve(submission, reviewer, now=now)
    assert asked == [True]


@pytest.mark.django_db
def test_an_approval_stands_when_redis_is_away(taxonomy, contributor, reviewer, now, monkeypatch):
    from kombu.exceptions import OperationalError

    from taxonomy_app.contributions.tasks import outbox as task

    def away(**options):
        raise OperationalError("no such socket")

    monkeypatch.setattr(task, "apply_async", away)
    outbox.outbox_send()


@pytest.mark.django_db
def test_the_next_draft_may_change_seeds_after_a_request(taxonomy, contributor, reviewer, now):
    """From draft to commit over a request for changes: the revision that was approved is the one committed."""
    submission = make_submission(contributor, now=now)
    services.submission_request_changes(
        submission=submission, reviewer=reviewer, revision_number=1, reason="Shorter.", now=now
    )
    draft = services.submission_revise(submission=submission, by=contributor, now=now)
    draft = services.draft_save(
        draft=draft, by=contributor, version=1, changes=DraftChanges(form=_form_of("Shorter riddles.")), now=now
    )
    submit(draft, now=now)
    submission.refresh_from_db()
    approve(submission, reviewer, now=now)
    outbox_run(now=now)
    data = taxonomy.store.file_at(taxonomy.store.head(), f"{PATH}/qna.yaml")
    assert read_leaf(data, PATH).leaf.task_description == "Shorter riddles."
    assert taxonomy.store.history(PATH)[0].trailers["Submission"] == (f"S{submission.pk}/2",)
