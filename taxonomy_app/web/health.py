"""Whether what the site needs answers: database, Redis, the taxonomy's repository, the artifact store."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import fsspec
import redis
from django.conf import settings
from django.db import DatabaseError, connection

from taxonomy_app.mail.models import Email
from taxonomy_app.web.queues import queues_now
from taxonomy_app.web.redis_client import redis_client

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """One thing that was asked. ``problem`` is the sentence for the operator, without addresses or keys."""

    name: str
    ok: bool
    seconds: float
    problem: str = ""


class HealthProblem(RuntimeError):
    """Something does not answer as it should; the message says what."""


def examine() -> list[Part]:
    """Ask each part once; one that fails does not keep the others from being asked."""
    return [_ask(name, question, sentence) for name, question, sentence in _QUESTIONS]


def queues() -> dict[str, dict[str, int]]:
    """How many workers serve each queue, and how much waits; empty where Redis does not answer.

    It says nothing about whether the site answers: a balancer must not take the pages away because a worker restarts.
    """
    try:
        found = queues_now(time.time())
    except redis.RedisError:
        return {}
    return {queue.name: {"workers": queue.workers, "waiting": queue.waiting} for queue in found}


def emails() -> dict[str, int]:
    """How many e-mails wait, and how many were not delivered lately; empty where the database does not answer."""
    try:
        return {"waiting": Email.objects.waiting().count(), "undelivered": Email.objects.undelivered().count()}
    except DatabaseError:
        return {}


def _ask(name: str, question: Callable[[], None], sentence: str) -> Part:
    begun = time.monotonic()
    try:
        question()
    except Exception:  # noqa: BLE001  # whatever a driver raises means: it does not answer
        _LOG.warning("Health: %s does not answer.", name, exc_info=True)
        return Part(name, False, time.monotonic() - begun, sentence)
    return Part(name, True, time.monotonic() - begun)


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()


def _redis() -> None:
    client = redis_client()
    try:
        client.ping()
    finally:
        client.close()


def _git() -> None:
    if not os.access(settings.TAXONOMY_REPOSITORY / "objects", os.W_OK):
        raise HealthProblem("The taxonomy's repository is missing or cannot be written.")


def _artifacts() -> None:
    filesystem, root = fsspec.core.url_to_fs(settings.SHARED.artifacts_url)
    if filesystem.protocol == "file" or "file" in filesystem.protocol:
        filesystem.makedirs(root, exist_ok=True)
        if not os.access(root, os.W_OK):
            raise HealthProblem("The artifact folder cannot be written.")
    else:
        filesystem.ls(root, detail=False)


_QUESTIONS: tuple[tuple[str, Callable[[], None], str], ...] = (
    ("database", _database, "The database does not answer."),
    ("redis", _redis, "Redis does not answer."),
    ("git", _git, "The taxonomy's repository is missing or cannot be written."),
    ("artifacts", _artifacts, "The artifact store cannot be reached or written."),
)
