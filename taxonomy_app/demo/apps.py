"""The Django application demo."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    name = "taxonomy_app.demo"
    label = "demo"
