"""The Django application contributions."""

from django.apps import AppConfig


class ContributionsConfig(AppConfig):
    name = "taxonomy_app.contributions"
    label = "contributions"
