"""The shipped pipeline asks what it asked before: its requests are held against recorded ones.

A change of a prompt, of an order or of a draw on purpose is recorded anew: ``python -m
tests.workers.generation.test_recorded_requests`` writes the file beside this one.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from aiohttp import web

from tests.workers.fake_teacher import FakeTeacher, reply
from tests.workers.generation.leaves import all_leaves, recipe
from workers.artifacts import ArtifactStore
from workers.environment import shared_settings
from workers.generation.run import Order, generate
from workers.specs import ModelReference, TeacherReference

RECORDED = Path(__file__).with_name("recorded_requests.json")
PROFILES = ("bundled-small", "generic-base", "generic-instruct", "mixtral-8x7b-instruct")


def the_same_to_the_same(_request: web.Request, body: dict[str, Any]) -> web.Response:
    """The reply depends on what is asked alone, not on how many were asked before."""
    return web.json_response(reply({"seed": 0, **body}))


def requests_of(profile: str, folder: Path) -> list[str]:
    """Every request of a small generation, one row after another."""
    settings = shared_settings({"SEEDBED_VAR": str(folder)})
    store = ArtifactStore(settings.artifacts_url)
    with (
        # The invented replies are in no document.
        mock.patch("workers.generation.filters.grounding.Grounding.check", return_value=None),
        # Of two equal questions the first is kept: which that is must not depend on who was quicker.
        mock.patch("workers.generation.engine.ROWS_PER_SLOT", 1),
        FakeTeacher(behaviour=the_same_to_the_same) as server,
    ):
        teacher = TeacherReference(
            source="endpoint", url=server.url, model=ModelReference(name="teacher"), profile=profile, max_in_flight=1
        )
        wanted = recipe(samples_per_leaf=8, attempts_factor=1.0, judge=True)
        order = Order(all_leaves(), wanted, teacher, random_seed=11)
        generate(order, store.artifact("made"), settings=settings, store=store, log_file=folder / "teacher.log")
        return [json.dumps(body, sort_keys=True, ensure_ascii=False) for body in server.requests]


def facts_of(requests: list[str]) -> dict[str, Any]:
    """What is kept of them: how many, their digest, and one in full of every route that a reader may compare."""
    longest = max(requests, key=lambda line: (len(line), line))
    return {
        "count": len(requests),
        "digest": hashlib.sha256("\n".join(requests).encode()).hexdigest(),
        "longest": json.loads(longest),
    }


@pytest.fixture(scope="module")
def recorded() -> Any:
    return json.loads(RECORDED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("profile", PROFILES)
def test_the_shipped_pipeline_asks_what_was_recorded(tmp_path: Path, profile: str, recorded: dict[str, Any]) -> None:
    found = facts_of(requests_of(profile, tmp_path))
    assert found["longest"] == recorded[profile]["longest"]
    assert found == recorded[profile]


def record() -> None:
    """Write down what is asked now."""
    found = {}
    for profile in PROFILES:
        with tempfile.TemporaryDirectory() as folder:
            found[profile] = facts_of(requests_of(profile, Path(folder)))
    RECORDED.write_text(json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    record()
