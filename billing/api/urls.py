"""The API's addresses of billing, below `/api/v1/`."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
