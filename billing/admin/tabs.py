"""The tabs of a subscription's and a tenant's page: invoices, subscriptions, phases, payments and exceptions."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from accounts.admin.base import ReadOnlyInline
from billing.admin.contributions import show_on_page_of
from billing.admin.days import shown_days
from billing.domain.money import money_text
from billing.models import (
    BillingException,
    CreditSetOff,
    Invoice,
    InvoiceHold,
    Payment,
    PaymentAllocation,
    PaymentDispute,
    PaymentRefund,
    Subscription,
    SubscriptionPhase,
)

STATUS_LABELS = {"Trialing": "info", "Active": "success", "Past due": "danger", "Cancelled": "warning"}
PAYMENT_LABELS = {"Succeeded": "success", "Failed": "danger", "Unmatched": "warning"}
INVOICE_LABELS = {
    "Draft": "info",
    "Finalized": "primary",
    "Paid": "success",
    "Void": "warning",
    "Uncollectible": "danger",
}


class PhaseInline(ReadOnlyInline, TabularInline):
    """Phases: the plan of each, and when it began."""

    model = SubscriptionPhase
    tab = True
    hide_title = True
    fields = ("starts_on", "plan_version", "created_at")
    readonly_fields = fields
    verbose_name_plural = "phases"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows with the names of their plans."""
        return super().get_queryset(request).select_related("plan_version__plan", "subscription")

    @display(description="Begins on")
    def starts_on(self, phase: SubscriptionPhase) -> SafeString:
        """Return the customer's day, with the instant in UTC as its title."""
        return shown_days(phase.starts_at, phase.starts_at, phase.subscription.time_zone)


class InvoiceRowInline(ReadOnlyInline, TabularInline):
    """Invoices of a tenant or a subscription."""

    model = Invoice
    tab = True
    hide_title = True
    per_page = 20
    fields = ("shown_number", "state", "total", "period", "issued_on", "due_on")
    readonly_fields = fields
    verbose_name_plural = "invoices"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the invoices with the tenant's name, by which a draft is called."""
        return super().get_queryset(request).select_related("tenant", "subscription__plan_version__plan")

    @display(description="Invoice")
    def shown_number(self, invoice: Invoice) -> SafeString:
        """Return a link to the invoice's page."""
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:billing_invoice_change", args=[invoice.pk]), invoice.number or "Draft"
        )

    @display(description="Status", label=INVOICE_LABELS)
    def state(self, invoice: Invoice) -> str:
        """Return the status in words."""
        return str(invoice.get_status_display())

    @display(description="Total")
    def total(self, invoice: Invoice) -> str:
        """Return the total with its currency."""
        return money_text(invoice.total_minor, invoice.currency)

    @display(description="Period")
    def period(self, invoice: Invoice) -> SafeString:
        """Return the days it covers, in the customer's time zone."""
        return shown_days(invoice.period_start, invoice.period_end, invoice.subscription.time_zone)


class ExceptionInline(ReadOnlyInline, TabularInline):
    """Exceptions: what could not be billed."""

    model = BillingException
    tab = True
    hide_title = True
    fields = ("occurred_at", "code", "detail", "resolved_at", "resolved_by", "resolution")
    readonly_fields = fields
    show_change_link = True
    verbose_name_plural = "exceptions"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the exceptions with the subscription, by which the rows are named."""
        return super().get_queryset(request).select_related("subscription")


class SubscriptionRowInline(ReadOnlyInline, TabularInline):
    """A tenant's subscriptions, the latest first."""

    model = Subscription
    tab = True
    hide_title = True
    fields = ("plan", "state", "period", "pending_plan_version", "is_cancelled_at_period_end")
    readonly_fields = fields
    verbose_name_plural = "subscription"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows with the names of their plans."""
        rows = super().get_queryset(request)
        return rows.select_related("tenant", "plan_version__plan", "pending_plan_version__plan")

    @display(description="Plan")
    def plan(self, subscription: Subscription) -> SafeString:
        """Return a link to the subscription's page."""
        url = reverse("admin:billing_subscription_change", args=[subscription.pk])
        return format_html('<a href="{}">{}</a>', url, subscription.plan_version)

    @display(description="Status", label=STATUS_LABELS)
    def state(self, subscription: Subscription) -> str:
        """Return the status in words."""
        return str(subscription.get_status_display())

    @display(description="Period")
    def period(self, subscription: Subscription) -> SafeString:
        """Return the days of the current period, or of the last, in the customer's time zone."""
        return shown_days(subscription.period_start, subscription.period_end, subscription.time_zone)


