"""The web application: the Django project, one app per concern."""

from taxonomy_app.celery import app as celery_app

__all__ = ["celery_app"]
