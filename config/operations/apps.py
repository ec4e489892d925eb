"""The operation of an installation: schedules, the queue, health, metrics, database roles."""

from django.apps import AppConfig

from config.operations import checks, tracing

__all__ = ["OperationsConfig", "checks"]  # importing the checks registers them


class OperationsConfig(AppConfig):
    """The app with the checks and the commands that concern every app. Its `migrate` replaces Django's."""

    name = "config.operations"
    verbose_name = "Operations"

    def ready(self) -> None:
        """Send traces from now on, if a collector is configured."""
        tracing.start_tracing()
