"""What holds for a request by its path: the content security policy, and whose rows it may reach."""

from collections.abc import Callable

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.api.streams import keep_reach
from accounts.domain.reach import WayIn, way_in

ADMIN_PATH = "/admin/"
STAFF_PATHS = (ADMIN_PATH, "/hijack/")
# Where people sign in, choose, and found a tenant: pages that are nobody's, or of somebody with several tenants.
SIGN_IN_PATHS = ("/accounts/", "/start/", "/invitations/", "/pricing/")
ADMIN_POLICY = {
    "script-src": [SELF, UNSAFE_INLINE, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": [SELF, "data:", "blob:"],
}


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """django-csp's middleware, with the admin's exception stated once."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """Relax three directives below the admin's path."""
        if request.path.startswith(ADMIN_PATH):
            response._csp_update = ADMIN_POLICY  # type: ignore[attr-defined]  # noqa: SLF001 - how django-csp is told by its own decorators
        result: HttpResponseBase = super().process_response(request, response)
        return result


class ReachMiddleware:
    """Let a request reach nothing that belongs to a tenant until it has told whose it is (decision 0017).

    Staff reach everything below the admin's path. A tenant's page and a call of the API say it themselves.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer; whatever was reached on the way is not reached afterwards."""
        with way_in(_way_of(request)):
            return keep_reach(self.get_response(request))


def _way_of(request: HttpRequest) -> WayIn:
    if request.path.startswith(STAFF_PATHS):
        return WayIn.STAFF if getattr(request.user, "is_staff", False) else WayIn.SIGN_IN
    return WayIn.SIGN_IN if request.path.startswith(SIGN_IN_PATHS) else WayIn.NONE
