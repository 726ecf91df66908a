"""The Django application tree."""

from django.apps import AppConfig


class TreeConfig(AppConfig):
    name = "taxonomy_app.tree"
    label = "tree"
