"""Facts about a request that the whole API uses: its id, its address, its path without secrets."""

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from accounts.domain.networks import client_ip

API_PREFIX = "/api/"
SECRET_PATH_ARGUMENTS = frozenset({"token", "key", "uidb36", "code"})


def is_api_path(path: str) -> bool:
    """Return whether errors below this path are problem bodies."""
    return path.startswith(API_PREFIX)


def request_id_of(request: HttpRequest | Request) -> str:
    """Return the id under which this request is logged; empty outside the middleware."""
    return str(getattr(request, "request_id", ""))


def address_of(request: HttpRequest | Request) -> str:
    """Return the caller's address as our own proxies report it; empty on a local socket."""
    return client_ip(
        request.META.get("REMOTE_ADDR", ""),
        request.META.get("HTTP_X_FORWARDED_FOR", ""),
        settings.TRUSTED_PROXY_COUNT,
    )


def loggable_path(request: HttpRequest) -> str:
    """Return the path without its query and without secret segments, such as an invitation's token."""
    path = request.path
    match = request.resolver_match
    for name, value in (match.kwargs if match else {}).items():
        if name in SECRET_PATH_ARGUMENTS:
            path = path.replace(str(value), "…")
    return path
