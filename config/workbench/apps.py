"""Tools for a developer's machine that production does not need: the demo, the runner, the fake Stripe."""

from django.apps import AppConfig


class WorkbenchConfig(AppConfig):
    """The app with the command that seeds the demo."""

    name = "config.workbench"
    verbose_name = "Workbench"
