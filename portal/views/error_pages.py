"""The error pages, in the portal's frame, with the id under which the request is logged."""

import sys

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string

from accounts.api.outages import is_outage, outage_page
from accounts.api.request_facts import request_id_of
from accounts.api.viewing import viewed_member_of


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Return the page for a malformed request."""
    return _page(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Return the page for an action that the user may not take."""
    return _page(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Return the page for an unknown address."""
    return _page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the page for an internal error, or for an outage in a middleware, such as that of sessions."""
    if is_outage(sys.exception()):
        return outage_page(request)
    return _page(request, 500)


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Return the page for a form without a valid CSRF token."""
    return _page(request, 403)


def _page(request: HttpRequest, status: int) -> HttpResponse:
    """Render without the request: neither session nor database is needed, whatever has failed.

    Staff who view as a customer still see the button to stop.
    """
    viewed = viewed_member_of(request)
    context: dict[str, object] = {"request_id": request_id_of(request), "viewing": viewed}
    if viewed is not None:
        context["csrf_token"] = get_token(request)
    page = render_to_string(f"{status}.html", context)
    return HttpResponse(page, status=status)
