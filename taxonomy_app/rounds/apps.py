"""The Django application rounds."""

from django.apps import AppConfig


class RoundsConfig(AppConfig):
    name = "taxonomy_app.rounds"
    label = "rounds"
