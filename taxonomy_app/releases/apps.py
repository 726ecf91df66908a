"""The Django application releases."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class ReleasesConfig(AppConfig):
    name = "taxonomy_app.releases"
    label = "releases"

    def ready(self) -> None:
        from taxonomy_app.releases.baselines import baselines_load

        post_migrate.connect(baselines_load, sender=self, dispatch_uid="releases.baselines")
