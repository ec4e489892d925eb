"""Who an order is billed to: asked before anything paid begins, with the tax that follows from it."""

from copy import copy
from typing import Final

from django.forms.models import model_to_dict

from accounts.domain.tenant_settings import clean_settings
from accounts.errors import InvalidFieldsError, ProblemError
from accounts.models import Tenant
from accounts.services.tenants import update_tenant
from billing.domain.invoicing.computing import ComputedInvoice
from billing.taxlaw.domain.particulars import ADDRESS_FIELDS, has_address
from portal.access import Portal, SignedInRequest
from portal.forms.particulars import ParticularsForm
from portal.forms.problems import show_problem
from portal.forms.settings import ENGLISH

LOOK: Final = "look"  # the button that computes the tax and orders nothing, for browsers without scripts
_DECIDING: Final = ("country", "tax_id")


def lacks_address(tenant: Tenant) -> bool:
    """Return whether the tenant has to name its address before it can be billed."""
    return not has_address({name: getattr(tenant, name) for name in ADDRESS_FIELDS})


def asked_particulars(request: SignedInRequest, portal: Portal) -> ParticularsForm:
    """Return the form: with what is stored, with what was typed to look at the tax, or with what was sent."""
    stored = model_to_dict(portal.tenant, fields=list(ParticularsForm.base_fields))
    if request.method != "POST":
        return ParticularsForm(initial=stored)
    if LOOK in request.POST:
        return ParticularsForm(initial=stored | request.POST.dict())
    return ParticularsForm(request.POST, initial=stored)


def keep_particulars(portal: Portal, form: ParticularsForm) -> bool:
    """Store what was sent; return whether that was done, else the form says why not."""
    if not form.is_valid():
        return False
    try:
        update_tenant(tenant=portal.tenant, changes=form.cleaned_data, actor=portal.actor, as_of=portal.as_of)
    except ProblemError as error:
        show_problem(form, error)
        return False
    portal.tenant.refresh_from_db()
    return True


def tenant_as_typed(request: SignedInRequest, portal: Portal) -> tuple[Tenant, str]:
    """Return the tenant with the country and the tax id of the request, unsaved, and what is wrong with them."""
    sent = request.POST if request.method == "POST" else request.GET
    typed = {name: sent.get(name, getattr(portal.tenant, name)) for name in _DECIDING}
    tenant, problem = copy(portal.tenant), ""
    try:
        cleaned = clean_settings(typed)
    except InvalidFieldsError as error:
        problem = error.detail
        is_country = all(refused.pointer != "/country" for refused in error.field_errors)
        cleaned = {"country": typed["country"].strip().upper() if is_country else "", "tax_id": ""}
    for name, value in cleaned.items():
        setattr(tenant, name, value)
    return tenant, problem


def tax_problem(invoice: ComputedInvoice, tenant: Tenant) -> str:
    """Return why the tax of an order is not known, and what happens then, in the customer's words; empty if it is."""
    if not any(line.tax is not None and line.tax.problem for line in invoice.lines):
        return ""
    if not tenant.country:
        return "Choose a country to see the tax."
    return (
        f"We cannot tell the tax for a customer in {ENGLISH.territories.get(tenant.country, tenant.country)} yet. You"
        " can order: the plan begins, and your invoice waits until we have looked at it. Nothing is charged before."
    )
