"""A client of the installation's Redis for short questions of pages and workers."""

from __future__ import annotations

import redis
from django.conf import settings

_SECONDS = 2.0


def redis_client() -> redis.Redis:
    """A client that gives up soon; the caller closes it."""
    url = settings.SHARED.redis_url
    # Celery spells a unix socket redis+socket://, redis-py unix://.
    if url.startswith("redis+socket://"):
        url = "unix://" + url.removeprefix("redis+socket://")
    return redis.Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
