"""Transfers as the worker does them, against a real code host."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from taxonomy_app.exchange import execution, services
from taxonomy_app.exchange.models import Remote, RemoteChange, Transfer
from taxonomy_app.tree.models import Leaf
from taxonomy_app.tree.services import index_update
from taxonomy_repo.leaf import DocumentReference, read_leaf, write_leaf
from taxonomy_repo.store import FileChange, Person
from tests.git_host import GitHost, commit_files, git, git_host
from tests.leaves import DOCUMENT_NAME, FREEFORM, KNOWLEDGE, TINY_LEAVES, tiny_files
from tests.papers import pdf


@pytest.fixture
def host(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHost]:
    folder = tmp_path / "host"
    folder.mkdir()
    settings.EXCHANGE_FOLDER = tmp_path / "exchange"
    # Nothing is sent to a queue here: each test runs what waits by itself.
    monkeypatch.setattr(services, "transfers_send", lambda: None)
    monkeypatch.setenv("SEEDBED_REMOTE_TOKEN", "s3cret-token")
    with git_host(folder) as running:
        running.accounts["bot"] = "s3cret-token"
        settings.NETWORK_RULES = running.rules()
        running.repository("taxonomy.git")
        yield running


@pytest.fixture
def remote(host: GitHost, administrator: Any, now: Any) -> Remote:
    return services.remote_add(
        name="origin",
        url=host.url("taxonomy.git"),
        branch="main",
        username="bot",
        token_setting="SEEDBED_REMOTE_TOKEN",
        secret_setting="",
        pushes=True,
        by=administrator,
        now=now,
    )


@pytest.fixture
def work(host: GitHost, tmp_path: Path) -> Path:
    """Somebody's work tree at the host."""
    folder = tmp_path / "work"
    git("clone", "--quiet", str(host.folder / "taxonomy.git"), str(folder), cwd=host.folder)
    git("checkout", "--quiet", "-B", "main", cwd=folder)
    return folder


def push(work: Path, files: dict[str, bytes | None]) -> str:
    commit = commit_files(work, files)
    git("push", "--quiet", "origin", "main", cwd=work)
    return commit


def change(data: bytes, path: str, number: int, answer: str) -> bytes:
    leaf = read_leaf(data, path).leaf
    assert leaf is not None
    seeds = list(leaf.seed_examples)
    seeds[number] = dataclasses.replace(seeds[number], answer=answer)  # type: ignore[call-arg]
    return write_leaf(dataclasses.replace(leaf, seed_examples=tuple(seeds)))


def run(transfer: Transfer, now: Any) -> Transfer:
    execution.transfers_run(now=now)
    transfer.refresh_from_db()
    return transfer


def edit_here(taxonomy: Any, answer: str, now: Any) -> None:
    leaf = Leaf.objects.get(path=FREEFORM)
    data = change(taxonomy.store.read_blob(leaf.blob), FREEFORM, 0, answer)
    taxonomy.store.commit(
        [FileChange(f"{FREEFORM}/qna.yaml", data, leaf.blob)], author=Person("Rosa", "r@x"), message="Edit", when=now
    )
    index_update(now=now)


def test_what_is_here_is_pushed_and_what_is_there_is_merged_and_indexed(
    taxonomy: Any, remote: Remote, host: GitHost, work: Path, administrator: Any, now: Any
) -> None:
    done = run(services.sync_request(remote=remote, by=administrator, now=now), now)
    assert (done.state, done.result["pushed"], done.problem) == ("done", True, "")
    remote.refresh_from_db()
    assert (remote.shared_commit, remote.problem) == (taxonomy.commit, "")
    git("pull", "--quiet", "origin", "main", cwd=work)
    edit_here(taxonomy, "Changed here.", now)
    there = (work / FREEFORM / "qna.yaml").read_bytes()
    push(work, {f"{FREEFORM}/qna.yaml": change(there, FREEFORM, 4, "Changed there.")})
    done = run(services.sync_request(remote=remote, by=administrator, now=now), now)
    assert (done.state, done.result["outcome"], done.result["pushed"]) == ("done", "merged", True)
    assert done.result["changes"] == {"added": 0, "modified": 1, "moved": 0, "removed": 0}
    answers = [seed.answer for seed in Leaf.objects.get(path=FREEFORM).seeds.order_by("position")]
    assert (answers[0], answers[4]) == ("Changed here.", "Changed there.")


