"""The pages after sign-up: name a tenant, choose one, or accept an invitation."""

from typing import cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.api.viewing import viewed_member_of
from accounts.domain.invitation_token import INVITATION_IN_SESSION
from accounts.domain.roles import Role
from accounts.errors import InvitationInvalidError, ProblemError
from accounts.models import User
from accounts.selectors.invitations import open_invitation
from accounts.services.members import accept_invitation
from accounts.services.tenants import open_tenant
from metering.domain.periods import is_known_zone
from portal.access import SignedInRequest, actor_of, tenants_shown
from portal.forms.people import NewTenantForm
from portal.forms.problems import show_problem
from portal.views.pricing import PLAN_IN_SESSION, address_of_choice


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def start(request: SignedInRequest) -> HttpResponse:
    """Redirect to the invitation, or to the tenant with the user's highest role; ask for a name if there is none."""
    is_viewing = viewed_member_of(request) is not None
    token = request.session.get(INVITATION_IN_SESSION)
    if token and request.method != "POST" and not is_viewing:
        return redirect("portal:invitation", token)
    shown = sorted(tenants_shown(request, request.user), key=lambda pair: list(Role).index(pair[1]))
    tenants = [tenant for tenant, _ in shown]
    if request.method != "POST" and tenants and (is_viewing or "new" not in request.GET):
        return redirect("portal:overview", tenants[0].slug)
    form = NewTenantForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        zone = form.cleaned_data["time_zone"]
        settings = {"time_zone": zone} if is_known_zone(zone) else {}
        actor, as_of = actor_of(request), timezone.now()
        try:
            tenant = open_tenant(
                name=form.cleaned_data["name"], owner=request.user, actor=actor, as_of=as_of, settings=settings
            )
        except ProblemError as error:
            show_problem(form, error)
        else:
            chosen = request.session.pop(PLAN_IN_SESSION, None)
            if chosen is not None:
                return redirect(address_of_choice(tenant, chosen))
            return redirect("portal:first_steps", tenant.slug)
    return render(request, "portal/start.html", {"form": form, "tenants": tenants}, status=422 if form.errors else 200)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Render the page of an invitation's link: the tenant, the inviter and the buttons to join."""
    try:
        found = open_invitation(token=token, as_of=timezone.now())
    except InvitationInvalidError:
        request.session.pop(INVITATION_IN_SESSION, None)
        return render(request, "portal/invitation.html", {"invitation": None}, status=404)
    if request.method == "POST" and isinstance(request.user, User):
        request.session.pop(INVITATION_IN_SESSION, None)
        return _accept(request, token)
    if request.user.is_authenticated:
        request.session.pop(INVITATION_IN_SESSION, None)
    else:
        request.session[INVITATION_IN_SESSION] = token
    after = urlencode({"next": reverse("portal:invitation", args=[token])})
    context = {
        "invitation": found,
        "is_for_me": request.user.is_authenticated and request.user.email.casefold() == found.email.casefold(),
        "login_url": f"{reverse('account_login')}?{after}",
        "signup_url": f"{reverse('account_signup')}?{after}",
    }
    return render(request, "portal/invitation.html", context)


def _accept(request: HttpRequest, token: str) -> HttpResponse:
    assert isinstance(request.user, User), "the caller has checked"
    actor = actor_of(cast("SignedInRequest", request))
    try:
        membership = accept_invitation(token=token, user=request.user, actor=actor, as_of=timezone.now())
    except ProblemError as error:
        messages.error(request, error.detail)
        return redirect("portal:invitation", token)
    messages.success(request, f"Welcome to {membership.tenant.name}.")
    return redirect("portal:overview", membership.tenant.slug)
