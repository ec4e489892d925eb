"""Paths of the lake app's API, below /api/v1/."""

from django.urls import URLPattern, path

from metering.lake.api.sql import UsageSqlView

urlpatterns: list[URLPattern] = [
    path("usage/sql", UsageSqlView.as_view(), name="api-usage-sql"),
]
