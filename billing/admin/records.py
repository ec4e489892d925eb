"""Credit notes, credit that pays invoices, and the exceptions that staff resolve."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action, display

from accounts.admin.base import Question, found_or_404, holds, staff_actor
from accounts.admin.by_state import posted
from accounts.admin.records import as_block
from billing.admin.base import ApprovalForm, MoneyAdmin, WhyForm, document_response
from billing.domain.invoicing.plausibility import UNUSUAL_AMOUNT
from billing.domain.money import money_text
from billing.models import BillingException, CreditNote, CreditSetOff, DocumentFile
from billing.services.invoicing.exceptions import CREDIT_LEFT, approve_amount, resolve_exception


@admin.register(CreditNote)
class CreditNoteAdmin(MoneyAdmin):
    """Credit notes over an invoice or a part of one. Staff issue one on the invoice's page."""

    list_display = ("number", "of_invoice", "tenant", "total", "issued_on", "reason", "issued_by")
    list_filter = ("currency", ("issued_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("invoice__tenant", "part_of__tenant", "tenant")
    search_fields = ("number", "invoice__number", "part_of__number", "tenant__name", "tenant__slug")
    fields = (
        "number", "of_invoice", "tenant", "goes_to", "subtotal", "tax", "total", "reason", "issued_on",
        "issued_at", "issued_by", "content_digest",
        "said",
    )  # fmt: skip
    readonly_fields = ("of_invoice", "subtotal", "tax", "total", "said")
    actions_detail: ClassVar = ["pdf"]

    @display(description="Subtotal")
    def subtotal(self, note: CreditNote) -> str:
        """Return the amount without tax, with its currency."""
        return money_text(note.subtotal_minor, note.currency)

    @display(description="Tax")
    def tax(self, note: CreditNote) -> str:
        """Return the amount with its currency."""
        return money_text(note.tax_minor, note.currency)

    @display(description="Total", ordering="total_minor")
    def total(self, note: CreditNote) -> str:
        """Return the amount with its currency."""
        return money_text(note.total_minor, note.currency)

    @display(description="What it says")
    def said(self, note: CreditNote) -> SafeString:
        """Return the stored content as a block."""
        return as_block(note.content)

    has_look_permission = holds("billing.view_creditnote")

    def offered(self, obj: CreditNote) -> frozenset[str]:
        """Return the action that shows the PDF, once it is rendered."""
        return frozenset({"pdf"} if DocumentFile.objects.filter(pk=obj.number).exists() else ())

    @action(description="PDF", permissions=["look"], icon="picture_as_pdf")
    def pdf(self, request: HttpRequest, object_id: str) -> HttpResponse:  # noqa: ARG002 - unfold's signature
        """Return the stored PDF."""
        return document_response(found_or_404(CreditNote.objects.all(), object_id).number)


@admin.register(CreditSetOff)
class CreditSetOffAdmin(MoneyAdmin):
    """Credit that no invoice followed, and that paid other invoices of the customer. A run of invoicing adds them."""

    list_display = ("created_at", "tenant", "invoice", "amount", "state", "exception")
    list_filter = (("created_at", RangeDateTimeFilter),)
    list_filter_submit = True
    list_select_related = ("tenant", "invoice__tenant", "exception")
    search_fields = ("tenant__name", "tenant__slug", "invoice__number")
    fields = ("tenant", "invoice", "amount", "state", "exception", "reverses", "created_at")
    readonly_fields = ("amount", "state")

    @display(description="Amount", ordering="amount_minor")
    def amount(self, row: CreditSetOff) -> str:
        """Return the amount with its currency."""
        return money_text(row.amount_minor, row.invoice.currency)

    @display(description="State", label={"Pays": "success", "Takes back": "warning"})
    def state(self, row: CreditSetOff) -> str:
        """Return whether it pays the invoice, or takes back what another row paid."""
        return "Pays" if row.amount_minor > 0 else "Takes back"


@admin.register(BillingException)
class BillingExceptionAdmin(MoneyAdmin):
    """Exceptions for staff: usage that could not be billed, payments that settle nothing, credit left over."""

    list_display = ("occurred_at", "tenant", "what", "detail", "amount", "state", "resolved_by")
    list_filter = (("resolved_at", admin.EmptyFieldListFilter), "code")
    list_select_related = ("subscription__tenant", "subscription__plan_version__plan", "invoice__tenant", "payment")
    search_fields = ("code", "detail", "subscription__tenant__slug", "subscription__tenant__name")
    ordering = (F("resolved_at").desc(nulls_first=True), "-occurred_at")
    fields = (
        "subscription_link", "invoice_link", "payment_link", "code", "detail", "amount", "state", "occurred_at",
        "resolved_at", "resolved_by", "resolution",
    )  # fmt: skip
    readonly_fields = ("subscription_link", "invoice_link", "payment_link", "amount", "state")
    actions_detail: ClassVar = ["approve", "resolve"]

    @display(description="What", ordering="code")
    def what(self, exception: BillingException) -> str:
        """Return the code as words."""
        return exception.code.replace("_", " ").capitalize()

    @display(description="Tenant", ordering="subscription__tenant__name")
    def tenant(self, exception: BillingException) -> str:
        """Return the name of the tenant."""
        return exception.subscription.tenant.name

    @display(description="State", label={"Open": "danger", "Resolved": "success", "Approved": "success"})
    def state(self, exception: BillingException) -> str:
        """Return the state as a label."""
        return self.state_of(exception).capitalize()

    @display(description="Subscription")
    def subscription_link(self, exception: BillingException) -> SafeString:
        """Return a link to the subscription's page."""
        url = reverse("admin:billing_subscription_change", args=[exception.subscription_id])
        return format_html('<a href="{}">{}</a>', url, exception.subscription)

    @display(description="Draft", empty_value="none")
    def invoice_link(self, exception: BillingException) -> SafeString | None:
        """Return a link to the draft that is not finalized."""
        if exception.invoice is None:
            return None
        url = reverse("admin:billing_invoice_change", args=[exception.invoice_id])
        return format_html('<a href="{}">{}</a>', url, exception.invoice)

    @display(description="Payment", empty_value="none")
    def payment_link(self, exception: BillingException) -> SafeString | None:
        """Return a link to the payment's page, on which staff allocate, refund or keep the money."""
        if exception.payment is None:
            return None
        url = reverse("admin:billing_payment_change", args=[exception.payment_id])
        return format_html('<a href="{}">{}</a>', url, exception.payment.reference)

    @display(description="Amount", ordering="amount_minor", empty_value="")
    def amount(self, exception: BillingException) -> str | None:
        """Return the amount in question with its currency."""
        if exception.amount_minor is None:
            return None
        of = exception.payment or exception.subscription
        return money_text(exception.amount_minor, of.currency)

    def state_of(self, obj: Any) -> str:
        """Return `open`, `resolved` or `approved`."""
        if obj.resolved_at is None:
            return "open"
        return "approved" if obj.is_approved else "resolved"

    has_resolve_permission = holds("billing.change_billingexception")

    def offered(self, obj: BillingException) -> frozenset[str]:
        """Return the actions of an open exception, none if it is resolved or its payment has money left."""
        if obj.resolved_at is not None or (obj.payment is not None and obj.payment.unallocated_minor):
            return frozenset()
        return frozenset({"approve", "resolve"} if obj.code == UNUSUAL_AMOUNT else {"resolve"})

    @action(description="Approve amount", permissions=["resolve"], icon="price_check")
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Approve the amount that staff saw, for a reason, so that the draft can be finalized at it."""
        rows = BillingException.objects.select_related("subscription__tenant", "invoice__tenant")
        exception = found_or_404(rows, object_id)
        amount = self.amount(exception)
        return self.decide(
            request,
            exception,
            ApprovalForm(posted(request), seen_minor=exception.amount_minor),
            lambda given: approve_amount(
                exception=exception,
                seen_minor=given["seen_minor"],
                reason=given["reason"],
                actor=staff_actor(request),
                as_of=timezone.now(),
            ),
            name="approve",
            said=f"Approved: the next run of invoicing finalizes it at {amount}, and parks it at any other amount.",
            question=Question(
                title=f"Bill {amount} to {exception.subscription.tenant}?",
                explanation=f"{exception.detail} Exactly this amount is approved: if usage arrives until it is"
                " finalized, it waits for you again.",
                button=f"Bill {amount}",
            ),
        )

    @action(description="Resolve", permissions=["resolve"], icon="check_circle")
    def resolve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Resolve the exception with a note, so that the subscription is billed again."""
        exception = found_or_404(BillingException.objects.select_related("subscription__tenant"), object_id)
        follows = (
            "The subscription is looked at again by the next run of invoicing."
            if exception.payment_id is None and exception.code != CREDIT_LEFT
            else "It is only taken off the list: decide about the money on the page of the payment or the invoice."
        )
        return self.decide(
            request,
            exception,
            WhyForm(posted(request), help_text="Describe how it was resolved."),
            lambda given: resolve_exception(
                exception=exception, resolution=given["reason"], actor=staff_actor(request), as_of=timezone.now()
            ),
            name="resolve",
            said=f"Resolved. {follows}",
            question=Question(
                title=f"Resolve {exception.code} of {exception.subscription.tenant}?",
                explanation=f"{exception.detail} {follows}",
                button="Resolve",
            ),
        )
