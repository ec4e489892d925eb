"""The list of invoices: its filters, and the sums of its rows."""

from datetime import date
from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter
from unfold.views import ChangeList

from billing.domain.money import money_text
from billing.domain.statuses import InvoiceStatus
from billing.models import Invoice, Issuer
from metering.domain.periods import YearMonth, local_day

MONTHS_SHOWN = 24


def today_of_issuer() -> date:
    """Return today's date in the issuer's time zone. Invoices due before it are overdue."""
    return local_day(timezone.now(), Issuer.objects.values_list("time_zone", flat=True).get(pk=1))


class OverdueFilter(admin.SimpleListFilter):
    """Invoices that are overdue, and those with a failed payment."""

    title = "payment"
    parameter_name = "payment"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the two choices."""
        return [("overdue", "Overdue"), ("failed", "Payment failed")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the invoices that match the choice."""
        if self.value() == "overdue":
            return queryset.filter(status=InvoiceStatus.FINALIZED, due_on__lt=today_of_issuer())
        if self.value() == "failed":
            return queryset.filter(status=InvoiceStatus.FINALIZED, payment_failed_at__isnull=False)
        return queryset


class IssuedMonthFilter(DropdownFilter):
    """A filter by the month of issue."""

    title = "issued in"
    parameter_name = "issued_in"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the months of the last two years, the newest first."""
        month = YearMonth.of(timezone.now().date())
        texts = [month.plus(-number).isoformat() for number in range(MONTHS_SHOWN)]
        return [(text, text) for text in texts]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the invoices issued in the month, or all of them if no month is chosen."""
        month = YearMonth.parse(self.value() or "")
        if month is None:
            return queryset
        return queryset.filter(issued_on__gte=month.first_day(), issued_on__lt=month.plus(1).first_day())


class InvoiceChangeList(ChangeList):
    """The list of invoices, with the sums of the filtered rows by currency and status."""

    def get_results(self, request: HttpRequest) -> None:
        """Sum once for the whole list, not only for its page."""
        super().get_results(request)
        sums = (
            self.queryset.order_by("currency", "status")
            .values_list("currency", "status")
            .annotate(number=Count("pk"), total=Sum("total_minor"))
        )
        labels = dict(Invoice._meta.get_field("status").choices or [])  # noqa: SLF001 - Django documents it
        self.sums = [
            {"status": labels[status], "number": number, "total": money_text(int(total), currency)}
            for currency, status, number, total in sums
        ]
