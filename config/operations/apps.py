"""What keeps an installation running: schedules, the queue, health, metrics, database roles."""

from django.apps import AppConfig

from config.operations import checks

__all__ = ["OperationsConfig", "checks"]  # importing the checks registers them


class OperationsConfig(AppConfig):
    """Holds the checks and the commands that concern every app; its `migrate` replaces Django's."""

    name = "config.operations"
    verbose_name = "Operations"
