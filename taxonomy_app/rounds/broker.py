"""What rounds ask of Redis: send a stage to the GPU workers, see if it still waits there, ask an attempt to stop."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from django.conf import settings
from kombu.exceptions import OperationalError
from redis.backoff import NoBackoff
from redis.retry import Retry

from taxonomy_app.celery import app
from workers.asking.specs import ASKING_QUEUE
from workers.specs import RUN_STAGE_TASK, STAGE_QUEUE, StageReference, StageSpec, cancel_key

log = logging.getLogger(__name__)

# A cancelled attempt's message may lie in the queue for long before a worker takes it and looks.
CANCEL_SECONDS = 14 * 24 * 3600
# A person may be waiting for the answer; the reaper comes back anyway.
_ONCE_MORE = Retry(NoBackoff(), 1)
# Where kombu keeps what a worker has taken and not yet acknowledged (kombu.transport.redis, Channel.unacked_key).
_UNACKNOWLEDGED = "unacked"


def task_id(reference: StageReference) -> str:
    """The name under which an attempt's message can be found again."""
    return f"stage-{reference.stage_id}-{reference.attempt}"


def redis_connection() -> redis.Redis:
    """A connection to the broker's Redis; ``redis+socket://`` is kombu's spelling of redis-py's ``unix://``."""
    url = settings.SHARED.redis_url
    parts = urlsplit(url)
    if parts.scheme == "redis+socket":
        database = parse_qs(parts.query).get("virtual_host", ["0"])[0]
        return redis.Redis(unix_socket_path=parts.path, db=int(database), socket_timeout=5, retry=_ONCE_MORE)
    return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5, retry=_ONCE_MORE)


def stage_send(spec: StageSpec) -> bool:
    """Put an attempt into its queue. False if Redis does not answer: the reaper sends a new attempt later."""
    name, queue = task_id(spec.reference), STAGE_QUEUE[spec.reference.kind]
    return job_send(RUN_STAGE_TASK, spec.model_dump(mode="json"), queue=queue, name=name)


def job_send(task: str, spec: dict[str, Any], *, queue: str, name: str) -> bool:
    """Put a job for the GPU workers into ``queue``, to be found again under ``name``. False if Redis is away."""
    try:
        app.send_task(task, kwargs={"spec": spec}, queue=queue, task_id=name)
    except (OperationalError, OSError, redis.RedisError):
        log.exception("Redis does not answer; %s was not sent.", name)
        return False
    return True


def task_send(name: str, **arguments: str) -> bool:
    """Put a short job into the default queue. False if Redis does not answer."""
    try:
        app.send_task(name, kwargs=arguments)
    except (OperationalError, OSError, redis.RedisError):
        log.exception("Redis does not answer; %s was not sent.", name)
        return False
    return True


def stop_ask(references: Iterable[StageReference]) -> bool:
    """Ask attempts to stop as soon as they look. False if Redis does not answer: the reaper asks again."""
    return stop_keys(cancel_key(reference) for reference in references)


def stop_keys(keys: Iterable[str]) -> bool:
    """As :func:`stop_ask`, by the keys that the attempts look at."""
    try:
        with redis_connection() as connection:
            for key in keys:
                connection.set(key, "1", ex=CANCEL_SECONDS)
    except redis.RedisError:
        log.exception("Redis does not answer; no attempt was asked to stop.")
        return False
    return True


class Waiting:
    """Which attempts lie in the broker, as seen at one instant.

    ``in_queue``: nobody has taken the message. ``taken``: a worker has taken it and not begun (a busy worker takes one
    in advance); the message outlives a worker that was killed in that moment.
    """

    def __init__(self, in_queue: frozenset[str], taken: frozenset[str]) -> None:
        self.in_queue = in_queue
        self.taken = taken


def waiting_attempts() -> Waiting | None:
    """Look into the queues of the GPU workers. None if Redis does not answer.

    A message that moves from the queue to a worker between the two readings is seen in at least one of them, because
    the queue is read first.
    """
    try:
        with redis_connection() as connection:
            queues = sorted({*STAGE_QUEUE.values(), ASKING_QUEUE})
            queued = [item for queue in queues for item in connection.lrange(queue, 0, -1)]
            taken = connection.hvals(_UNACKNOWLEDGED)
    except redis.RedisError:
        log.exception("Redis does not answer; its queues cannot be read.")
        return None
    return Waiting(
        frozenset(filter(None, (_message_id(json.loads(item)) for item in queued))),
        # An unacknowledged entry is [message, exchange, routing key].
        frozenset(filter(None, (_message_id(json.loads(item)[0]) for item in taken))),
    )


def _message_id(message: object) -> str | None:
    if not isinstance(message, dict):
        return None
    found = message.get("headers", {}).get("id")
    return found if isinstance(found, str) else None
