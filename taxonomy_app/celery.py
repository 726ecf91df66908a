"""The web's Celery: short jobs on the queue ``default``. GPU work is only sent from here, by task name."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "taxonomy_app.settings")
app = Celery("taxonomy_app")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
