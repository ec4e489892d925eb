"""Rules by a request's path: the content security policy, the rows in reach, and whether there is a session."""

from collections.abc import Callable
from typing import Final

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from accounts.api.middleware import render_exception
from accounts.api.streams import keep_reach
from accounts.domain.reach import WayIn, way_in
from accounts.sql import drop_dead_connection

# Programs call these with a key, a token, a signature or nothing, and frames of other sites without a cookie.
PATHS_WITHOUT_SESSION: Final = ("/api/v1/", "/embed/", "/webhooks/", "/healthz", "/readyz", "/metrics", "/.well-known/")
# Staff may call these with their session.
PATHS_OF_STAFF: Final = ("/api/v1/operator/",)
ADMIN_PATH = "/admin/"
STAFF_PATHS = (ADMIN_PATH, "/hijack/")
# Sign-in, the price list and the start page: they belong to no tenant, or to a user with several.
SIGN_IN_PATHS = ("/accounts/", "/start/", "/invitations/", "/pricing/")
ADMIN_POLICY = {
    "script-src": [SELF, UNSAFE_INLINE, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:", "blob:"],
}


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """django-csp's middleware, with an exception for the admin."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Lower three directives below the admin's path."""
        if request.path.startswith(ADMIN_PATH):
            response._csp_update = ADMIN_POLICY  # type: ignore[attr-defined]  # noqa: SLF001 - how django-csp is told by its own decorators
        result: HttpResponseBase = super().process_response(request, response)
        return result


class ReachMiddleware:
    """Middleware that lets a request reach no tenant's rows until its tenant is known (decision 0017).

    Staff reach everything below the admin's path. A tenant's page and a call of the API set the reach themselves.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response. Reset the reach afterwards."""
        with way_in(_way_of(request)):
            return keep_reach(self.get_response(request))


def _way_of(request: HttpRequest) -> WayIn:
    if request.path.startswith(STAFF_PATHS):
        return WayIn.STAFF if getattr(request.user, "is_staff", False) else WayIn.SIGN_IN
    return WayIn.SIGN_IN if request.path.startswith(SIGN_IN_PATHS) else WayIn.NONE


class SessionlessMiddleware:
    """Middleware that lets a program's call skip the middleware of pages: sessions, messages, CSRF, sign-in, htmx.

    So a cookie in the request costs no query, and the call works even if sessions cannot be read. What such a call
    needs of the skipped middleware is done here: the host is checked, no tenant is in reach until the call names one,
    and the response has its length.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response
        self._call = convert_exception_to_response(_Views().respond)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the response, on either path."""
        drop_dead_connection()
        response = self._call(request) if takes_no_session(request) else self._get_response(request)
        assert isinstance(response, HttpResponseBase), "this handler is synchronous"
        return response


def takes_no_session(request: HttpRequest) -> bool:
    """Return whether no view at this path uses a session."""
    path = request.path_info
    return path.startswith(PATHS_WITHOUT_SESSION) and not path.startswith(PATHS_OF_STAFF)


class _Views(BaseHandler):
    """Django's innermost handler, which resolves and calls the view."""

    _view_middleware = ()
    _template_response_middleware = ()
    _exception_middleware = (render_exception,)

    def respond(self, request: HttpRequest) -> HttpResponseBase:
        """Call the view. Raises `DisallowedHost`."""
        request.get_host()
        with way_in(WayIn.NONE):
            response = keep_reach(self._get_response(request))  # type: ignore[attr-defined] # not in the stubs
        if isinstance(response, HttpResponse):
            response.headers.setdefault("Content-Length", str(len(response.content)))
        return response
