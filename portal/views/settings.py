"""The page of a tenant's settings, for owners and admins."""

from django.contrib import messages
from django.db import transaction
from django.forms.models import model_to_dict
from django.http import HttpResponse
from django.shortcuts import redirect, render

from accounts.api.session_life import require_recent_sign_in
from accounts.domain.roles import Capability
from accounts.errors import ProblemError
from accounts.services.tenants import update_tenant
from billing.models import BillingProfile
from billing.services.subscriptions.profiles import PAPER_TERMS, update_billing_profile
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.problems import show_problem
from portal.forms.settings import SettingsForm


@tenant_page("settings", Capability.MANAGE_TENANT, methods=("GET", "HEAD", "POST"))
def settings(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the form, or save it."""
    profile = BillingProfile.objects.filter(tenant=portal.tenant).first() or BillingProfile()
    initial = model_to_dict(portal.tenant, fields=list(SettingsForm.base_fields))
    initial |= {name: getattr(profile, name) for name in PAPER_TERMS}
    form = SettingsForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid() and "billing_email" in form.changed_data:
        require_recent_sign_in(request)  # invoices go there
    if form.is_valid() and _save(request, portal, form):
        return redirect("portal:settings", portal.tenant.slug)
    return render(request, "portal/settings.html", {"portal": portal, "form": form}, status=422 if form.errors else 200)


def _save(request: SignedInRequest, portal: Portal, form: SettingsForm) -> bool:
    """Save the form and return whether it was saved; a refusal is shown in the form."""
    papers = {name: form.cleaned_data[name] for name in PAPER_TERMS}
    papers["language"] = papers["language"] or form.initial["language"]
    changes = {name: value for name, value in form.cleaned_data.items() if name not in papers}
    try:
        with transaction.atomic():
            update_tenant(tenant=portal.tenant, changes=changes, actor=portal.actor, as_of=portal.as_of)
            update_billing_profile(tenant=portal.tenant, changes=papers, actor=portal.actor, as_of=portal.as_of)
    except ProblemError as error:
        show_problem(form, error)
        return False
    messages.success(request, "Settings saved.")
    return True
