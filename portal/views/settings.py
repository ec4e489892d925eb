"""The page of a tenant's settings, for owners and admins."""

from django.contrib import messages
from django.forms.models import model_to_dict
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.api.session_life import require_recent_sign_in
from accounts.domain.roles import Capability
from accounts.errors import ProblemError
from accounts.services.tenants import update_tenant
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.problems import show_problem
from portal.forms.settings import SettingsForm


@tenant_page("settings", Capability.MANAGE_TENANT, methods=("GET", "HEAD", "POST"))
def settings(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the form, or save it."""
    initial = model_to_dict(portal.tenant, fields=list(SettingsForm.base_fields))
    form = SettingsForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid() and "billing_email" in form.changed_data:
        require_recent_sign_in(request)  # invoices go there
    if form.is_valid() and _save(request, portal, form):
        return redirect("portal:settings", portal.tenant.slug)
    return render(request, "portal/settings.html", {"portal": portal, "form": form}, status=422 if form.errors else 200)


def _save(request: SignedInRequest, portal: Portal, form: SettingsForm) -> bool:
    """Save the form and return whether it was saved; a refusal is shown in the form."""
    try:
        update_tenant(tenant=portal.tenant, changes=form.cleaned_data, actor=portal.actor, as_of=portal.as_of)
    except ProblemError as error:
        show_problem(form, error)
        return False
    messages.success(request, "Settings saved.")
    return True
