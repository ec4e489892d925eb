"""What a developer's machine needs and production does not: the demo, the runner, the fake Stripe."""

from django.apps import AppConfig


class WorkbenchConfig(AppConfig):
    """Holds the command that seeds the demo."""

    name = "config.workbench"
    verbose_name = "Workbench"
