"""Sessions end after a time without activity, and after a time in total. Those of staff end sooner.

The session itself stores when it began and when it was last used. It is written at most once a minute, not with each
request. A page that refreshes itself (htmx) does not count as activity. Programs use keys, not sessions.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ReauthenticationRequired
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.api.request_facts import is_api_path
from accounts.api.sign_in_log import note
from accounts.api.viewing import viewed_member_of
from accounts.domain.attendance import SessionLimits
from accounts.models import User

LIFE: Final = "life"
WRITTEN_EVERY: Final = timedelta(minutes=1)
ENDED: Final = {
    "idle": "You were signed out because of inactivity. Sign in to continue.",
    "lifetime": "Your session has expired. Sign in again to continue.",
}


def begin_life(request: HttpRequest) -> None:
    """Start the session's clock: the person has just signed in."""
    now = timezone.now().timestamp()
    request.session[LIFE] = {"began": now, "seen": now}


def is_recent(request: HttpRequest) -> bool:
    """Return whether the person signed in or authenticated again within `ACCOUNT_REAUTHENTICATION_TIMEOUT`.

    Staff who view as a customer have not authenticated as the customer.
    """
    if viewed_member_of(request) is not None:
        return False
    began = request.session.get(LIFE, {}).get("began", 0)
    user = request.user if isinstance(request.user, User) else None
    proven = [record["at"] for record in get_authentication_records(request, user)]
    age_seconds = timezone.now().timestamp() - max([began, *proven])
    return bool(age_seconds < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)


def require_recent_sign_in(request: HttpRequest) -> None:
    """Raise `ReauthenticationRequired` unless `is_recent`.

    allauth then asks the person to authenticate, and replays the post or returns to the page.
    """
    if not is_recent(request):
        raise ReauthenticationRequired


class SessionLifeMiddleware:
    """Middleware that ends expired sessions first of all. It comes after allauth's middleware."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """End the session, or record that it is used. A call with a key never looks a session up."""
        if settings.SESSION_COOKIE_NAME in request.COOKIES and not _is_program(request):
            user = request.user
            if isinstance(user, User):
                _attend(request, user)
        return self.get_response(request)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def sign_in_again(request: HttpRequest) -> HttpResponse:
    """Sign a person in again who has neither a password nor a second factor here."""
    if request.method == "POST":
        target = request.POST.get("next", "")
        request.session.flush()
        return redirect(f"{settings.LOGIN_URL}?{urlencode({'next': target})}")
    return render(request, "accounts/sign_in_again.html", {"next": request.GET.get("next", "")})


def _attend(request: HttpRequest, user: User) -> None:
    now = timezone.now()
    life = request.session.get(LIFE)
    if life is None:
        begin_life(request)
        UserSession.objects.create_from_request(request)
        return
    began_at, seen_at = (datetime.fromtimestamp(life[name], UTC) for name in ("began", "seen"))
    reason = _limits(user).reason_to_end(began_at=began_at, seen_at=seen_at, as_of=now)
    if reason is not None:
        note(request, "session_ended", user, reason=reason)
        request.session.flush()
        request.user = AnonymousUser()
        if not is_api_path(request.path):
            messages.info(request, ENDED[reason])
    elif now - seen_at >= WRITTEN_EVERY and not _asks_by_itself(request):
        request.session[LIFE] = life | {"seen": now.timestamp()}
        UserSession.objects.create_from_request(request)


def _limits(user: User) -> SessionLimits:
    return settings.STAFF_SESSION_LIMITS if user.is_staff else settings.SESSION_LIMITS


def _is_program(request: HttpRequest) -> bool:
    has_key = "HTTP_X_API_KEY" in request.META or "HTTP_AUTHORIZATION" in request.META
    return has_key and is_api_path(request.path)


def _asks_by_itself(request: HttpRequest) -> bool:
    return request.method == "GET" and request.headers.get("HX-Request") == "true"
