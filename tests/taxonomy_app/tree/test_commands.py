"""The taxonomy from the shell, and the task that beat sends."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from taxonomy_app.celery import app
from taxonomy_app.tree.models import IndexState, Leaf
from taxonomy_app.tree.tasks import index, maintain
from taxonomy_repo.maintenance import Stored, stored
from tests.conftest import Taxonomy
from tests.taxonomy_app.tree.test_services import commit, document

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    output = io.StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def test_the_starter_taxonomy_is_installed_once_and_every_leaf_of_it_can_be_read(taxonomy_repository: Any) -> None:
    run("install_starter")
    store, _ = taxonomy_repository
    head = store.head()
    assert Leaf.objects.count() >= 8
    assert {leaf.kind for leaf in Leaf.objects.all()} == {"knowledge", "grounded", "freeform", "foundational"}
    assert not Leaf.objects.exclude(problem="").exists()
    assert all(leaf.document["files"] for leaf in Leaf.objects.filter(kind="knowledge"))
    run("install_starter")
    assert store.head() == head


def test_a_taxonomy_of_ones_own_is_left_as_it_is(taxonomy: Taxonomy) -> None:
    run("install_starter")
    assert taxonomy.store.head() == taxonomy.commit


def test_the_index_is_made_anew_on_request(taxonomy: Taxonomy) -> None:
    Leaf.objects.all().delete()
    assert "0 leaves written" in run("index_taxonomy")
    assert "4 leaves written" in run("index_taxonomy", "--rebuild")
    assert Leaf.objects.count() == 4


def test_the_task_brings_the_index_forward(taxonomy: Taxonomy) -> None:
    made = commit(taxonomy, {"compositional_skills/writing/new/qna.yaml": document("New")})
    index()
    assert IndexState.objects.get().commit == made
    assert index.name == "seedbed.tree.index"


def test_the_task_tidies_both_repositories_where_they_need_it(
    taxonomy: Taxonomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    maintain()
    assert stored(taxonomy.store.repository).packs == 0
    monkeypatch.setattr("taxonomy_repo.maintenance.MOST_LOOSE", 1)
    maintain()
    for repository in (taxonomy.store.repository, taxonomy.documents.repository):
        assert stored(repository) == Stored(0, 1)


def test_every_task_of_the_schedule_exists() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(app.tasks)
