"""The Django application asking."""

from django.apps import AppConfig


class AskingConfig(AppConfig):
    name = "taxonomy_app.asking"
    label = "asking"
