"""The Django application api."""

from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "taxonomy_app.api"
    label = "api"
