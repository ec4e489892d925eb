"""Viewing as a customer: staff see the portal as one member of one tenant, for a while, and change nothing.

The session stays that of the member of staff. While it holds a viewing, each request has the member as its user. So the
factors that staff proved at sign-in are neither lost nor lent, and a viewing ends when one entry is removed.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from accounts.admin.base import staff_actor
from accounts.api.authentication import presents_key
from accounts.api.problems import render_problem
from accounts.api.request_facts import address_of, is_api_path, request_id_of
from accounts.api.second_factor import must_prove
from accounts.api.viewing import VIEWING_IN_SESSION, ViewedMember, viewed_member_of
from accounts.domain.reach import WayIn, way_in
from accounts.domain.viewing import Viewing, ViewingEnd
from accounts.errors import PermissionMissingError
from accounts.models import Membership, User
from accounts.services.viewing import REASON_CHARACTERS_MAX, begin_viewing, end_viewing

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# Pages that are the same for everyone. The portal's pages are open too, except those about or for the person alone.
OPEN_TO_EVERYONE: Final = frozenset({"healthz", "readyz", "metrics", "schema", "api-docs"})
ABOUT_THE_PERSON: Final = frozenset({"security", "invitation", "pricing_choose", "data_download", "close"})
WAY_OUT: Final = "hijack:release"
_AT_AN_END: Final = {
    ViewingEnd.STOPPED: "You no longer view as {member}.",
    ViewingEnd.TIME: "Your time to view as {member} has run out. Nothing was changed.",
    ViewingEnd.STAFF: "You no longer view as {member}: you may no longer view as a customer. Nothing was changed.",
    ViewingEnd.MEMBER: "You no longer view as {member}: they are no longer a member. Nothing was changed.",
}


class ViewingMiddleware:
    """Middleware that sets the member as the request's user during a viewing, and refuses all but the tenant's pages.

    It comes after the middleware that tracks sessions, so that the member's list of sessions does not gain one.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Load the viewing, or end one that is over: then the request does nothing else."""
        facts = _facts_in_session(request)
        if facts is not None:
            viewing, as_of = Viewing.from_facts(facts), timezone.now()
            with way_in(WayIn.STAFF):
                membership = _membership(tenant_id=viewing.tenant_id, pk=viewing.membership_id)
                how = ViewingEnd.STAFF if must_prove(request) else _end_of(viewing, request.user, membership, as_of)
                if how is not None:
                    return _end(request, viewing, how, as_of)
            assert membership is not None, "a viewing without a member is over"
            request.viewing = ViewedMember(viewing, membership)  # type: ignore[attr-defined]
            request.user = membership.user
        return self.get_response(request)

    def process_view(
        self,
        request: HttpRequest,
        _view: Callable[..., HttpResponseBase],
        _args: Sequence[object],
        _kwargs: Mapping[str, object],
    ) -> HttpResponse | None:
        """Refuse what is not open while viewing, with a page that says so and links to the way out."""
        if viewed_member_of(request) is None or is_open(request):
            return None
        if is_api_path(request.path):
            return render_problem(
                request, PermissionMissingError("You cannot do this while you view as a customer. Stop viewing first.")
            )
        context = {"is_change": request.method not in SAFE_METHODS}
        response = render(request, "portal/viewing_refused.html", context, status=403)
        add_never_cache_headers(response)
        return response


@never_cache
@require_POST
@login_required
def begin(request: HttpRequest) -> HttpResponse:
    """Begin to view as a member of a tenant, with a reason."""
    staff = request.user
    if not isinstance(staff, User) or not may_view_as_customer(staff):
        raise PermissionDenied
    membership, reason = _asked_for(request), request.POST.get("reason", "").strip()[:REASON_CHARACTERS_MAX]
    if membership is None or not reason:
        return render(request, "400.html", {"request_id": request_id_of(request)}, status=400)
    viewing = begin_viewing(
        membership=membership,
        reason=reason,
        lasts_at_most=timedelta(minutes=settings.VIEWING_MINUTES),
        actor=staff_actor(request),
        as_of=timezone.now(),
    )
    request.session[VIEWING_IN_SESSION] = viewing.as_facts()
    return redirect("portal:overview", membership.tenant.slug)


@never_cache
@require_POST
def release(request: HttpRequest) -> HttpResponse:
    """Stop viewing, and redirect to the tenant's page in the admin."""
    viewed = viewed_member_of(request)
    if viewed is None:
        raise PermissionDenied
    return _end(request, viewed.viewing, ViewingEnd.STOPPED, timezone.now())


def may_view_as_customer(staff: User | AnonymousUser) -> bool:
    """Return whether the person may view as a customer: active staff with the permission."""
    return (
        isinstance(staff, User) and staff.is_active and staff.is_staff and staff.has_perm("accounts.view_as_customer")
    )


def is_customer(user: User) -> bool:
    """Return whether staff may view as this user: never as a colleague."""
    return bool(user.is_active and not user.is_staff and not user.is_superuser)


def _facts_in_session(request: HttpRequest) -> dict[str, Any] | None:
    """Return what the session stores of a viewing. A call with a key uses no session."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or (is_api_path(request.path) and presents_key(request)):
        return None
    facts: dict[str, Any] | None = request.session.get(VIEWING_IN_SESSION)
    return facts


def _membership(**criteria: object) -> Membership | None:
    return Membership.objects.filter(**criteria).select_related("user", "tenant").first()


def _asked_for(request: HttpRequest) -> Membership | None:
    """Return the membership that the form names, if it is a customer's."""
    try:
        tenant_id, user_id = UUID(request.POST.get("tenant", "")), int(request.POST.get("user_pk", ""))
    except ValueError:
        return None
    membership = _membership(tenant_id=tenant_id, user_id=user_id)
    return membership if membership is not None and is_customer(membership.user) else None


def _end_of(
    viewing: Viewing, staff: User | AnonymousUser, membership: Membership | None, as_of: datetime
) -> ViewingEnd | None:
    """Return why the viewing is over, or None while it lasts."""
    if staff.pk != viewing.staff_id or not may_view_as_customer(staff):
        return ViewingEnd.STAFF
    if membership is None or not is_customer(membership.user):
        return ViewingEnd.MEMBER
    return ViewingEnd.TIME if viewing.ends_at <= as_of else None


def _end(request: HttpRequest, viewing: Viewing, how: ViewingEnd, as_of: datetime) -> HttpResponse:
    """Record the end, remove the viewing from the session, and redirect to the page on which it began."""
    end_viewing(
        viewing=viewing, how=how, as_of=as_of, ip=address_of(request) or None, request_id=request_id_of(request)
    )
    del request.session[VIEWING_IN_SESSION]
    messages.info(request, _AT_AN_END[how].format(member=viewing.member_label))
    back = "/" if how is ViewingEnd.STAFF else reverse("admin:accounts_tenant_change", args=[viewing.tenant_id])
    is_part = request.headers.get("HX-Request") == "true"  # a part of a page that refreshes itself
    return HttpResponseClientRedirect(back) if is_part else redirect(back)


def is_open(request: HttpRequest) -> bool:
    """Return whether the address is open while viewing: the tenant's pages, read-only, and the way out."""
    match = request.resolver_match
    assert match is not None, "the view is known"
    if request.method not in SAFE_METHODS:
        return match.view_name == WAY_OUT
    if match.view_name in OPEN_TO_EVERYONE:
        return True
    return match.namespaces == ["portal"] and match.url_name not in ABOUT_THE_PERSON
