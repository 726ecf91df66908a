"""The copy that is taken while the site runs: whole, restorable, and honest about what it is not."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from taxonomy_app.contributions import deciding
from taxonomy_app.contributions.models import PendingCommit
from taxonomy_app.contributions.outbox import outbox_run
from taxonomy_app.web.backup import MARK, backup
from taxonomy_repo.store import TaxonomyStore
from tests.taxonomy_app.contributions.making import PATH, approve, make_submission

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _own_folders(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    settings.SHARED = replace(settings.SHARED, artifacts_url=f"file://{tmp_path / 'artifacts'}")
    settings.EXCHANGE_FOLDER = tmp_path / "exchange"
    monkeypatch.setattr(deciding, "outbox_send", lambda: None)
    model = tmp_path / "artifacts" / "tuning-1" / "model.safetensors"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"weights")


def test_a_copy_has_the_database_the_repositories_and_the_artifacts(
    taxonomy: Any, contributor: Any, now: Any, tmp_path: Path
) -> None:
    submission = make_submission(contributor, now=now)
    target = tmp_path / "copy"
    call_command("backup", str(target))
    told = json.loads((target / MARK).read_text())
    assert told["taxonomy_commit"] == taxonomy.commit
    assert (told["artifacts"], told["artifacts_bytes"], told["vanished"]) == (1, 7, 0)
    assert (target / "artifacts" / "tuning-1" / "model.safetensors").read_bytes() == b"weights"
    copied = TaxonomyStore(target / "taxonomy.git")
    assert copied.head() == taxonomy.commit
    assert set(copied.snapshot(taxonomy.commit)) == set(taxonomy.store.snapshot(taxonomy.commit))
    assert os.stat(target).st_mode & 0o077 == 0
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(target / told["database"])) as database:
            paths = database.execute("SELECT path FROM contributions_submission").fetchall()
        assert paths == [(submission.path,)]
    else:
        assert (target / told["database"]).read_bytes().startswith(b"PGDMP")


def test_what_was_committed_between_the_copies_of_database_and_git_is_not_committed_twice(
    taxonomy: Any, contributor: Any, reviewer: Any, now: Any, tmp_path: Path
) -> None:
    submission = make_submission(contributor, now=now)
    approve(submission, reviewer, now=now)
    waiting = PendingCommit.objects.values().get()
    outbox_run(now=now)
    backup(tmp_path / "copy", now=now)
    # The database as it was before the commit, the repository as it is after it.
    PendingCommit.objects.filter(pk=waiting["id"]).update(**waiting)
    type(submission).objects.filter(pk=submission.pk).update(state="approved", commit="")
    shutil.rmtree(taxonomy.store.repository.path)
    shutil.move(tmp_path / "copy" / "taxonomy.git", taxonomy.store.repository.path)
    restored = TaxonomyStore(taxonomy.store.repository.path)
    head = restored.head()
    outbox_run(now=now)
    submission.refresh_from_db()
    assert submission.state == "committed"
    assert restored.head() == head
    assert len(list(restored.history(PATH))) == 1


def test_a_folder_with_something_in_it_is_left_alone(taxonomy: Any, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "photo.jpg").write_bytes(b"cat")
    with pytest.raises(CommandError, match="has something in it"):
        call_command("backup", str(tmp_path / "copy"))
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["photo.jpg"]


def test_artifacts_can_be_left_out(taxonomy: Any, now: Any, tmp_path: Path) -> None:
    made = backup(tmp_path / "copy", now=now, artifacts=False)
    assert made.artifacts is None
    assert not (tmp_path / "copy" / "artifacts").exists()
