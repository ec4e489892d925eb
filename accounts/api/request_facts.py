"""What every room of the API reads off a request: its id, its address, its path without secrets."""

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from accounts.domain.networks import client_ip

API_PREFIX = "/api/"
SECRET_PATH_ARGUMENTS = frozenset({"token", "key", "uidb36", "code"})


def is_api_path(path: str) -> bool:
    """Whether errors below this path are problem bodies."""
    return path.startswith(API_PREFIX)


def request_id_of(request: HttpRequest | Request) -> str:
    """The id under which this request is logged; empty outside the middleware."""
    return str(getattr(request, "request_id", ""))


def address_of(request: HttpRequest | Request) -> str:
    """Where the request came from, as far as our own proxies vouch for it; empty on a local socket."""
    return client_ip(
        request.META.get("REMOTE_ADDR", ""),
        request.META.get("HTTP_X_FORWARDED_FOR", ""),
        settings.TRUSTED_PROXY_COUNT,
    )


def loggable_path(request: HttpRequest) -> str:
    """The path without its query, and without path segments that are secrets, such as an invitation's token."""
    path = request.path
    match = request.resolver_match
    for name, value in (match.kwargs if match else {}).items():
        if name in SECRET_PATH_ARGUMENTS:
            path = path.replace(str(value), "…")
    return path
