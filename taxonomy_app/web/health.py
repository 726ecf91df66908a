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
from django.db import connection

_LOG = logging.getLogger(__name__)
_REDIS_SECONDS = 2.0


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


def redis_client() -> redis.Redis:
    """A client of the installation's Redis that gives up soon; the caller closes it."""
    url = settings.SHARED.redis_url
    # Celery spells a unix socket redis+socket://, redis-py unix://.
    if url.startswith("redis+socket://"):
        url = "unix://" + url.removeprefix("redis+socket://")
    return redis.Redis.from_url(url, socket_timeout=_REDIS_SECONDS, socket_connect_timeout=_REDIS_SECONDS)


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
