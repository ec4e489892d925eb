"""The page for deleting the user's own account, whatever organisations they belong to."""

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts.api.session_life import require_recent_sign_in
from accounts.api.viewing import viewed_member_of
from accounts.domain.reach import WayIn, way_in
from accounts.errors import ProblemError
from accounts.services.erasure import erase_person
from portal.access import SignedInRequest, actor_of
from portal.forms.account import DeleteAccountForm
from portal.forms.problems import show_problem


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def account_delete(request: SignedInRequest) -> HttpResponse:
    """Show what is deleted and what is kept, and delete the account once the address is typed."""
    if viewed_member_of(request) is not None:
        raise PermissionDenied  # staff who view as a customer delete no account
    require_recent_sign_in(request)
    form = DeleteAccountForm(request.POST if request.method == "POST" else None, email=request.user.email)
    if form.is_valid():
        try:
            with way_in(WayIn.ERASURE):
                erase_person(
                    user=request.user, reason="Requested by the user.", actor=actor_of(request), as_of=timezone.now()
                )
        except ProblemError as error:
            show_problem(form, error)
        else:
            request.session.flush()  # signing out would name the user in the audit log again
            request.user = AnonymousUser()  # type: ignore[assignment]  # a page for a user who is signed out
            return render(request, "portal/account_deleted.html")
    context = {"form": form, "invoice_years": settings.INVOICE_RETENTION_YEARS}
    return render(request, "portal/account_delete.html", context, status=422 if form.errors else 200)
