"""Invoices with all that they were computed from, and the actions of staff on them."""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList as DjangoChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display

from accounts.admin.base import Question, found_or_404, holds, staff_actor
from accounts.admin.by_state import ConfirmForm, posted
from accounts.domain.numbers import number_text, unit_name
from accounts.notices.models import OutboundMail
from billing.admin.base import MoneyAdmin, WhyForm, document_response
from billing.admin.contributions import contributed_inlines
from billing.admin.credit_form import CreditForm, previewed_credit, said_again
from billing.admin.days import shown_days
from billing.admin.invoice_list import InvoiceChangeList, IssuedMonthFilter, OverdueFilter, today_of_issuer
from billing.admin.invoicing_runs import run_page
from billing.admin.payment_form import PaymentForm, PurchaseOrderForm, noon_of
from billing.admin.previews import shown_taxes
from billing.admin.tabs import INVOICE_LABELS, AllocationInline, PaymentInline
from billing.admin.wording import shown_steps
from billing.domain.money import money_text, round_to_minor
from billing.domain.statuses import InvoiceStatus
from billing.models import CreditNote, CreditTarget, DocumentFile, Invoice, InvoiceKind, Issuer
from billing.selectors.invoicing.crediting import left_of
from billing.selectors.invoicing.invoices import own_currency_of, taxes_of_invoice, was_mailed
from billing.selectors.write_offs import written_off_minor
from billing.services.invoicing.crediting import CREDITABLE_IN_PART, credit_in_part
from billing.services.invoicing.finalizing import finalize_now
from billing.services.invoicing.payments import record_manual_payment
from billing.services.invoicing.purchase_orders import set_purchase_order
from billing.services.invoicing.reissuing import reissue_invoice
from billing.services.invoicing.staff_actions import (
    CREDITABLE,
    issue_credit_note,
    mark_uncollectible,
    resend_invoice,
    void_invoice,
)
from metering.domain.periods import local_day

KEPT = "Kept with the invoice, and in the tenant's audit log."
PAYABLE = frozenset({InvoiceStatus.FINALIZED, InvoiceStatus.UNCOLLECTIBLE})


