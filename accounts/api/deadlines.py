"""A deadline for a request's calls to external services: payment providers, mail servers."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.gateways.deadlines import waiting_at_most


class DeadlineMiddleware:
    """Middleware that gives each request `OUTSIDE_SECONDS` for all its external calls together."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response, with the deadline set for its view."""
        with waiting_at_most(settings.OUTSIDE_SECONDS):
            return self.get_response(request)
