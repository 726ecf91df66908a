"""A public taxonomy comes in with one command, is browsed, searched, edited, merged, and goes out byte for byte."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.urls import reverse

from taxonomy_app.contributions import services
from taxonomy_app.contributions.outbox import outbox_run
from taxonomy_app.tree.models import Leaf
from taxonomy_repo.archives import read_folder
from taxonomy_repo.leaf import read_leaf, write_leaf
from taxonomy_repo.store import FileChange, Person
from tests.taxonomy_app.contributions import making
from tests.taxonomy_repo.test_exchange import FILES
from workers.environment import PROJECT


def _shared() -> Path | None:
    told = os.environ.get("SEEDBED_SHARED_DATA")
    places = [Path(told)] if told else [parent / "shared" / "data" for parent in PROJECT.parents]
    return next((place for place in places if (place / "taxonomies" / "public-2024-08").is_dir()), None)


@pytest.fixture(params=["made", "public"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with a taxonomy: made data, and a public one of 147 leaves where it is on this machine."""
    if request.param == "made":
        folder = tmp_path / "made"
        for path, data in FILES.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder
    shared = _shared()
    if shared is None:
        pytest.skip("The public taxonomy of 147 leaves is not on this machine.")
    return shared / "taxonomies" / "public-2024-08"


def command(name: str, *arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command(name, *arguments, stdout=out, stderr=StringIO())
    told: dict[str, Any] = json.loads(out.getvalue().splitlines()[-1])
    return told


def test_imported_browsed_searched_edited_merged_and_exported_byte_for_byte(
    source: Path,
    tmp_path: Path,
    taxonomy_repository: tuple[Any, Any],
    client_for: Callable[..., Any],
    contributor: Any,
    reviewer: Any,
    now: Any,
) -> None:
    store, _ = taxonomy_repository
    given = read_folder(source)
    told = command("import_taxonomy", str(source))
    assert told["added"] == given.leaves
    assert told["left_out"] == told["left_alone"] == 0
    if source.name == "public-2024-08":
        assert given.leaves == 147

    # Browsed: every leaf has its page, as it lies in the file.
    visitor = client_for(None)
    leaves = list(Leaf.objects.present())
    assert len(leaves) == given.leaves
    for leaf in leaves:
        assert visitor.get(leaf.get_absolute_url()).status_code == 200
        assert (
            visitor.get(reverse("tree:download", args=[leaf.leaf_id])).content == given.files[f"{leaf.path}/qna.yaml"]
        )
    assert visitor.get(reverse("tree:home")).status_code == 200

    # Searched: by words of the leaf's task.
    wanted = next(leaf for leaf in leaves if leaf.kind == "freeform" and leaf.task_description and not leaf.problem)
    words = " ".join(wanted.task_description.split()[:4])
    found = visitor.get(reverse("tree:home"), {"q": words})
    assert wanted.get_absolute_url() in found.content.decode()

    # Edited by a contributor, approved by a reviewer; meanwhile somebody else changes another seed of the same leaf.
    leaf, submission = _improved(leaves, contributor, now)
    before = store.read_blob(leaf.blob)
    document = read_leaf(before, leaf.path).leaf
    assert document is not None
    store.commit(
        [FileChange(f"{leaf.path}/qna.yaml", _with_answer(document, -1, "Changed by somebody else."), leaf.blob)],
        author=Person("Tomás Weil", "tomas@example.org"),
        message="Improve another seed",
        when=now,
    )
    making.approve(submission, reviewer, now=now)
    assert outbox_run(now=now).committed == [submission.pk]
    merged = read_leaf(store.file_at(store.head(), f"{leaf.path}/qna.yaml"), leaf.path).leaf
    assert merged is not None
    answers = [pair.answer for pair in merged.pairs()]
    assert (answers[0], answers[-1]) == ("Changed by the contributor.", "Changed by somebody else.")

    # Handed out: all as it came, but for the two files of that leaf.
    exported = tmp_path / "exported"
    told = command("export_taxonomy", str(exported))
    assert told["leaves"] == given.leaves
    files = read_folder(exported).files
    edited = {f"{leaf.path}/qna.yaml", f"{leaf.path}/attribution.txt"}
    assert {path: data for path, data in files.items() if path not in edited} == {
        path: data for path, data in given.files.items() if path not in edited
    }
    assert b"Changed by the contributor." in files[f"{leaf.path}/qna.yaml"]


def _improved(leaves: list[Leaf], contributor: Any, now: Any) -> tuple[Leaf, Any]:
    """The first leaf that can be improved without any other change, with its first answer improved and submitted."""
    for leaf in leaves:
        draft = services.draft_improve(author=contributor, leaf=leaf, now=now)
        form = {**draft.form, "seed_examples": [dict(seed) for seed in draft.form["seed_examples"]]}
        if "answer" not in form["seed_examples"][0]:
            continue
        form["seed_examples"][0]["answer"] = "Changed by the contributor."
        changes = services.DraftChanges(form=form, attribution=[making.SOURCE])
        draft = services.draft_save(draft=draft, by=contributor, version=draft.version, changes=changes, now=now)
        if not services.draft_problems(draft).errors:
            return leaf, making.submit(draft, now=now)
    raise AssertionError("No leaf of the taxonomy can be improved.")


def _with_answer(document: Any, number: int, answer: str) -> bytes:
    seeds = list(document.seed_examples)
    seeds[number] = replace(seeds[number], answer=answer)
    return write_leaf(replace(document, seed_examples=tuple(seeds)))
