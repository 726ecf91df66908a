"""The web's Celery: short jobs on the queue ``default``, long ones on ``transfers`` (``web/queues.py``).

GPU work is only sent from here, by task name.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import worker_ready, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taxonomy_app.settings")
app = Celery("taxonomy_app")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

_presence: list[Any] = []


@worker_ready.connect(weak=False)
def _say_that_it_is_there(sender: Any, **_: Any) -> None:
    from taxonomy_app.web.queues import Presence

    presence = Presence(sorted(sender.app.amqp.queues.consume_from), sender.hostname)
    _presence.append(presence)
    presence.begin()


@worker_shutting_down.connect(weak=False)
def _say_that_it_goes(**_: Any) -> None:
    while _presence:
        _presence.pop().end()
