"""An adopter's project for the bench: our settings, and two views that differ in one decorator."""

from typing import Any

from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.permissions import HasScope
from accounts.api.views import ApiView
from metering.api.metered import metered


class UnmeteredView(ApiView):
    """A view that any valid key may call."""

    permission_classes = [HasScope]

    def get(self, _: Request) -> Response:
        """Return the least."""
        return Response({"allowed": True})


class MeteredView(ApiView):
    """The same view, metered."""

    permission_classes = [HasScope]

    @metered()
    def get(self, _: Request) -> Response:
        """Return the least."""
        return Response({"allowed": True})


urlpatterns: list[Any] = [
    path("api/v1/plain", UnmeteredView.as_view()),
    path("api/v1/metered", MeteredView.as_view()),
    path("", include("config.urls")),
]
