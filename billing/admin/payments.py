"""Payments: their allocations to invoices, their refunds and the amounts left."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import action, display

from accounts.admin.base import Question, found_or_404, holds, staff_actor
from accounts.admin.by_state import ConfirmForm, posted
from billing.admin.base import MoneyAdmin, pdf_response
from billing.admin.payment_form import AllocateForm, RefundForm, TakeBackForm, UnassignedPaymentForm, noon_of
from billing.admin.tabs import PAYMENT_LABELS, AllocationInline, DisputeInline, RefundInline
from billing.domain.money import money_text, round_to_minor
from billing.models import Invoice, Issuer, Payment, PaymentStatus
from billing.services.documents.papers import receipt_pdf
from billing.services.invoicing.allocating import PAYABLE, allocate_payment, keep_as_credit, take_back_allocation
from billing.services.invoicing.payments import record_unassigned_payment
from billing.services.invoicing.refunding import record_refund
from metering.domain.periods import local_day


class MoneyLeftFilter(admin.SimpleListFilter):
    """Payments with an amount that is neither allocated nor refunded."""

    title = "money left"
    parameter_name = "left"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002 - Django's signature
        """Return the one choice."""
        return [("yes", "Something is left")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:  # noqa: ARG002 - Django's signature
        """Return the payments that match the choice."""
        if self.value() != "yes":
            return queryset
        left = queryset.exclude(status=PaymentStatus.FAILED)
        return left.filter(amount_minor__gt=F("allocated_minor") + F("refunded_minor"))


@admin.register(Payment)
class PaymentAdmin(MoneyAdmin):
    """Payments as providers reported them, with their allocations and refunds."""

    list_display = (
        "occurred_at", "invoice_number", "tenant_name", "state", "amount", "left", "provider", "reference", "error",
    )  # fmt: skip
    list_filter = (
        ("status", ChoicesDropdownFilter),
        "provider",
        MoneyLeftFilter,
        ("occurred_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related = ("invoice__tenant", "tenant")
    search_fields = ("reference", "invoice__number", "tenant__slug")
    fields = (
        "tenant", "invoice", "state", "provider", "reference", "amount", "allocated", "refunded", "left", "error",
        "occurred_at", "created_at",
    )  # fmt: skip
    readonly_fields = ("state", "amount", "allocated", "refunded", "left")
    inlines: ClassVar = [AllocationInline, RefundInline, DisputeInline]
    actions_detail: ClassVar = ["receipt", "allocate", "refund", "keep", "take_back"]
    actions_list: ClassVar = ["record"]

    @display(description="Invoice", ordering="invoice__number", empty_value="none")
    def invoice_number(self, payment: Payment) -> str | None:
        """Return the invoice that the payment was for."""
        return None if payment.invoice is None else str(payment.invoice)

    @display(description="Tenant", ordering="tenant__name")
    def tenant_name(self, payment: Payment) -> str:
        """Return the name of the customer who paid."""
        return payment.tenant.name

    @display(description="Status", label=PAYMENT_LABELS, ordering="status")
    def state(self, payment: Payment) -> str:
        """Return the status in words."""
        return str(payment.get_status_display())

    @display(description="Amount", ordering="amount_minor")
    def amount(self, payment: Payment) -> str:
        """Return the amount with its currency."""
        return money_text(payment.amount_minor, payment.currency)

    @display(description="Pays invoices")
    def allocated(self, payment: Payment) -> str:
        """Return the amount allocated to invoices."""
        return money_text(payment.allocated_minor, payment.currency)

    @display(description="Given back")
    def refunded(self, payment: Payment) -> str:
        """Return the amount refunded."""
        return money_text(payment.refunded_minor, payment.currency)

    @display(description="Left")
    def left(self, payment: Payment) -> str:
        """Return the amount that is neither allocated nor refunded, or an empty text if there is none."""
        return money_text(payment.unallocated_minor, payment.currency) if payment.unallocated_minor else ""

    # Actions

    has_pay_permission = holds("billing.add_payment")
    has_look_permission = holds("billing.view_payment")

    def offered(self, obj: Payment) -> frozenset[str]:
        """Return the actions that the status and the amounts left and allocated allow."""
        names = set() if obj.status == PaymentStatus.FAILED else {"receipt"}
        if obj.unallocated_minor:
            names |= {"refund", "keep"} | ({"allocate"} if self._payable(obj).exists() else set())
        if obj.allocated_minor:
            names.add("take_back")
        return frozenset(names)

    @action(description="Record a payment without an invoice", permissions=["pay"], icon="payments", url_path="record")
    def record(self, request: HttpRequest) -> HttpResponse:
        """Record a payment that names no invoice."""
        now = timezone.now()
        zone = Issuer.objects.values_list("time_zone", flat=True).get(pk=1)
        form = UnassignedPaymentForm(posted(request), local_day(now, zone))
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            return self.attempt(
                request,
                lambda: record_unassigned_payment(
                    tenant_id=given["tenant"].pk, reference=given["reference"],
                    amount_minor=round_to_minor(given["amount"], given["currency"]), currency=given["currency"],
                    occurred_at=min(noon_of(given["received_on"], zone), now), actor=staff_actor(request), as_of=now,
                ),
                said="The payment is on record: allocate it, refund it, or keep it as the customer's credit.",
                back=self.page_of(Payment()),
            )  # fmt: skip
        question = Question(
            title="Record a payment without an invoice",
            explanation="Money that a customer sent and that names no invoice. It waits as theirs until you say what it"
            " pays for.",
            button="Record the payment",
        )
        return self.confirmation_page(request, Payment(), form, question=question)

    @action(description="Receipt", permissions=["look"], icon="picture_as_pdf")
    def receipt(self, request: HttpRequest, object_id: str) -> HttpResponse:  # noqa: ARG002 - unfold's signature
        """Return the receipt of the payment as it is now."""
        payment = self._found(object_id)
        pdf = receipt_pdf(payment=payment, as_of=timezone.now())
        return pdf_response(pdf, f"receipt-{payment.pk}.pdf")

    @action(description="Allocate to an invoice", permissions=["pay"], icon="call_merge")
    def allocate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Allocate the payment to an invoice."""
        payment = self._found(object_id)
        return self.decide(
            request,
            payment,
            AllocateForm(posted(request), payment, self._payable(payment)),
            lambda given: allocate_payment(
                payment_id=payment.pk, invoice_id=UUID(given["invoice"]),
                amount_minor=round_to_minor(given["amount"], payment.currency), reason=given["reason"],
                actor=staff_actor(request), as_of=timezone.now(),
            ),
            name="allocate",
            said=lambda invoice: f"{invoice} is {invoice.get_status_display().lower()}: "
            f"{money_text(invoice.amount_due_minor, invoice.currency)} are due.",
            question=Question(
                title=f"Allocate {payment.reference}",
                explanation=f"{self.left(payment)} of it pay for nothing yet.",
                button="Allocate",
            ),
        )  # fmt: skip

    @action(description="Take back from an invoice", permissions=["pay"], icon="undo")
    def take_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Withdraw the payment's allocation from an invoice, which is owed again."""
        payment = self._found(object_id)
        paid = Invoice.objects.filter(allocations__payment=payment).select_related("tenant").distinct()
        return self.decide(
            request,
            payment,
            TakeBackForm(posted(request), paid),
            lambda given: take_back_allocation(
                payment_id=payment.pk, invoice_id=UUID(given["invoice"]), reason=given["reason"],
                actor=staff_actor(request), as_of=timezone.now(),
            ),
            name="take_back",
            said="The invoice is owed again, and the money waits for you.",
            question=Question(
                title=f"Take {payment.reference} back from an invoice?",
                explanation="The invoice is owed again. The money is not given back by this: allocate or refund it"
                " then.",
                button="Take it back",
            ),
        )  # fmt: skip

    @action(description="Refund", permissions=["pay"], icon="currency_exchange")
    def refund(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Record a refund of the payment."""
        payment = self._found(object_id)
        now = timezone.now()
        return self.decide(
            request,
            payment,
            RefundForm(posted(request), payment),
            lambda given: self.work_of_refund(request, payment, given, now),
            name="refund",
            said=self.said_of_refund,
            question=Question(
                title=f"Refund {payment.reference}",
                explanation=f"{self.left(payment)} of it can be given back. The payment provider gives it back if you"
                " choose that way and enter no reference. Otherwise this only records what was given back elsewhere.",
                button="Refund",
            ),
        )

    def work_of_refund(self, request: HttpRequest, payment: Payment, given: dict[str, Any], now: datetime) -> object:
        """Record the refund."""
        return record_refund(
            payment_id=payment.pk, amount_minor=round_to_minor(given["amount"], payment.currency), way=given["way"],
            reference=given["reference"], reason=given["reason"], occurred_at=now, actor=staff_actor(request),
            as_of=now,
        )  # fmt: skip

    def said_of_refund(self, done: Any) -> str:
        """Return the message after a refund."""
        return f"{money_text(done.amount_minor, done.currency)} are given back."

    @action(description="Keep as credit", permissions=["pay"], icon="savings")
    def keep(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Keep the amount left as credit for the next invoices, after a confirmation."""
        payment = self._found(object_id)
        return self.decide(
            request,
            payment,
            ConfirmForm(posted(request)),
            lambda _: keep_as_credit(payment_id=payment.pk, actor=staff_actor(request), as_of=timezone.now()),
            name="keep",
            said="Kept: the customer's next invoices take it.",
            question=Question(
                title=f"Keep {self.left(payment)} as credit of {payment.tenant}?",
                explanation="The customer's next invoices are paid from it when they are finalized.",
                button="Keep it",
            ),
        )

    def _payable(self, payment: Payment) -> QuerySet[Invoice]:
        found: QuerySet[Invoice] = Invoice.objects.of_tenant(payment.tenant_id).filter(
            status__in=PAYABLE, currency=payment.currency
        )
        return found.order_by("due_on", "number")

    def _found(self, object_id: str) -> Payment:
        return found_or_404(Payment.objects.select_related("tenant"), object_id)