def test_a_conflict_is_kept_until_an_administrator_decides(
    taxonomy: Any, remote: Remote, work: Path, administrator: Any, now: Any
) -> None:
    run(services.sync_request(remote=remote, by=administrator, now=now), now)
    git("pull", "--quiet", "origin", "main", cwd=work)
    edit_here(taxonomy, "Changed here.", now)
    there = (work / FREEFORM / "qna.yaml").read_bytes()
    push(work, {f"{FREEFORM}/qna.yaml": change(there, FREEFORM, 0, "Changed there.")})
    done = run(services.sync_request(remote=remote, by=administrator, now=now), now)
    assert (done.state, done.code, done.result["conflicts"]) == ("failed", "conflict", [FREEFORM])
    remote.refresh_from_db()
    [conflict] = remote.conflicts
    assert conflict["fields"][0]["ours"] == "Changed here."
    with pytest.raises(ValidationError):
        services.conflicts_decide(remote=remote, decided={}, by=administrator, now=now)
    made = services.conflicts_decide(remote=remote, decided={FREEFORM: "theirs"}, by=administrator, now=now)
    assert run(made, now).state == "done"
    remote.refresh_from_db()
    assert (remote.conflicts, remote.decided, remote.problem) == ([], {}, "")
    assert Leaf.objects.get(path=FREEFORM).seeds.get(position=0).answer == "Changed there."
    assert RemoteChange.objects.filter(action="decided", person=administrator).count() == 1


def test_signals_that_come_while_one_waits_become_one_and_one_that_comes_later_is_not_lost(
    taxonomy: Any, remote: Remote, now: Any
) -> None:
    first = services.sync_request(remote=remote, by=None, now=now)
    assert services.sync_request(remote=remote, by=None, now=now).pk == first.pk
    assert services.transfer_take(transfer=first, now=now)
    second = services.sync_request(remote=remote, by=None, now=now)
    assert second.pk != first.pk


def test_a_transfer_is_taken_by_one_and_again_when_its_worker_is_gone(taxonomy: Any, remote: Remote, now: Any) -> None:
    made = services.sync_request(remote=remote, by=None, now=now)
    same = Transfer.objects.get(pk=made.pk)
    assert services.transfer_take(transfer=made, now=now)
    assert not services.transfer_take(transfer=same, now=now)
    late = now + services.LEASE + timedelta(seconds=1)
    again = Transfer.objects.due(now=late).get()
    assert services.transfer_take(transfer=again, now=late)
    # Who looked before that cannot take it, even when it is due once more.
    assert not services.transfer_take(transfer=same, now=late + services.LEASE + timedelta(seconds=1))
    # The one who was thought gone has nothing more to say.
    services.transfer_finish(transfer=made, now=late, result={}, problem="Too late.")
    made.refresh_from_db()
    assert (made.state, made.problem) == ("running", "")


def test_the_clock_asks_when_something_is_new_here_and_leaves_no_row_when_nothing_was(
    taxonomy: Any, remote: Remote, host: GitHost, now: Any
) -> None:
    execution.tick(now=now)
    remote.refresh_from_db()
    assert remote.shared_commit == taxonomy.commit
    assert Transfer.objects.get().result["pushed"]
    asked = len(host.requests)
    soon = remote.asked_at + timedelta(seconds=30)
    execution.tick(now=soon)
    assert len(host.requests) == asked
    edit_here(taxonomy, "Changed here.", now)
    execution.tick(now=soon)
    assert Transfer.objects.count() == 2
    execution.tick(now=soon + timedelta(hours=1))
    assert len(host.requests) > asked
    assert Transfer.objects.count() == 2


