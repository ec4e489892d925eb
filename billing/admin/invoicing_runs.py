"""The page from which staff run invoicing: a preview, then the run in the background, and its progress.

The code of the run computes the preview. The preview writes nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django_q.tasks import async_task
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.admin.base import StaffModelAdmin, staff_actor
from accounts.admin.records import OUTCOME_LABELS
from accounts.models import JobOutcome, JobRun, Tenant
from accounts.services.audit import AuditTarget, record_audit
from billing.admin.days import shown_days
from billing.domain.money import money_text
from billing.selectors.invoicing.computation import Computation, Unbillable
from billing.selectors.invoicing.due import Due
from billing.services.invoicing.running import (
    INVOICING_JOB,
    INVOICING_OF_SOME_JOB,
    computed_only,
    plan_invoices,
)
from metering.domain.periods import YearMonth

TASK: Final = "billing.tasks.run_invoicing"
ROWS_SHOWN: Final = 200
RUNS_SHOWN: Final = 10
MONTHS_SHOWN: Final = 12
COUNTS: Final = ("drafted", "finalized", "parked")
WAITED_FOR: Final = timedelta(minutes=2)


class RunForm(forms.Form):
    """Which invoices a run covers."""

    month = forms.ChoiceField(
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Invoices that are due by the end of the month are included.",
    )
    tenant = forms.CharField(
        required=False,
        max_length=50,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "slug"}),
        help_text="Empty: all tenants.",
    )

    def __init__(self, data: Any, this_month: YearMonth) -> None:
        super().__init__(data)
        months = [this_month.plus(-number).isoformat() for number in range(MONTHS_SHOWN)]
        self.fields["month"].choices = [("", "Whatever is due"), *((text, text) for text in months)]  # type: ignore[attr-defined]
        self.found: Tenant | None = None

    def clean_tenant(self) -> str:
        """Check that the tenant exists, and remember it."""
        slug = str(self.cleaned_data["tenant"]).strip()
        if slug:
            self.found = Tenant.objects.filter(slug=slug).first()
            if self.found is None:
                raise forms.ValidationError("No tenant has this slug.")
        return slug

    def due(self) -> Due:
        """Return the month and the tenants that the form asks for."""
        return Due(
            tenant_ids=None if self.found is None else (self.found.pk,),
            month=YearMonth.parse(self.cleaned_data["month"]),
        )


def run_page(page: StaffModelAdmin, request: HttpRequest) -> HttpResponse:
    """Show the form, the preview of a valid request, and the latest runs; start a run on `POST`."""
    as_of = timezone.now()
    asked = request.POST or (request.GET if "month" in request.GET else None)
    form = RunForm(asked, YearMonth.of(as_of.date()))
    is_valid = asked is not None and form.is_valid()
    if request.method == "POST" and is_valid:
        return _start(request, form, as_of)
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": "Run invoicing",
        "form": form,
        "plan": _shown_plan(plan_invoices(as_of=as_of, due=form.due())) if is_valid else None,
        **_runs(request.GET.get("started", ""), as_of),
        "back_url": reverse("admin:billing_invoice_changelist"),
    }
    return TemplateResponse(request, "admin/billing/run.html", context)


def _start(request: HttpRequest, form: RunForm, as_of: datetime) -> HttpResponse:
    actor, month = staff_actor(request), form.cleaned_data["month"] or None
    tenants = None if form.found is None else [str(form.found.pk)]
    record_audit(
        actor=actor,
        action="invoicing.started",
        tenant_id=None if form.found is None else form.found.pk,
        target=AuditTarget("job", "", INVOICING_JOB),
        after={"month": month, "tenant": form.cleaned_data["tenant"] or None},
        as_of=as_of,
    )
    name = f"invoicing, asked for by {actor.label}"[:100]
    async_task(TASK, actor.label, month, tenants, group=INVOICING_JOB, task_name=name)
    messages.success(request, "The run is queued. It shows below as soon as a worker has taken it.")
    return redirect(f"{request.path}?started={int(as_of.timestamp())}")


def _shown_plan(planned: Sequence[Computation]) -> dict[str, object]:
    names = Tenant.objects.in_bulk({found.state.tenant_id for found in planned})
    totals: dict[str, int] = defaultdict(int)
    invoices = computed_only(planned)
    for invoice in invoices:
        totals[invoice.state.currency] += invoice.total_minor
    parked = [found for found in planned if isinstance(found, Unbillable)]
    return {
        "invoices": [
            {
                "tenant": names[invoice.state.tenant_id],
                "days": shown_days(*invoice.state.covered, invoice.state.time_zone),
                "lines": len(invoice.lines),
                "tax": money_text(invoice.tax_minor, invoice.state.currency),
                "total": money_text(invoice.total_minor, invoice.state.currency),
            }
            for invoice in invoices[:ROWS_SHOWN]
        ],
        "number": len(invoices),
        "more": max(0, len(invoices) - ROWS_SHOWN),
        "totals": [money_text(total, currency) for currency, total in sorted(totals.items())],
        "parked": [
            {"tenant": names[found.state.tenant_id], "code": found.code, "detail": found.detail}
            for found in parked[:ROWS_SHOWN]
        ],
        "parked_number": len(parked),
    }


def _runs(started: str, as_of: datetime) -> dict[str, object]:
    """Return the latest runs, and whether the page should reload by itself."""
    runs = list(JobRun.objects.filter(name__in=[INVOICING_JOB, INVOICING_OF_SOME_JOB])[:RUNS_SHOWN])
    since = int(started) if started.isascii() and started.isdigit() and len(started) <= len("1790000000") else 0
    is_young = since >= (as_of - WAITED_FOR).timestamp()
    has_shown = any(run.started_at.timestamp() >= since for run in runs)
    is_running = any(run.outcome == JobOutcome.RUNNING for run in runs)
    shown = [
        {
            "run": run,
            "outcome": run.get_outcome_display(),
            "kind": OUTCOME_LABELS[run.get_outcome_display()],
            "counts": {name: run.summary[name] for name in COUNTS if name in run.summary},
            "words": run.summary.get("first") or run.summary.get("error") or "",
        }
        for run in runs
    ]
    is_waiting = is_young and not has_shown
    return {"runs": shown, "is_waiting": is_waiting, "looks_again": is_running or is_waiting, "started": since}
