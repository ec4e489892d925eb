"""The pages for what went wrong, in the portal's frame, with the id under which the request is logged."""

import sys

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string

from accounts.api.outages import is_outage, outage_page
from accounts.api.request_facts import request_id_of
from accounts.api.viewing import viewed_member_of


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Return the page for a request that is malformed."""
    return _page(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Return the page for what the user may not do."""
    return _page(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Return the page for an address that leads nowhere."""
    return _page(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the page for a fault of ours, or for an outage that a middleware met, such as that of sessions."""
    if is_outage(sys.exception()):
        return outage_page(request)
    return _page(request, 500)


def stale_form(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django's signature
    """Return the page for a form without a valid CSRF token."""
    return _page(request, 403)


def _page(request: HttpRequest, status: int) -> HttpResponse:
    """Render without the request: neither session nor database is needed, whatever has failed.

    Who views as a customer still sees the way out.
    """
    viewed = viewed_member_of(request)
    context: dict[str, object] = {"request_id": request_id_of(request), "viewing": viewed}
    if viewed is not None:
        context["csrf_token"] = get_token(request)
    page = render_to_string(f"{status}.html", context)
    return HttpResponse(page, status=status)
