"""What keeps an installation running: schedules, the queue, health, metrics, database roles."""

from django.apps import AppConfig


class OperationsConfig(AppConfig):
    """Holds the commands that concern every app; its `migrate` replaces Django's."""

    name = "config.operations"
    verbose_name = "Operations"
