"""Connections to the database that a web process keeps open between requests.

Under ASGI each request runs in a thread of its own, so a connection that belongs to a thread ends with its request.
Opening one costs a request some milliseconds, on SQLite (its functions and pragmas) as on PostgreSQL (a process of the
server's). Celery's workers, which fork and run one job at a time, and commands keep none.
"""

from __future__ import annotations

import atexit

from django.conf import settings
from django.db import connections


def keep_connections_open() -> None:
    """From now on this process keeps ``SEEDBED_DATABASE_POOL`` connections; call it before the first query.

    On PostgreSQL it also uses no more at once: a request waits for a free one (psycopg's pool). SQLite has readers
    without limit, so there only what is idle is bounded (``database.sqlite3``).
    """
    most = settings.DATABASE_POOL
    options = connections.settings["default"].setdefault("OPTIONS", {})
    if not most:
        return
    if connections["default"].vendor == "postgresql":
        options["pool"] = {"min_size": 1, "max_size": most, "name": "seedbed"}
        # The pool's own threads must have ended when the interpreter goes.
        atexit.register(connections["default"].close_pool)
    else:
        options["pool"] = most