class PaymentInline(ReadOnlyInline, TabularInline):
    """The attempts to pay an invoice."""

    model = Payment
    hide_title = True
    fields = ("occurred_at", "provider", "reference", "state", "amount", "left", "error")
    readonly_fields = fields
    verbose_name_plural = "payments"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the payments with their invoices."""
        return super().get_queryset(request).select_related("invoice__tenant")

    @display(description="Status", label=PAYMENT_LABELS)
    def state(self, payment: Payment) -> str:
        """Return the status in words."""
        return str(payment.get_status_display())

    @display(description="Amount")
    def amount(self, payment: Payment) -> SafeString:
        """Return the amount with its currency, as a link to the payment's page."""
        url = reverse("admin:billing_payment_change", args=[payment.pk])
        return format_html('<a href="{}">{}</a>', url, money_text(payment.amount_minor, payment.currency))

    @display(description="Left")
    def left(self, payment: Payment) -> str:
        """Return the amount that is neither allocated nor refunded, or an empty text if there is none."""
        return money_text(payment.unallocated_minor, payment.currency) if payment.unallocated_minor else ""


class AllocationInline(ReadOnlyInline, TabularInline):
    """Allocations: the invoices that a payment pays, or the payments that pay an invoice."""

    model = PaymentAllocation
    hide_title = True
    fields = ("created_at", "paid_invoice", "paying", "amount", "reason", "created_by")
    readonly_fields = fields
    verbose_name_plural = "allocations"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the allocations with their invoices and payments."""
        return super().get_queryset(request).select_related("invoice__tenant", "payment")

    @display(description="Invoice")
    def paid_invoice(self, row: PaymentAllocation) -> SafeString:
        """Return a link to the invoice's page."""
        url = reverse("admin:billing_invoice_change", args=[row.invoice_id])
        return format_html('<a href="{}">{}</a>', url, row.invoice)

    @display(description="Payment")
    def paying(self, row: PaymentAllocation) -> SafeString:
        """Return a link to the payment's page."""
        url = reverse("admin:billing_payment_change", args=[row.payment_id])
        return format_html('<a href="{}">{}</a>', url, row.payment.reference)

    @display(description="Amount")
    def amount(self, row: PaymentAllocation) -> str:
        """Return the amount with its currency. A negative amount takes an allocation back."""
        return money_text(row.amount_minor, row.invoice.currency)


class SetOffInline(ReadOnlyInline, TabularInline):
    """Credit of the customer's that pays an invoice."""

    model = CreditSetOff
    hide_title = True
    fields = ("created_at", "amount", "source", "reverses")
    readonly_fields = fields
    verbose_name_plural = "paid by credit"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows with the exceptions that they come from."""
        return super().get_queryset(request).select_related("exception", "invoice__tenant", "reverses__invoice__tenant")

    @display(description="Amount")
    def amount(self, row: CreditSetOff) -> SafeString:
        """Return the amount with its currency, as a link to the row's page; below 0 it takes one back."""
        url = reverse("admin:billing_creditsetoff_change", args=[row.pk])
        return format_html('<a href="{}">{}</a>', url, money_text(row.amount_minor, row.invoice.currency))

    @display(description="Credit left")
    def source(self, row: CreditSetOff) -> SafeString:
        """Return a link to the exception that says that the credit is left."""
        url = reverse("admin:billing_billingexception_change", args=[row.exception_id])
        return format_html('<a href="{}">{}</a>', url, row.exception.detail)


show_on_page_of(Invoice, SetOffInline)


class DisputeInline(ReadOnlyInline, TabularInline):
    """Disputes of a payment."""

    model = PaymentDispute
    hide_title = True
    fields = ("occurred_at", "state", "reference", "amount", "reason", "answer_by", "closed_at")
    readonly_fields = fields
    verbose_name_plural = "disputes"

    @display(description="Amount")
    def amount(self, dispute: PaymentDispute) -> str:
        """Return the amount with its currency."""
        return money_text(dispute.amount_minor, dispute.currency)


class HoldInline(ReadOnlyInline, TabularInline):
    """Why an invoice is not collected."""

    model = InvoiceHold
    hide_title = True
    fields = ("created_at", "reason")
    readonly_fields = fields
    verbose_name_plural = "on hold"


show_on_page_of(Invoice, HoldInline)


class RefundInline(ReadOnlyInline, TabularInline):
    """Refunds of a payment."""

    model = PaymentRefund
    hide_title = True
    fields = ("occurred_at", "way", "reference", "amount", "reason", "created_by")
    readonly_fields = fields
    verbose_name_plural = "refunds"

    @display(description="Amount")
    def amount(self, refund: PaymentRefund) -> str:
        """Return the amount with its currency."""
        return money_text(refund.amount_minor, refund.currency)
