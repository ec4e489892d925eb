"""Threshold alerts: members are notified when their tenant has used a share of a quota. Knows no money."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """The alerts app, inside metering."""

    name = "metering.alerts"
    label = "alerts"
    default_auto_field = "django.db.models.BigAutoField"
