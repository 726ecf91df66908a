"""The queues: what goes into which, that a worker serves each, and that the health page knows."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deploy.supervisor import Supervisor
from taxonomy_app.celery import app
from taxonomy_app.web import queues
from taxonomy_app.web.queues import QUEUES, Presence, presence_write, queues_now
from taxonomy_app.web.redis_client import redis_client

LONG = {"seedbed.exchange.run", "seedbed.exchange.tick", "seedbed.tree.vectors", "seedbed.tree.maintain"}


def test_what_may_take_minutes_has_a_queue_of_its_own() -> None:
    app.loader.import_default_modules()
    app.autodiscover_tasks(force=True)
    ours = sorted(name for name in app.tasks if name.startswith("seedbed."))
    routed = {name: app.amqp.router.route({}, name)["queue"].name for name in ours}
    assert {name for name, queue in routed.items() if queue == "transfers"} == LONG
    assert {name for name, queue in routed.items() if queue == "default"} == set(ours) - LONG
    assert "seedbed.contributions.outbox" in ours


def test_the_supervisor_starts_a_worker_for_each_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: dict[str, list[str]] = {}
    monkeypatch.setattr(Supervisor, "_add", lambda self, name, command, *more: commands.update({name: command}))
    for step in ("_claim", "_check_port", "_check_disk", "_wait"):
        monkeypatch.setattr(Supervisor, step, lambda self, *more: None)
    # Its own would take away the socket of the tests' Redis.
    monkeypatch.setattr(Supervisor, "_redis_command", lambda self: ["redis"])
    Supervisor().start()
    served = {
        command[command.index("-Q") + 1]: command[command.index("-c") + 1]
        for name, command in commands.items()
        if name.startswith("worker-") and "taxonomy_app" in command
    }
    assert served == dict.fromkeys(QUEUES, "1")


@pytest.mark.django_db
def test_health_counts_workers_and_what_waits(redis_url: str, client: Client, settings: Any) -> None:
    # Workers whose clock is ahead, so that nothing here depends on how fast the test is.
    now = time.time() + 3600
    redis = redis_client()
    presence_write(redis, ["default", "transfers"], "one@here", now)
    presence_write(redis, ["transfers"], "two@here", now)
    presence_write(redis, ["default"], "dead@here", time.time() - queues.GONE_SECONDS - 1)
    redis.rpush("transfers", "a message")
    told = client.get(reverse("web:health")).json()
    assert told["queues"] == {
        "default": {"workers": 1, "waiting": 0},
        "transfers": {"workers": 2, "waiting": 1},
    }
    assert told["emails"] == {"waiting": 0, "undelivered": 0}
    redis.close()


def test_a_worker_is_there_from_its_begin_to_its_end(redis_url: str) -> None:
    presence = Presence(["default"], "one@here")
    presence.begin()
    until = time.monotonic() + 20
    while queues_now(time.time())[0].workers == 0:
        assert time.monotonic() < until, "the worker never said that it is there"
        time.sleep(0.01)
    presence.end()
    assert queues_now(time.time())[0].workers == 0
