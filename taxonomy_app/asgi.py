"""The ASGI application that uvicorn serves, and what a process that serves it does once at its start."""

import gc
import importlib
import os

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taxonomy_app.settings")
application = get_asgi_application()

from taxonomy_app.database import keep_connections_open  # noqa: E402  # wants the settings

keep_connections_open()
# All views, now rather than in the first request.
importlib.import_module(settings.ROOT_URLCONF)
# What is loaded by now stays as long as the process. Left to itself the collector looks through all of it every few
# hundred requests, which takes one of them tens of milliseconds; and a page makes more than 700 objects that it needs.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 50)
