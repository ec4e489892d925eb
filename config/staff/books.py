"""*Health of the books*: one page that shows whether the sums are right, each figure with a link to its rows."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.sites import UnfoldAdminSite

from accounts.models import JobRun
from billing.verification.services.retention import RETENTION_JOB
from config.operations.books import BookFigure, books_health
from metering.selectors.retention import deleted_before, kept_since, nothing_changes_before

PERMISSION: Final = "accounts.view_discrepancy"
GROUPS: Final = {
    "Checks": ("books_differences", "books_number_gaps", "books_ledger_untied"),
    "Waiting for staff": (
        "books_exceptions_open",
        "books_subscriptions_parked",
        "books_tenants_held",
        "books_tax_unconfirmed",
    ),
    "Payment providers": (
        "payment_findings",
        "payment_findings_oldest_seconds",
        "provider_differences",
        "provider_pushes_rejected",
        "inbox_events",
        "inbox_oldest_seconds",
    ),
    "Unpaid invoices": ("dunning_cases", "dunning_steps_late", "bank_entries_open", "bank_entries_oldest_days"),
    "Mails": ("mails", "mails_late_seconds"),
}
OPEN: Final = "closed_at__isempty=1&accepted_at__isempty=1"
ROWS: Final = {
    "books_differences": ("accounts_discrepancy", f"{OPEN}&found_by="),
    "books_number_gaps": ("accounts_discrepancy", f"{OPEN}&q=numbers"),
    "books_ledger_untied": ("accounts_discrepancy", f"{OPEN}&q=ledger"),
    "books_exceptions_open": ("billing_billingexception", "resolved_at__isempty=1"),
    "books_subscriptions_parked": ("billing_billingexception", "resolved_at__isempty=1"),
    "books_tenants_held": ("accounts_discrepancy", OPEN),
    "books_tax_unconfirmed": ("billing_issuer", ""),
    "payment_findings": ("collection_paymentfinding", "closed_at__isempty=1&settled_at__isempty=1"),
    "payment_findings_oldest_seconds": (
        "collection_paymentfinding",
        "closed_at__isempty=1&settled_at__isempty=1&o=1",
    ),
    "provider_differences": ("collection_provideragreement", ""),
    "provider_pushes_rejected": ("collection_usagepush", "status__exact=rejected"),
    "inbox_events": ("collection_inboxevent", "status__exact="),
    "inbox_oldest_seconds": ("collection_inboxevent", ""),
    "dunning_cases": ("dunning_dunningcase", "stage__exact="),
    "dunning_steps_late": ("dunning_dunningcase", ""),
    "bank_entries_open": ("banking_bankentry", "status__exact=open"),
    "bank_entries_oldest_days": ("banking_bankentry", "status__exact=open"),
    "mails": ("notices_outboundmail", ""),
    "mails_late_seconds": ("notices_outboundmail", "status__exact=queued"),
}


@dataclass(frozen=True, slots=True)
class ShownFigure:
    """A figure and the address of its rows."""

    figure: BookFigure
    url: str


@dataclass(frozen=True, slots=True)
class RawEvents:
    """The oldest raw events, the time before which rollups are the evidence, and why no more events are deleted yet."""

    months: int
    deleted: tuple[datetime, datetime] | None
    sealed_before: datetime | None
    fixed_before: datetime | None
    waits: tuple[str, ...]
    wrong: tuple[str, ...]


def books_page(request: HttpRequest, site: UnfoldAdminSite) -> HttpResponse:
    """Show the health of the books to staff who may see what checks found."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    as_of = timezone.now()
    health = books_health(as_of)
    context = {
        **site.each_context(request),
        "title": "Health of the books",
        "as_of": as_of,
        "health": health,
        "raw_events": _raw_events(),
        "groups": [(title, _shown(health.of(name) for name in names)) for title, names in GROUPS.items()],
    }
    return TemplateResponse(request, "admin/books.html", context)


def _raw_events() -> RawEvents:
    run = JobRun.objects.filter(name=RETENTION_JOB).first()
    reasons = {} if run is None else run.summary
    return RawEvents(
        months=settings.EVENT_RETENTION_MONTHS,
        deleted=deleted_before(),
        sealed_before=kept_since(),
        fixed_before=nothing_changes_before(),
        waits=tuple(reasons.get("waits", ())),
        wrong=tuple(reasons.get("wrong", ())),
    )


def _shown(found: Iterable[tuple[BookFigure, ...]]) -> list[ShownFigure]:
    return [ShownFigure(figure, _url(figure)) for figures in found for figure in figures]


def _url(figure: BookFigure) -> str:
    table, query = ROWS[figure.name]
    if query.endswith("=") and figure.label is not None:
        query += figure.label[1]
    url = reverse(f"admin:{table}_changelist")
    return f"{url}?{query}" if query else url
