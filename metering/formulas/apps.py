"""Formulas: what a meter computes of an event's properties, as pure rules."""

from django.apps import AppConfig


class FormulasConfig(AppConfig):
    """The app below metering, which knows neither meters nor events."""

    name = "metering.formulas"
    label = "formulas"
