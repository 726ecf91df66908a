"""The Django application releases."""

from django.apps import AppConfig


class ReleasesConfig(AppConfig):
    name = "taxonomy_app.releases"
    label = "releases"
