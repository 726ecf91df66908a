"""The GPU workers' Celery: ``celery -A workers.celery worker -Q teacher,tuning,evaluation,asking -c 1``.

One stage at a time, acknowledged when it begins: with Redis, late acknowledgement plus the visibility timeout would run
a long stage twice. A lost attempt is found by its silence (the web's reaper), not by the broker.
"""

from __future__ import annotations

import ctypes
import logging
import mmap
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from celery import Celery
from celery.signals import worker_process_init, worker_ready, worker_shutting_down

from workers.asking.specs import ASKING_QUEUE
from workers.environment import SharedSettings, shared_settings
from workers.listening import Presence
from workers.specs import STAGE_QUEUE

PR_SET_PDEATHSIG = 1  # prctl(2)
# A pool process that was asked to end by a signal of its own ends this long after its stage stopped.
LAST_SECONDS = 5.0

log = logging.getLogger(__name__)

settings: SharedSettings = shared_settings()
app = Celery("workers", include=["workers.tasks"])
app.conf.update(
    broker_url=settings.redis_url,
    broker_connection_retry_on_startup=True,
    # Without an answer for this long the connection is dead; the reporter tries again.
    broker_transport_options={"socket_connect_timeout": 5, "socket_keepalive": True},
    task_queues={name: {} for name in sorted({*STAGE_QUEUE.values(), ASKING_QUEUE})},
    task_ignore_result=True,
    task_acks_late=False,
    task_serializer="json",
    accept_content=["json"],
    timezone="UTC",
    worker_concurrency=1,
    worker_prefetch_multiplier=1,
    # A stage that waits its turn stays in the queue, where any free worker can take it.
    worker_disable_prefetch=True,
    # Memory that a stage leaves behind is given back when its process ends.
    worker_max_tasks_per_child=8,
    worker_send_task_events=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
)

# The worker, in the worker and in what it forks.
_loaded_by = os.getpid()
# One byte shared by the worker and the pool processes that it forks: not zero once a shutdown was asked for.
_shutdown = mmap.mmap(-1, 1)


class _PoolProcess:
    """What a pool process knows of its own end."""

    busy = False
    asked_to_end = False


def shutdown_requested() -> bool:
    """Whether this worker is shutting down; a running stage stops at its next look."""
    return _shutdown[0] != 0 or _PoolProcess.asked_to_end


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _tell_pool(**_: Any) -> None:
    _shutdown[0] = 1


@worker_ready.connect  # type: ignore[untyped-decorator]
def _say_that_we_listen(**_: Any) -> None:
    """So that a page can tell a person whether anybody will answer."""
    Presence(settings.redis_url, sorted(app.amqp.queues.consume_from)).start()


def _on_terminate(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM of a pool process: an idle one ends at once, a busy one lets its stage stop in good order."""
    _PoolProcess.asked_to_end = True
    if not _PoolProcess.busy:
        sys.exit(0)


def stage_begins() -> None:
    _PoolProcess.busy = True


def stage_ended() -> None:
    """After the last report: a process that was asked to end by a signal does so soon, with or without its parent."""
    _PoolProcess.busy = False
    if _PoolProcess.asked_to_end:
        end = threading.Timer(LAST_SECONDS, os._exit, args=(0,))
        end.daemon = True
        end.start()


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _bind_to_parent(**_: Any) -> None:
    """Die with the worker, whatever kills it; otherwise a stage would go on unseen beside its successor."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getpid() != _loaded_by and os.getppid() != _loaded_by:
        os._exit(1)  # the worker died between the fork and the line above
    signal.signal(signal.SIGTERM, _on_terminate)