@admin.register(Invoice)
class InvoiceAdmin(MoneyAdmin):
    """Invoices: what customers owe and what they paid."""

    list_display = ("shown_number", "tenant_name", "state", "total", "period", "issued", "due")
    list_filter = (("status", ChoicesDropdownFilter), "currency", IssuedMonthFilter, OverdueFilter)
    list_filter_submit = True
    list_select_related = ("tenant", "subscription")
    preview_template = "admin/billing/ask_credit.html"
    list_before_template = "admin/billing/invoice_sums.html"
    search_fields = ("number", "tenant__name", "tenant__slug")
    search_help_text = "A number, a tenant's name or slug."
    change_form_before_template = "admin/billing/invoice.html"
    fieldsets = (
        (
            "Record",
            {
                "classes": ["collapse"],
                "fields": (
                    "subscription", "merchant_of_record", "boundary", "revision", "lines_digest", "drafted_at",
                    "computed_at",
                    "finalize_after", "finalized_at",
                ),
            },
        ),
    )  # fmt: skip
    inlines: ClassVar = [PaymentInline]
    actions_detail: ClassVar[list[Any]] = [
        "pdf", "finalize", "purchase_order", "record_payment", "resend",
        {"title": "More", "items": [
            "issue_again", "credit_in_part", "issue_credit_note", "mark_uncollectible", "void",
        ]},
    ]  # fmt: skip
    actions_list: ClassVar = ["run_invoicing"]

    # The list

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[DjangoChangeList]:  # noqa: ARG002 - Django's signature
        """Return the list that shows sums."""
        return InvoiceChangeList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the invoices, and remember today's date, which decides whether one is overdue."""
        self._today = today_of_issuer()
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows

    @display(description="Invoice", ordering="number")
    def shown_number(self, invoice: Invoice) -> SafeString:
        """Return the number, or "Draft" for a draft, which has none."""
        return in_a_line(invoice.number or "Draft")

    @display(description="Issued on", ordering="issued_on", empty_value="not yet")
    def issued(self, invoice: Invoice) -> SafeString | None:
        """Return the day of issue in the issuer's time zone."""
        return in_a_line(invoice.issued_on) if invoice.issued_on else None

    @display(description="Tenant", ordering="tenant__name")
    def tenant_name(self, invoice: Invoice) -> str:
        """Return the name of the customer who owes it."""
        return invoice.tenant.name

    @display(description="Status", ordering="status", label=INVOICE_LABELS)
    def state(self, invoice: Invoice) -> str:
        """Return the status in words."""
        return str(invoice.get_status_display())

    @display(description="Total", ordering="total_minor")
    def total(self, invoice: Invoice) -> str:
        """Return the total with its currency."""
        return money_text(invoice.total_minor, invoice.currency)

    @display(description="Period", ordering="period_start")
    def period(self, invoice: Invoice) -> SafeString:
        """Return the days it covers, in the customer's time zone."""
        return shown_days(invoice.period_start, invoice.period_end, invoice.subscription.time_zone)

    @display(description="Due", ordering="due_on", header=True)
    def due(self, invoice: Invoice) -> list[str]:
        """Return the due day, and below it whether the invoice is overdue or its payment failed."""
        return ["" if invoice.due_on is None else in_a_line(invoice.due_on), self.trouble_of(invoice)]

    def due_text(self, invoice: Invoice) -> str:
        """Return the amount due with its currency."""
        return money_text(invoice.amount_due_minor, invoice.currency)

    def trouble_of(self, invoice: Invoice) -> str:
        """Return why staff should look at it: overdue, payment failed, both or an empty text."""
        if invoice.status != InvoiceStatus.FINALIZED:
            return ""
        is_overdue = invoice.due_on is not None and invoice.due_on < self._today
        failed = "payment failed" if invoice.payment_failed_at else ""
        return ", ".join(filter(None, ["overdue" if is_overdue else "", failed]))

    # The page of one

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:  # noqa: ARG002 - Django's signature
        """Return the tables that have rows, and those that other apps contribute."""
        own = self.inlines if obj is not None and obj.payments.exists() else []
        own = [*own, AllocationInline] if obj is not None and obj.allocations.exists() else own
        return [*own, *contributed_inlines(obj)]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Render the page with lines, taxes, documents and mails above the record."""
        invoice = self.get_object(request, object_id)
        extra = {**(extra_context or {}), **(self._context_of(invoice) if invoice else {})}
        response: HttpResponse = super().change_view(request, object_id, form_url, extra)
        return response

    def _context_of(self, invoice: Any) -> dict[str, object]:
        currency, zone = invoice.currency, invoice.subscription.time_zone
        note = CreditNote.objects.filter(invoice=invoice).first()
        parts = invoice.credit_notes_in_part.values_list("number", flat=True)
        numbers = [number for number in (invoice.number, note and note.number, *parts) if number]
        return {
            "invoice": invoice,
            "trouble": self.trouble_of(invoice),
            "state_label": INVOICE_LABELS[invoice.get_status_display()],
            "lines": [_shown_line(line, currency, zone) for line in lines_of(invoice)],
            "period": shown_days(invoice.period_start, invoice.period_end, zone),
            "subtotal": money_text(invoice.subtotal_minor, currency),
            "taxes": shown_taxes(taxes_of_invoice(invoice), currency),
            "own_tax": _own_tax(invoice),
            "credit": money_text(invoice.carried_minor, currency),
            "total": money_text(invoice.total_minor, currency),
            "paid": money_text(invoice.amount_paid_minor, currency) if invoice.amount_paid_minor else "",
            "amount_due": self.due_text(invoice),
            "written_off": _written_off(invoice),
            "note": note,
            "parts": invoice.credit_notes_in_part.all(),
            "credited": money_text(invoice.credited_minor, currency) if invoice.credited_minor else "",
            "replaced_by": Invoice.objects.filter(replaces=invoice).first(),
            "mails": OutboundMail.objects.filter(attachment__documents__in=numbers, tenant=invoice.tenant)
            if numbers
            else [],
            "content_digest": getattr(getattr(invoice, "document", None), "content_digest", ""),
        }

    # Actions

    has_run_permission = holds("billing.add_invoice")
    has_finalize_permission = holds("billing.change_invoice")
    has_act_permission = holds("billing.change_invoice")
    has_credit_permission = holds("billing.add_creditnote")
    has_pay_permission = holds("billing.add_payment")
    has_look_permission = holds("billing.view_invoice")

    def offered(self, obj: Invoice) -> frozenset[str]:
        """Return the actions that the status allows."""
        status = InvoiceStatus(obj.status)
        names = set()
        if status is InvoiceStatus.DRAFT:
            return frozenset({"finalize", "purchase_order"})
        if DocumentFile.objects.filter(pk=obj.number or "").exists():
            names |= {"pdf"} if status is InvoiceStatus.VOID else {"pdf", "resend"}
        if status in PAYABLE:
            names |= {"record_payment"} if obj.amount_paid_minor or was_mailed(obj) else {"record_payment", "void"}
        if status is InvoiceStatus.FINALIZED:
            names.add("mark_uncollectible")
        if status in CREDITABLE and not CreditNote.objects.filter(invoice=obj).exists():
            is_whole = not obj.credited_minor
            names |= {"issue_credit_note"} if obj.total_minor and is_whole else set()
            names |= {"issue_again"} if obj.kind != InvoiceKind.MANUAL and is_whole else set()
            is_left = status in CREDITABLE_IN_PART and obj.total_minor > obj.credited_minor
            names |= {"credit_in_part"} if is_left else set()
        return frozenset(names)

    @action(description="Run invoicing", permissions=["run"], icon="play_arrow", url_path="run")
    def run_invoicing(self, request: HttpRequest) -> HttpResponse:
        """Preview a run, start it and show its progress."""
        return run_page(self, request)

    @action(description="PDF", permissions=["look"], icon="picture_as_pdf")
    def pdf(self, request: HttpRequest, object_id: str) -> HttpResponse:  # noqa: ARG002 - unfold's signature
        """Return the stored PDF."""
        return document_response(found_or_404(Invoice.objects.all(), object_id).number)

    @action(description="Finalize now", permissions=["finalize"], icon="lock")
    def finalize(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Finalize the draft before its grace period is over, after a confirmation."""
        invoice = self._found(object_id)
        return self.decide(
            request,
            invoice,
            ConfirmForm(posted(request)),
            lambda _: finalize_now(invoice_id=invoice.pk, actor=staff_actor(request), as_of=timezone.now()),
            name="finalize",
            said=lambda done: f"{done.number} is finalized: {money_text(done.total_minor, done.currency)}.",
            question=Question(
                title=f"Finalize the draft for {invoice.tenant} now?",
                explanation="It is computed once more, gets its number and never changes again. Later usage goes to "
                "the next invoice. "
                f"By itself it would be finalized from {invoice.finalize_after:%Y-%m-%d %H:%M} UTC on.",
                button="Finalize the invoice",
            ),
        )

    @action(description="Purchase order", permissions=["finalize"], icon="tag")
    def purchase_order(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Set the purchase order of this draft alone."""
        invoice = self._found(object_id)
        return self.decide(
            request,
            invoice,
            PurchaseOrderForm(posted(request), initial={"purchase_order": invoice.purchase_order or ""}),
            lambda given: set_purchase_order(
                invoice_id=invoice.pk, purchase_order=given["purchase_order"], actor=staff_actor(request),
                as_of=timezone.now(),
            ),
            name="purchase_order",
            said="The draft has its purchase order.",
            question=Question(
                title=f"Purchase order of the draft for {invoice.tenant}",
                explanation="It stands on this invoice alone, instead of the one that the customer's invoices have.",
                button="Save",
            ),
        )  # fmt: skip

    @action(description="Void", permissions=["act"], icon="block")
    def void(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Void the invoice for a reason."""
        invoice = self._found(object_id)
        return self.decide(
            request,
            invoice,
            WhyForm(posted(request), help_text=KEPT),
            lambda given: void_invoice(
                invoice_id=invoice.pk, reason=given["reason"], actor=staff_actor(request), as_of=timezone.now()
            ),
            name="void",
            said=f"{invoice} is void. No payment is due.",
            question=Question(
                title=f"Void {invoice}?",
                explanation=f"{invoice.tenant} no longer owes {self.total(invoice)}. The number stays taken. This "
                f"cannot be taken back. An invoice that was mailed, or is paid in part, is credited instead.",
                button="Void the invoice",
            ),
        )

    @action(description="Mark uncollectible", permissions=["act"], icon="money_off")
    def mark_uncollectible(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Mark the invoice as uncollectible for a reason."""
        invoice = self._found(object_id)
        return self.decide(
            request,
            invoice,
            WhyForm(posted(request), help_text=KEPT),
            lambda given: mark_uncollectible(
                invoice_id=invoice.pk, reason=given["reason"], actor=staff_actor(request), as_of=timezone.now()
            ),
            name="mark_uncollectible",
            said=f"{invoice} is uncollectible; it may still be paid.",
            question=Question(
                title=f"Give up on {invoice}?",
                explanation=f"{self.total(invoice)} stay owed and may still be paid, and the subscription is no "
                f"longer past due because of it.",
                button="Mark as uncollectible",
            ),
        )

    @action(description="Issue a credit note", permissions=["credit"], icon="undo")
    def issue_credit_note(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Issue a credit note over the whole invoice for a reason."""
        invoice = self._found(object_id)
        is_paid = invoice.status == InvoiceStatus.PAID
        outcome = (
            "What was paid is the customer's then: refund it, or let it pay another invoice."
            if is_paid or invoice.amount_paid_minor
            else "The invoice is void then."
        )
        return self.decide(
            request,
            invoice,
            WhyForm(posted(request), help_text="Printed on the credit note."),
            lambda given: issue_credit_note(
                invoice_id=invoice.pk, reason=given["reason"], actor=staff_actor(request), as_of=timezone.now()
            ),
            name="issue_credit_note",
            said=lambda note: f"{note.number} credits {invoice}: {money_text(note.total_minor, note.currency)}.",
            question=Question(
                title=f"Credit {invoice}?",
                explanation=f"The credit note credits all {self.total(invoice)}, has a number of its own and is "
                f"mailed to the customer. {outcome}",
                button="Issue the credit note",
            ),
        )

    @action(description="Credit a part", permissions=["credit"], icon="content_cut")
    def credit_in_part(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Issue a credit note over amounts of lines or one amount over all, after a preview."""
        invoice = self._found(object_id)
        form = CreditForm(posted(request), invoice, left_of(invoice))
        return self.decide(
            request,
            invoice,
            form,
            lambda given: credit_in_part(
                invoice_id=invoice.pk,
                goes_to=CreditTarget(given["goes_to"]),
                reason=given["reason"],
                actor=staff_actor(request),
                as_of=timezone.now(),
                **form.asked(given),
            ),
            name="credit_in_part",
            said=lambda note: f"{note.number} credits {money_text(note.total_minor, note.currency)} of {invoice}.",
            preview=lambda given: previewed_credit(invoice, form.asked(given)),
            question=Question(
                title=f"Credit a part of {invoice}?",
                explanation="The credit note credits amounts of single lines, or one amount spread over all lines, with"
                " their tax. It has a number of its own and is mailed to the customer. A monthly fee is offered once"
                " its period is invoiced: until then a change of plan may give some of it back.",
                button="Issue the credit note",
            ),
        )

    @action(description="Correct the buyer and issue again", permissions=["credit"], icon="autorenew")
    def issue_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the new invoice and the credit, ask for a reason, and issue both."""
        invoice = self._found(object_id)
        now = timezone.now()
        return self.decide(
            request,
            invoice,
            WhyForm(posted(request), help_text="Printed on the credit note."),
            lambda given: reissue_invoice(
                invoice_id=invoice.pk, reason=given["reason"], actor=staff_actor(request), as_of=now
            ),
            name="issue_again",
            said=lambda done: f"{done} replaces {invoice}: {money_text(done.total_minor, done.currency)}.",
            question=Question(
                title=f"Issue {invoice} again?", explanation=said_again(invoice, now), button="Issue it again"
            ),
        )

    @action(description="Record a payment", permissions=["pay"], icon="payments")
    def record_payment(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Record a payment that arrived outside a provider, and apply it to the invoice."""
        invoice = self._found(object_id)
        now = timezone.now()
        zone = Issuer.objects.values_list("time_zone", flat=True).get(pk=1)

        def work(given: dict[str, Any]) -> Invoice:
            return record_manual_payment(
                invoice_id=invoice.pk, reference=given["reference"],
                amount_minor=round_to_minor(given["amount"], invoice.currency),
                currency=invoice.currency, occurred_at=min(noon_of(given["received_on"], zone), now),
                actor=staff_actor(request), as_of=now,
            )  # fmt: skip

        return self.decide(
            request,
            invoice,
            PaymentForm(posted(request), invoice, local_day(now, zone)),
            work,
            name="record_payment",
            said=lambda done: (
                f"{done} is paid."
                if done.status == InvoiceStatus.PAID
                else f"A part of {done} is paid: {self.due_text(done)} are due."
            ),
            question=Question(
                title=f"Record a payment of {invoice}",
                explanation=f"{invoice.tenant} owes {self.due_text(invoice)}. Less pays a part of it; what is over"
                " waits as the customer's money.",
                button="Record the payment",
            ),
        )

    @action(description="Send the mail again", permissions=["act"], icon="forward_to_inbox")
    def resend(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Queue the mail with the PDF again, after a confirmation."""
        invoice = self._found(object_id)
        return self.decide(
            request,
            invoice,
            ConfirmForm(posted(request)),
            lambda _: resend_invoice(invoice_id=invoice.pk, actor=staff_actor(request), as_of=timezone.now()),
            name="resend",
            said=f"The mail of {invoice} is queued and goes out within a minute.",
            question=Question(
                title=f"Send {invoice} again?",
                explanation=f"The people of {invoice.tenant} who get its invoices are sent the mail with the same PDF "
                f"once more.",
                button="Send it again",
            ),
        )

    def _found(self, object_id: str) -> Invoice:
        found: Invoice = found_or_404(Invoice.objects.select_related("tenant"), object_id)
        return found


def in_a_line(text: object) -> SafeString:
    """Return a number or a day that does not wrap at its hyphens."""
    return format_html('<span class="staff-nowrap">{}</span>', text)


def lines_of(invoice: Invoice) -> QuerySet[Any]:
    """Return the lines of its last revision, in order."""
    return invoice.lines.filter(revision=invoice.revision).select_related("adjusts__invoice").order_by("position")


def _shown_line(line: Any, currency: str, zone: str) -> dict[str, object]:
    return {
        "position": line.position,
        "kind": line.get_kind_display(),
        "description": line.description,
        "days": shown_days(line.period_start, line.period_end, zone),
        "quantity": number_text(line.quantity),
        "unit": unit_name(line.unit, line.quantity),
        "events": line.events,
        "steps": shown_steps(line.explanation, line.amount_minor, currency),
        "amount": money_text(line.amount_minor, currency),
        "tax": "" if line.tax is None else f"{line.tax.name} {number_text(line.tax.percent)} %".strip(),
    }


def _written_off(invoice: Invoice) -> str:
    minor = written_off_minor(invoice)
    return money_text(minor, invoice.currency) if minor else ""


def _own_tax(invoice: Invoice) -> str:
    """Return the tax in the seller's currency with its rate, or an empty text if the invoice is in that currency."""
    own = own_currency_of(invoice)
    if own is None:
        return ""
    return f"{money_text(own['tax_minor'], own['currency'])}, at {own['words']}"
