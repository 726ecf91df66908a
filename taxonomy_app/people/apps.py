"""The Django application people."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "taxonomy_app.people"
    label = "people"
