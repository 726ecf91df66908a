from django.apps import AppConfig


class ExchangeConfig(AppConfig):
    """Import, export, remotes, documents from elsewhere."""

    name = "taxonomy_app.exchange"
