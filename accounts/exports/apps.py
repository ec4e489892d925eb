"""Exports: all data of a tenant, in one archive created by a job."""

from django.apps import AppConfig


class ExportsConfig(AppConfig):
    """The exports app, inside accounts."""

    name = "accounts.exports"
    label = "exports"
    default_auto_field = "django.db.models.BigAutoField"
