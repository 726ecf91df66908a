"""The Django application web."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "taxonomy_app.web"
    label = "web"
