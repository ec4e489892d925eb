"""The pages for an organisation's data, for its owners: export and closing."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render

from accounts.domain.actor import ActorKind
from accounts.domain.roles import Capability
from accounts.domain.transitions import TenantStatus
from accounts.errors import ProblemError
from accounts.exports.domain.statuses import OPEN_STATUSES
from accounts.exports.selectors.exports import archive_of, exports_of_tenant, ready_export
from accounts.exports.services.requesting import record_download, request_export
from billing.domain.statuses import InvoiceStatus
from billing.selectors.invoicing.invoices import issued_invoices
from billing.services.subscriptions.closing import close_account
from portal.access import Portal, SignedInRequest, tenant_page
from portal.forms.data import CloseOrganisationForm
from portal.forms.problems import show_problem
from portal.money_ahead import ending

ARCHIVE_TYPE = "application/zip"


@tenant_page("settings", Capability.OWN_TENANT, methods=("GET", "HEAD", "POST"), recent=("POST",))
def data(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render the exports, or request one."""
    if request.method == "POST":
        request_export(tenant=portal.tenant, actor=portal.actor, as_of=portal.as_of)
        messages.success(request, "Your export is being prepared. We will e-mail you when it is ready.")
        return redirect("portal:data", portal.tenant.slug)
    return render(request, "portal/data.html", _context(portal))


@tenant_page("settings", Capability.OWN_TENANT)
def data_exports(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Render only the list of exports, which polls while an export is being created."""
    return render(request, "portal/data_exports.html", _context(portal))


@tenant_page("settings", Capability.OWN_TENANT, recent=("GET", "HEAD"))
def data_download(_request: SignedInRequest, portal: Portal, export_id: UUID) -> StreamingHttpResponse:
    """Stream the archive, for an owner with a recent sign-in."""
    if portal.actor.kind is not ActorKind.MEMBER:
        raise PermissionDenied  # staff who view as a customer download no archive
    export = ready_export(tenant_id=portal.tenant.pk, export_id=export_id, as_of=portal.as_of)
    record_download(export=export, actor=portal.actor, as_of=portal.as_of)
    response = StreamingHttpResponse(archive_of(export), content_type=ARCHIVE_TYPE)
    name = f"{portal.tenant.slug}-{export.requested_at:%Y-%m-%d}.zip"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@tenant_page("settings", Capability.OWN_TENANT, methods=("GET", "HEAD", "POST"), recent=("GET", "HEAD", "POST"))
def close(request: SignedInRequest, portal: Portal) -> HttpResponse:
    """Show the consequences of closing, and close once the slug is typed."""
    if portal.tenant.status == TenantStatus.CLOSED:
        return redirect("portal:data", portal.tenant.slug)
    form = CloseOrganisationForm(request.POST if request.method == "POST" else None, slug=portal.tenant.slug)
    if form.is_valid():
        try:
            close_account(tenant=portal.tenant, actor=portal.actor, as_of=portal.as_of)
        except ProblemError as error:
            show_problem(form, error)
        else:
            messages.success(request, f"{portal.tenant.name} is closed.")
            return redirect("portal:data", portal.tenant.slug)
    subscription = portal.standing.subscription
    context = {
        "portal": portal,
        "form": form,
        "subscription": subscription,
        "now": None if subscription is None else ending(subscription, portal.as_of, portal.as_of),
        "unpaid": issued_invoices(tenant_id=portal.tenant.pk).filter(status=InvoiceStatus.FINALIZED).count(),
        "invoice_years": settings.INVOICE_RETENTION_YEARS,
    }
    return render(request, "portal/close.html", context, status=422 if form.errors else 200)


def _context(portal: Portal) -> dict[str, object]:
    exports = exports_of_tenant(portal.tenant.pk)
    return {
        "portal": portal,
        "exports": exports,
        "is_under_way": any(shown.export.status in OPEN_STATUSES for shown in exports),
        "is_closed": portal.tenant.status == TenantStatus.CLOSED,
        "export_days": settings.EXPORT_RETENTION_DAYS,
        "invoice_years": settings.INVOICE_RETENTION_YEARS,
    }