def test_a_token_that_is_not_set_is_said_and_nobody_is_asked(
    taxonomy: Any, remote: Remote, host: GitHost, administrator: Any, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEEDBED_REMOTE_TOKEN")
    done = run(services.sync_request(remote=remote, by=administrator, now=now), now)
    assert done.code == "no-credential"
    assert "SEEDBED_REMOTE_TOKEN_FILE" in done.problem
    assert host.requests == []


def test_no_token_is_in_the_database(
    taxonomy: Any, remote: Remote, administrator: Any, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.core import serializers

    run(services.sync_request(remote=remote, by=administrator, now=now), now)
    kept = serializers.serialize("json", [*Remote.objects.all(), *Transfer.objects.all(), *RemoteChange.objects.all()])
    assert "SEEDBED_REMOTE_TOKEN" in kept
    assert "s3cret-token" not in kept


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"url": "http://localhost/a.git"}, "url"),
        ({"url": "https://elsewhere.example/a.git"}, "url"),
        ({"url": "https://bot:secret@localhost/a.git"}, "url"),
        ({"branch": "a..b"}, "branch"),
        ({"token_setting": "SEEDBED_SECRET_KEY"}, "token_setting"),
        ({"token_setting": "SEEDBED_REMOTE_TOKEN\n"}, "token_setting"),
        ({"secret_setting": "PATH"}, "secret_setting"),
        ({"username": ""}, "username"),
        ({"username": "", "token_setting": ""}, "pushes"),
        ({"name": "Not A Slug"}, "name"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_field(
    values: dict[str, str], field: str, host: GitHost, administrator: Any, now: Any
) -> None:
    given = {
        "name": "origin",
        "url": host.url("taxonomy.git"),
        "branch": "main",
        "username": "bot",
        "token_setting": "SEEDBED_REMOTE_TOKEN",
        "secret_setting": "",
        "pushes": True,
    }
    with pytest.raises(ValidationError) as caught:
        services.remote_add(by=administrator, now=now, **(given | values))
    assert field in caught.value.message_dict
    assert "secret@" not in str(caught.value)
    assert not Remote.objects.exists()


def test_a_repository_is_imported_with_its_history(
    host: GitHost, work: Path, taxonomy_repository: tuple[Any, Any], administrator: Any, now: Any
) -> None:
    _, documents = taxonomy_repository
    push(work, dict(tiny_files(documents, now)))
    asked = {
        "url": host.url("taxonomy.git"),
        "branch": "main",
        "username": "bot",
        "token_setting": "SEEDBED_REMOTE_TOKEN",
    }
    done = run(services.import_request(by=administrator, now=now, mode="add", address=asked), now)
    assert (done.state, done.result["added"]["count"]) == ("done", len(TINY_LEAVES))
    assert Leaf.objects.get(path=FREEFORM).versions.get().author_name == "Mara Quist"


def test_an_uploaded_archive_is_taken_in_and_its_file_removed(
    host: GitHost, taxonomy: Any, settings: Any, administrator: Any, now: Any
) -> None:
    made = services.export_request(by=administrator, now=now, kind="zip", since="")
    exported = run(made, now)
    assert exported.result["leaves"] == len(TINY_LEAVES)
    data = services.file_path(exported.file).read_bytes()
    upload = SimpleUploadedFile("taxonomy.zip", data)
    done = run(services.import_request(by=administrator, now=now, mode="replace", upload=upload), now)
    assert (done.state, done.result["same"], done.file) == ("done", len(TINY_LEAVES), "")
    assert [path.name for path in settings.EXCHANGE_FOLDER.iterdir()] == [exported.file]
    services.exports_expire(now=exported.finished_at + services.KEPT + timedelta(seconds=1))
    assert list(settings.EXCHANGE_FOLDER.iterdir()) == []


def test_a_damaged_archive_is_one_sentence(host: GitHost, taxonomy: Any, administrator: Any, now: Any) -> None:
    upload = SimpleUploadedFile("taxonomy.zip", b"no zip")
    done = run(services.import_request(by=administrator, now=now, mode="add", upload=upload), now)
    assert (done.state, done.code) == ("failed", "archive-damaged")
    assert taxonomy.store.head() == taxonomy.commit


def knowledge_elsewhere(taxonomy: Any, host: GitHost, commit: str, pattern: str, now: Any) -> None:
    """The knowledge leaf, with its document at the host."""
    leaf = Leaf.objects.get(path=KNOWLEDGE)
    read = read_leaf(taxonomy.store.read_blob(leaf.blob), KNOWLEDGE).leaf
    assert read is not None
    reference = DocumentReference(host.url("papers.git"), commit, (pattern,))
    data = write_leaf(dataclasses.replace(read, document=reference))
    taxonomy.store.commit(
        [FileChange(f"{KNOWLEDGE}/qna.yaml", data, leaf.blob)], author=Person("Rosa", "r@x"), message="Edit", when=now
    )
    index_update(now=now)


def test_documents_that_lie_elsewhere_are_fetched_by_the_worker_and_shown(
    host: GitHost, taxonomy: Any, tmp_path: Path, now: Any
) -> None:
    host.accounts.clear()
    bare = host.repository("papers.git")
    papers = tmp_path / "papers"
    git("clone", "--quiet", str(bare), str(papers), cwd=bare)
    git("checkout", "--quiet", "-B", "main", cwd=papers)
    commit = push(papers, {"lock.pdf": pdf("The lock was built in 1911 by two brothers.")})
    knowledge_elsewhere(taxonomy, host, commit, "lock.pdf", now)
    told = Leaf.objects.get(path=KNOWLEDGE).document
    assert (told["code"], told["files"]) == ("document-not-fetched", [])
    execution.tick(now=now)
    told = Leaf.objects.get(path=KNOWLEDGE).document
    assert (told["code"], told["problem"], [file["name"] for file in told["files"]]) == ("", "", ["lock.pdf.md"])
    text = taxonomy.documents.repository.read_blob(told["files"][0]["blob"])
    assert text == b"The lock was built in 1911 by two brothers.\n"
    # The same comes of an index made anew.
    from taxonomy_app.tree.services import index_rebuild

    index_rebuild(now=now)
    assert Leaf.objects.get(path=KNOWLEDGE).document == told


def test_a_document_that_cannot_be_had_is_said_on_its_leaf_and_not_asked_for_every_minute(
    host: GitHost, taxonomy: Any, administrator: Any, now: Any
) -> None:
    knowledge_elsewhere(taxonomy, host, "1" * 40, "lock.pdf", now)
    execution.tick(now=now)
    told = Leaf.objects.get(path=KNOWLEDGE).document
    assert told["code"] == "not-allowed"
    asked = len(host.requests)
    execution.tick(now=now)
    assert len(host.requests) == asked
    done = run(services.documents_request(by=administrator, now=now, tried_before=timezone.now()), now)
    assert (done.result["fetched"], done.result["failed"]["count"]) == (0, 1)
    assert len(host.requests) > asked


def test_fetching_documents_makes_room_for_other_work_and_goes_on_where_it_stopped(
    host: GitHost, taxonomy: Any, administrator: Any, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"commit": "1" * 40, "patterns": ["a.md"], "files": [], "problem": "Away.", "code": "away"}
    for number, path in enumerate(sorted(TINY_LEAVES)):
        Leaf.objects.filter(path=path).update(document={**told, "repo": host.url(f"papers-{number}.git")})
    asked: list[str] = []
    monkeypatch.setattr(execution, "_fetch", lambda reference, *_: asked.append(reference.repo) or ("away", "Away."))
    monkeypatch.setattr(execution, "_FETCH_SECONDS", 0.0)

    def tried(*, leaf: Leaf, tried_at: Any, **_: Any) -> None:
        Leaf.objects.filter(pk=leaf.pk).update(document={**leaf.document, "tried_at": tried_at.isoformat()})

    monkeypatch.setattr(execution.tree, "documents_refresh", tried)
    first = run(services.documents_request(by=administrator, now=now, tried_before=timezone.now()), now)
    assert (first.state, len(asked)) == ("done", 1)
    while Transfer.objects.due(now=now).exists():
        execution.transfers_run(now=now)
    assert asked == [host.url(f"papers-{number}.git") for number in range(len(TINY_LEAVES))]


def test_a_place_that_does_not_answer_is_asked_once_for_all_its_leaves(
    host: GitHost, taxonomy: Any, administrator: Any, now: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"repo": host.url("papers.git"), "patterns": ["a.md"], "files": [], "problem": "Away.", "code": "away"}
    for number, path in enumerate(TINY_LEAVES):
        Leaf.objects.filter(path=path).update(document={**told, "commit": str(number) * 40})
    done = run(services.documents_request(by=administrator, now=now), now)
    assert done.result["failed"]["count"] == len(TINY_LEAVES)
    assert len(host.requests) == 1


def test_an_uploaded_document_is_converted_and_kept(host: GitHost, taxonomy: Any, administrator: Any, now: Any) -> None:
    upload = SimpleUploadedFile("Lock.PDF", pdf("The lock was built in 1911 by two brothers."))
    made = services.document_request(by=administrator, now=now, upload=upload, name="places/lock")
    done = run(made, now)
    assert (done.state, done.result["name"]) == ("done", "places/lock.md")
    reference = DocumentReference(done.result["repo"], done.result["commit"], ("places/lock.md",))
    assert taxonomy.documents.read(reference) == [("places/lock.md", "The lock was built in 1911 by two brothers.\n")]
    assert DOCUMENT_NAME in taxonomy.documents.names()
    with pytest.raises(ValidationError):
        services.document_request(by=administrator, now=now, upload=SimpleUploadedFile("a.exe", b"x"), name="a")
    with pytest.raises(ValidationError):
        services.document_request(by=administrator, now=now, upload=SimpleUploadedFile("a.md", b"x"), name="../a")
