"""Settings, URLs, the admin site, health: the only place that names every app."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    """The config app."""

    name = "config"
    default_auto_field = "django.db.models.BigAutoField"
