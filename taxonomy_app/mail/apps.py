"""The Django application mail."""

from django.apps import AppConfig


class MailConfig(AppConfig):
    name = "taxonomy_app.mail"
    label = "mail"
