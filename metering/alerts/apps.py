"""Threshold alerts: who has used which share of a quota is told so. Knows no money."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """The alerts app, inside metering."""

    name = "metering.alerts"
    label = "alerts"
    default_auto_field = "django.db.models.BigAutoField"
