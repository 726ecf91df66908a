"""Askings without Redis: what was sent is kept, and what waits for a commit is done at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from taxonomy_app.asking import shown
from taxonomy_app.rounds import broker
from workers.asking.specs import AskingSpec


@dataclass
class SentAskings:
    """What the workers' queue was given; ``queue`` holds the names of messages that nobody has taken."""

    specs: list[AskingSpec] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    queue: set[str] = field(default_factory=set)
    listening: bool = True

    def job_send(self, _task: str, spec: dict[str, Any], *, queue: str, name: str) -> bool:
        assert queue == "asking"
        self.specs.append(AskingSpec.model_validate(spec))
        self.queue.add(name)
        return True

    def stop_keys(self, keys: Any) -> bool:
        self.stopped += list(keys)
        return True

    def waiting_attempts(self) -> broker.Waiting:
        return broker.Waiting(frozenset(self.queue), frozenset())


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> SentAskings:
    made = SentAskings()
    for name in ("job_send", "stop_keys", "waiting_attempts"):
        monkeypatch.setattr(broker, name, getattr(made, name))
    monkeypatch.setattr(shown, "somebody_listens", lambda: made.listening)

    def at_once(function: Callable[[], object], using: str | None = None, robust: bool = False) -> None:
        function()

    from django.db import transaction

    monkeypatch.setattr(transaction, "on_commit", at_once)
    return made
