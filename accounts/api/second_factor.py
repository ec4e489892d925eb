"""Staff prove a second factor before any staff page opens, and members before the pages of a tenant that requires it.

Staff without a second factor are redirected to set one up. Staff who signed in without theirs are asked for it. This
session must have seen a code of an authenticator app, a passkey, a recovery code, or a single sign-on provider's word
that it required more than a password. `STAFF_SECOND_FACTOR` switches the check off, which production refuses.
"""

import re
from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.api.session_life import is_recent
from accounts.models import User
from accounts.selectors.second_factors import FACTORS, second_factors_of

STAFF_PATHS: Final = ("/admin/", "/hijack/")
OPEN_TO_STAFF: Final = frozenset({"/admin/logout/"})
NEEDS_RECENT_SIGN_IN: Final = re.compile(
    r"/admin/((?P<form>accounts/apikey/add/|accounts/user/add/|accounts/user/\d+/password/|accounts/tenant/[^/]+/close/)"
    r"|accounts/user/|auth/group/|account/emailaddress/)"
)


def must_prove(request: HttpRequest) -> bool:
    """Return whether a member of staff has yet to prove a second factor in this session."""
    user = request.user
    if not settings.STAFF_SECOND_FACTOR or not isinstance(user, User) or not user.is_staff:
        return False
    return not has_proven(request)


def has_proven(request: HttpRequest) -> bool:
    """Return whether the person who is signed in has proven more than a password in this session."""
    user = request.user
    assert isinstance(user, User), "the caller has checked"
    records = get_authentication_records(request, user)
    if any(record.get("method") == "socialaccount" and record.get("is_multi_factor") for record in records):
        return True
    return any(record.get("method") == "mfa" for record in records) and bool(second_factors_of(user.pk))


def must_be_recent(request: HttpRequest) -> bool:
    """Return whether the page creates a key, changes who is staff or how a person signs in, or closes a tenant."""
    found = NEEDS_RECENT_SIGN_IN.match(request.path)
    return found is not None and (request.method == "POST" or found["form"] is not None)


def note_first_factor(request: HttpRequest, user: User) -> None:
    """Count a factor that was set up in this session as proven, if it is the only one the person has.

    Setting up requires a code of the app, or a touch of the key. It would be required again a moment later, and a code
    works once. A further factor proves nothing: a person who knows only the password could add it.
    """
    factors = list(Authenticator.objects.filter(user_id=user.pk, type__in=FACTORS)[:2])
    if len(factors) == 1:
        record_authentication(request, user, "mfa", id=factors[0].pk, type=factors[0].type)


class SecondFactorMiddleware:
    """Middleware that guards every staff page. It comes after allauth's middleware, which finds the session's user.

    It comes before the middleware that shows staff a customer's pages: a viewing is begun by staff.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Redirect to the proof if it is due, else return the response."""
        if not request.path.startswith(STAFF_PATHS):
            return self.get_response(request)
        if request.path not in OPEN_TO_STAFF and must_prove(request):
            return way_to_proof(request, otherwise=reverse("admin:index"))
        if must_be_recent(request) and not is_recent(request):
            # Posted values are left out: they may hold a password, and would be stored in the session.
            way = get_adapter(request).get_reauthentication_methods(request.user)[0]["url"]
            return HttpResponseRedirect(f"{way}?{urlencode({'next': request.get_full_path()})}")
        return self.get_response(request)


@never_cache
@require_safe
@login_required
def second_factor(request: HttpRequest) -> HttpResponse:
    """Show what is needed, why, and how to set it up. Redirect once it is set up."""
    assert isinstance(request.user, User), "login_required has looked"
    target = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts=None):
        target = reverse("admin:index") if request.user.is_staff else "/"
    if has_proven(request):
        return redirect(target)
    if second_factors_of(request.user.pk):
        return HttpResponseRedirect(_asked_for(request.user, target))
    return render(request, "accounts/second_factor.html", {"next": target, "is_of_staff": must_prove(request)})


def way_to_proof(request: HttpRequest, *, otherwise: str) -> HttpResponseRedirect:
    """Redirect to the code, or to set one up. A GET returns to its page afterwards, other methods to `otherwise`."""
    assert isinstance(request.user, User), "the caller has checked"
    target = request.get_full_path() if request.method == "GET" else otherwise
    if second_factors_of(request.user.pk):
        return HttpResponseRedirect(_asked_for(request.user, target))
    return HttpResponseRedirect(f"{reverse('second_factor')}?{urlencode({'next': target})}")


def _asked_for(user: User, target: str) -> str:
    has_app = Authenticator.Type.TOTP in second_factors_of(user.pk)
    page = reverse("mfa_reauthenticate" if has_app else "mfa_reauthenticate_webauthn")
    return f"{page}?{urlencode({'next': target})}"
