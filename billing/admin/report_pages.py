"""The pages of the books: an index, a page and a file for each report, and closing months."""

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin.base import StaffModelAdmin, staff_actor
from accounts.errors import ProblemError
from accounts.models import Tenant
from billing.admin.base import pdf_response
from billing.admin.invoice_list import today_of_issuer
from billing.admin.reports import REPORTS, Report, ReportQuestion
from billing.ledger.domain.months import month_after, months_between
from billing.ledger.models import ClosedMonth
from billing.ledger.selectors.months import first_open_month
from billing.ledger.selectors.statements import currencies_of, statement_of
from billing.ledger.services.closing import close_months
from billing.services.documents.papers import statement_pdf
from metering.api.csv_renderer import write_csv
from metering.domain.periods import YearMonth

SEE: Final = "ledger.view_posting"
CLOSE: Final = "ledger.add_closedmonth"
MONTHS_MAX: Final = 120
_MONTH: Final = UnfoldAdminTextInputWidget(attrs={"type": "month"})


class MonthField(forms.CharField):
    """A month as in `2026-11`. Its value is the month's first day."""

    def clean(self, value: Any) -> Any:
        """Return the first day of the month. Raise `ValidationError` if it is not one."""
        month = YearMonth.parse(str(super().clean(value)))
        if month is None:
            raise forms.ValidationError("A month, as in 2026-11.")
        return month.first_day()


class ReportForm(forms.Form):
    """The parameters of a report, without those that it does not take."""

    tenant = forms.CharField(
        required=False, max_length=50, widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "slug"})
    )
    at = forms.DateField(label="At the end of", widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}))

    def __init__(self, data: Any, report: Report) -> None:
        super().__init__(data)
        self.fields["from"] = MonthField(label="From", widget=_MONTH)
        self.fields["to"] = MonthField(label="To, included", widget=_MONTH)
        for name in set(self.fields) - report.asks:
            del self.fields[name]
        if "tenant" in self.fields:
            self.fields["tenant"].required = report.slug == "statement"

    def clean_tenant(self) -> Tenant | None:
        """Return the tenant with this slug, or none without a slug. Refuse an unknown one."""
        slug = self.cleaned_data["tenant"].strip()
        found = Tenant.objects.filter(slug=slug).first() if slug else None
        if slug and found is None:
            raise forms.ValidationError("No tenant has this slug.")
        return found

    def clean(self) -> dict[str, Any]:
        """Refuse a period that ends before it begins, or is too long to be read."""
        found = self.cleaned_data
        if "from" in found and "to" in found:
            number = len(months_between(found["from"], found["to"]))
            if not 1 <= number <= MONTHS_MAX:
                raise forms.ValidationError(f"A period has 1 to {MONTHS_MAX} months.")
        return found


class CloseForm(forms.Form):
    """The month up to which to close the books."""

    month = MonthField(widget=forms.HiddenInput)


def reports_page(page: StaffModelAdmin, request: HttpRequest) -> HttpResponse:
    """Show every report, and which months are closed; close the next one for those who may."""
    _require(request, SEE)
    if request.method == "POST":
        return _close(request)
    today, first = today_of_issuer(), first_open_month()
    context = {
        **page.admin_site.each_context(request),
        "title": "Books",
        "reports": REPORTS.values(),
        "closed": ClosedMonth.objects.all()[:MONTHS_MAX],
        "next": first if first is not None and month_after(first) <= today else None,
        "may_close": request.user.has_perm(CLOSE),
    }
    return TemplateResponse(request, "admin/billing/reports.html", context)


def report_page(page: StaffModelAdmin, request: HttpRequest, slug: str) -> HttpResponse:
    """Show one report, as a page or as a file."""
    _require(request, SEE)
    report = REPORTS.get(slug)
    if report is None:
        raise Http404
    form = ReportForm(_asked(request, report), report)
    table = report.build(_question(form)) if form.is_valid() else None
    if table is not None and request.GET.get("format") == "csv":
        response = HttpResponse(write_csv(table.columns, table.plain), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{report.slug}.csv"'
        response["Cache-Control"] = "private, no-store"
        return response
    if table is not None and request.GET.get("format") == "pdf" and report.slug == "statement":
        return _statement_pdf(_question(form))
    query = request.GET.copy()
    query["format"] = "csv"
    file_url = f"{request.path}?{query.urlencode()}"
    query["format"] = "pdf"
    context = {
        **page.admin_site.each_context(request),
        "title": report.title,
        "report": report,
        "form": form,
        "table": table,
        "file_url": file_url,
        "pdf_url": f"{request.path}?{query.urlencode()}" if report.slug == "statement" and table else "",
        "back_url": reverse("admin:reports"),
    }
    return TemplateResponse(request, "admin/billing/report.html", context)


def _statement_pdf(asked: ReportQuestion) -> HttpResponse:
    """Return the statement of a tenant's account over months; 404 if nothing was ever posted for it."""
    assert asked.tenant is not None, "a statement is a tenant's"
    found = [
        statement_of(tenant_id=asked.tenant.pk, currency=currency, first=asked.first, end=asked.end)
        for currency in currencies_of(asked.tenant.pk)
    ]
    if not found:
        raise Http404("Nothing was charged yet.")
    pdf = statement_pdf(tenant=asked.tenant, statements=found, as_of=timezone.now())
    return pdf_response(pdf, f"{asked.tenant.slug}-statement-{asked.first:%Y-%m}.pdf")


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def _close(request: HttpRequest) -> HttpResponse:
    _require(request, CLOSE)
    form = CloseForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say which month.")
        return redirect("admin:reports")
    try:
        closed = close_months(
            month=form.cleaned_data["month"],
            today=today_of_issuer(),
            actor=staff_actor(request),
            as_of=timezone.now(),
        )
    except ProblemError as error:
        messages.error(request, error.detail)
    else:
        messages.success(request, f"Closed: {', '.join(str(month) for month in closed)}.")
    return redirect("admin:reports")


def _asked(request: HttpRequest, report: Report) -> dict[str, str] | None:
    """Return the requested parameters, by default today and the year so far. A statement needs its tenant first."""
    today = today_of_issuer()
    usual = {"at": today.isoformat(), "from": f"{today:%Y}-01", "to": f"{today:%Y-%m}", "tenant": ""}
    asked = {name: request.GET.get(name, usual[name]) for name in report.asks}
    return asked if report.slug != "statement" or request.GET.get("tenant") else None


def _question(form: ReportForm) -> ReportQuestion:
    found, today = form.cleaned_data, today_of_issuer()
    return ReportQuestion(
        first=found.get("from", today),
        end=month_after(found["to"]) if "to" in found else today,
        at=found.get("at", today),
        tenant=found.get("tenant"),
    )
