"""Fixtures of the tests of rounds: a store of their own for each test, and a broker that only pretends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.taxonomy_app.rounds.making import FakeBroker


@pytest.fixture(autouse=True)
def own_artifacts(settings: Any, tmp_path: Path) -> Path:
    """Artifacts are named by their content: a shared store would let one test reuse another's work."""
    folder = tmp_path / "artifacts"
    settings.SHARED = replace(
        settings.SHARED,
        artifacts_url=f"file://{folder}",
        heartbeat_seconds=15.0,
        lost_after_seconds=90.0,
    )
    return folder


@pytest.fixture
def fake_broker(monkeypatch: pytest.MonkeyPatch) -> FakeBroker:
    from tests.taxonomy_app.rounds.making import FakeBroker

    return FakeBroker().install(monkeypatch)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run at once what waits for a commit, because the transaction around a test never lands."""

    def at_once(function: Callable[[], object], using: str | None = None, robust: bool = False) -> None:
        function()

    from django.db import transaction

    monkeypatch.setattr(transaction, "on_commit", at_once)
