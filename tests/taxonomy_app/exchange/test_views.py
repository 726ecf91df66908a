"""The administrators' pages."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from taxonomy_app.exchange import execution, services
from taxonomy_app.exchange.models import Remote, RemoteChange, Transfer
from taxonomy_app.tree.models import Leaf
from tests.leaves import FREEFORM, KNOWLEDGE

URL = "https://github.com/example/taxonomy.git"


@pytest.fixture(autouse=True)
def exchange(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EXCHANGE_FOLDER = tmp_path / "exchange"
    monkeypatch.setattr(services, "transfers_send", lambda: None)


@pytest.fixture
def client(client_for: Callable[..., Client], administrator: Any) -> Client:
    return client_for(administrator)


@pytest.fixture
def remote(db: None, now: Any) -> Remote:
    made: Remote = Remote.objects.create(name="origin", url=URL, pushes=False, created_at=now)
    return made


def test_an_export_is_asked_for_waited_for_and_downloaded(taxonomy: Any, client: Client, now: Any) -> None:
    asked = client.post(reverse("exchange:export"), {"export-kind": "zip", "export-since": ""}, follow=True)
    assert "Waiting" in asked.content.decode()
    execution.transfers_run(now=now)
    made = Transfer.objects.get()
    page = client.get(made.get_absolute_url()).content.decode()
    assert reverse("exchange:download", args=[made.pk]) in page
    response = client.get(reverse("exchange:download", args=[made.pk]))
    data = b"".join(response.streaming_content)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read(f"{FREEFORM}/qna.yaml") == taxonomy.store.file_at(taxonomy.commit, f"{FREEFORM}/qna.yaml")
    assert response["Content-Disposition"] == f'attachment; filename="taxonomy-{taxonomy.commit[:12]}.zip"'


def test_three_people_without_the_role_get_no_archive(
    taxonomy: Any,
    client: Client,
    client_for: Callable[..., Client],
    contributor: Any,
    other_contributor: Any,
    reviewer: Any,
    now: Any,
) -> None:
    client.post(reverse("exchange:export"), {"export-kind": "zip", "export-since": ""})
    execution.transfers_run(now=now)
    url = reverse("exchange:download", args=[Transfer.objects.get().pk])
    for person in (contributor, other_contributor, reviewer):
        assert client_for(person).get(url).status_code == 403
    assert client_for(None).get(url).status_code == 302


@pytest.mark.parametrize("since", ["", "123", "z" * 40])
def test_a_version_that_is_none_is_said_at_its_field(since: str, taxonomy: Any, client: Client) -> None:
    data = {"export-kind": "zip", "export-since": "commit", "export-commit": since}
    response = client.post(reverse("exchange:export"), data)
    assert response.status_code == 422
    assert "Give the full name of a version" in response.content.decode()
    assert not Transfer.objects.exists()


def test_a_version_that_nobody_knows_becomes_a_sentence_on_the_transfer(
    taxonomy: Any, client: Client, now: Any
) -> None:
    data = {"export-kind": "zip", "export-since": "commit", "export-commit": "1" * 40}
    client.post(reverse("exchange:export"), data)
    execution.transfers_run(now=now)
    assert "There is no version 1111" in client.get(Transfer.objects.get().get_absolute_url()).content.decode()


def test_a_file_that_is_no_archive_is_said_and_an_archive_is_taken_in(taxonomy: Any, client: Client, now: Any) -> None:
    url = reverse("exchange:import_file")
    wrong = client.post(url, {"file-mode": "add", "file-archive": SimpleUploadedFile("a.rar", b"x")})
    assert wrong.status_code == 422
    assert "a.rar is no .zip" in wrong.content.decode()
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        data = taxonomy.store.file_at(taxonomy.commit, f"{FREEFORM}/qna.yaml")
        archive.writestr("their-taxonomy/compositional_skills/new/rhymes/qna.yaml", data)
        archive.writestr("their-taxonomy/README.md", "x")
    right = client.post(url, {"file-mode": "add", "file-archive": SimpleUploadedFile("a.zip", held.getvalue())})
    execution.transfers_run(now=now)
    page = client.get(right.url).content.decode()
    assert "compositional_skills/new/rhymes" in page.replace("<wbr>", "")
    assert "it is not a file of a leaf" in page
    assert Leaf.objects.present().filter(path="compositional_skills/new/rhymes").exists()


def test_a_remote_is_added_changed_and_removed_with_its_history_kept(
    taxonomy: Any, client: Client, administrator: Any
) -> None:
    values = {"name": "origin", "url": URL, "branch": "main", "username": "", "token_setting": "", "secret_setting": ""}
    refused = client.post(reverse("exchange:remote_add"), {**values, "pushes": "on"})
    assert refused.status_code == 422
    assert "Pushing needs an access token" in refused.content.decode()
    added = client.post(reverse("exchange:remote_add"), values)
    assert added.url == reverse("exchange:remote", args=["origin"])
    assert Transfer.objects.get().kind == "sync"
    changed = client.post(added.url, {**values, "branch": "release"})
    assert changed.status_code == 302
    assert Remote.objects.get().branch == "release"
    assert "release" in client.get(added.url).content.decode()
    client.post(reverse("exchange:remote_remove", args=["origin"]))
    assert not Remote.objects.exists()
    assert list(RemoteChange.objects.values_list("action", "person")) == [
        (action, administrator.pk) for action in ("removed", "changed", "added")
    ]


def test_both_versions_are_shown_side_by_side_and_a_choice_is_asked_for_each(
    taxonomy: Any, client: Client, remote: Remote
) -> None:
    field = {"field": "seed_examples[0].answer", "base": "x", "ours": "<b>here</b>", "theirs": None}
    Remote.objects.update(conflicts=[{"path": FREEFORM, "reason": "Both changed it.", "fields": [field]}])
    page = client.get(remote.get_absolute_url()).content.decode()
    assert "&lt;b&gt;here&lt;/b&gt;" in page
    assert "taken away" in page
    url = reverse("exchange:remote_decide", args=["origin"])
    assert client.post(url, {"path-1": FREEFORM}).status_code == 422
    # The list changed since the page was shown: what stood there is not decided.
    assert client.post(url, {"path-1": KNOWLEDGE, "leaf-1": "theirs"}).status_code == 422
    assert Remote.objects.get().decided == {}
    assert client.post(url, {"path-1": FREEFORM, "leaf-1": "theirs"}).status_code == 302
    assert Remote.objects.get().decided == {FREEFORM: "theirs"}


def test_the_page_names_leaves_whose_documents_are_not_here(taxonomy: Any, client: Client) -> None:
    told = {
        "repo": URL,
        "commit": "1" * 40,
        "patterns": ["a.md"],
        "files": [],
        "problem": "It is away.",
        "code": "away",
    }
    Leaf.objects.filter(path=KNOWLEDGE).update(document=told)
    page = client.get(reverse("exchange:home")).content.decode()
    assert "It is away." in page
    made = client.post(reverse("exchange:documents_fetch"))
    assert Transfer.objects.get().get_absolute_url() == made.url


def test_the_pages_are_the_same_number_of_queries_however_much_there_is(
    taxonomy: Any, client: Client, remote: Remote, now: Any, django_assert_num_queries: Any, administrator: Any
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            client.get(reverse("exchange:home"))
        counts.append(len(queries))
        for _ in range(8):
            Transfer.objects.create(kind="export", state="done", person=administrator, created_at=now)
    assert counts[0] == counts[1]
