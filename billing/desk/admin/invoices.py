"""Write-offs on an invoice's page: the action that asks for one, and what was written off."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from unfold.admin import TabularInline
from unfold.decorators import action, display

from accounts.admin.base import Question, ReadOnlyInline, found_or_404, holds, staff_actor
from accounts.admin.by_state import posted
from billing.admin.base import WhyForm
from billing.admin.contributions import show_on_page_of
from billing.admin.invoice_list import today_of_issuer
from billing.admin.invoices import InvoiceAdmin
from billing.desk.admin.waiting import WAITS, said_or_waits
from billing.desk.admin.writing import WriteInvoiceForm
from billing.desk.models import Approval, WriteOff
from billing.desk.selectors.limits import needs_approval
from billing.desk.services.writing_invoices import write_invoice
from billing.desk.services.writing_off import write_off_invoice
from billing.domain.money import money_text
from billing.domain.statuses import InvoiceStatus
from billing.evidence.api.evidence import evidence_response
from billing.evidence.domain.bundle import EventsShown
from billing.models import Invoice, InvoiceHold
from billing.selectors.issuer import issuers_time_zone
from billing.selectors.write_offs import unwritten_minor
from billing.services.invoicing.going_back import end_hold
from metering.domain.periods import local_day
from metering.errors import EventsDeletedError, QueryTooLargeError

admin.site.unregister(Invoice)


class WriteOffInline(ReadOnlyInline, TabularInline):
    """What was written off of an invoice."""

    model = WriteOff
    hide_title = True
    fields = ("created_at", "amount", "reason", "created_by", "approval")
    readonly_fields = fields
    verbose_name_plural = "write-offs"

    @display(description="Amount")
    def amount(self, row: WriteOff) -> str:
        """Return it with its currency."""
        return money_text(row.amount_minor, row.currency)


show_on_page_of(Invoice, WriteOffInline)


@admin.register(Invoice)
class InvoiceDeskAdmin(InvoiceAdmin):
    """The page of an invoice, with what staff decide about it by two."""

    actions_detail: ClassVar = [
        *InvoiceAdmin.actions_detail[:-1],
        {
            **InvoiceAdmin.actions_detail[-1],
            "items": [*InvoiceAdmin.actions_detail[-1]["items"], "write_off", "end_hold", "evidence"],
        },
    ]
    actions_list: ClassVar[list[Any]] = [*InvoiceAdmin.actions_list, "write_invoice"]
    has_write_permission = holds("billing.add_invoice")
    has_write_off_permission = holds("billing.change_invoice")

    def offered(self, obj: Invoice) -> frozenset[str]:
        """Return what the status allows, and a write-off if something is unpaid of an overdue or uncollectible one."""
        is_overdue = obj.status == InvoiceStatus.FINALIZED and obj.due_on is not None and obj.due_on < today_of_issuer()
        is_given_up = obj.status == InvoiceStatus.UNCOLLECTIBLE
        is_open = (is_overdue or is_given_up) and unwritten_minor(obj) > 0
        is_held = obj.status == InvoiceStatus.FINALIZED and InvoiceHold.objects.filter(invoice=obj).exists()
        names = ({"write_off"} if is_open else set()) | ({"end_hold"} if is_held else set())
        names |= set() if obj.status == InvoiceStatus.DRAFT else {"evidence"}
        return super().offered(obj) | names

    @action(description="Write an invoice", permissions=["write"], icon="edit_document", url_path="write-invoice")
    def write_invoice(self, request: HttpRequest) -> HttpResponse:
        """Show the form, and issue the invoice, or request it."""
        now = timezone.now()
        form = WriteInvoiceForm(posted(request), local_day(now, issuers_time_zone()))
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            response: HttpResponse = self.attempt(
                request,
                lambda: write_invoice(
                    tenant_id=given["tenant"].pk, items=list(form.items()), reason=given["reason"],
                    actor=staff_actor(request), as_of=now,
                ),
                said=_said_of_invoice,
                back=self.page_of(Invoice()),
            )  # fmt: skip
            return response
        question = Question(
            title="Write an invoice",
            explanation="An invoice of single items, in the currency of the customer's subscription. It gets its number"
            " and its tax at once, and never changes again. Above your limit it waits until a colleague approves it.",
            button="Issue the invoice",
        )
        template = "admin/billing/ask_items.html"
        return self.confirmation_page(request, Invoice(), form, question=question, template=template)

    @action(description="Write off", permissions=["write_off"], icon="remove_circle")
    def write_off(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the amount, and write it off with a reason, or request it."""
        invoice: Any = found_or_404(Invoice.objects.select_related("tenant"), object_id)
        now = timezone.now()
        open_minor = unwritten_minor(invoice)
        waits = needs_approval(open_minor, invoice.currency, as_of=now)
        unpaid = money_text(open_minor, invoice.currency)
        return self.decide(
            request,
            invoice,
            WhyForm(posted(request), help_text="Kept with the write-off, and in the tenant's audit log."),
            lambda given: write_off_invoice(
                invoice_id=invoice.pk, reason=given["reason"], actor=staff_actor(request), as_of=now
            ),
            name="write_off",
            said=lambda done: said_or_waits(done, f"{unpaid} of {invoice} are written off; it may still be paid."),
            question=Question(
                title=f"Write off {unpaid} of {invoice}?",
                explanation=f"What {invoice.tenant} has not paid is booked as lost and no longer among the receivables."
                " It may still be paid: as much of the write-off is taken back then."
                + (" This amount waits until a colleague approves it." if waits else ""),
                button="Ask for approval" if waits else "Write it off",
            ),
        )

    @action(description="Evidence", permissions=["look"], icon="verified")
    def evidence(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Return what the invoice was computed from as a file, with hashes in place of the customer's events."""
        invoice: Any = found_or_404(Invoice.objects.issued().select_related("tenant"), object_id)
        try:
            return evidence_response(invoice, EventsShown.HASHES)
        except (EventsDeletedError, QueryTooLargeError) as error:
            messages.warning(request, error.detail)
            return redirect(self.page_of(invoice))

    @action(description="End the hold", permissions=["write_off"], icon="play_circle")
    def end_hold(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End the hold of the invoice for a reason."""
        invoice: Any = found_or_404(Invoice.objects.select_related("tenant"), object_id)
        due = money_text(invoice.amount_due_minor, invoice.currency)
        return self.decide(
            request,
            invoice,
            WhyForm(posted(request), help_text="Kept in the tenant's audit log."),
            lambda given: end_hold(
                invoice_id=invoice.pk, reason=given["reason"], actor=staff_actor(request), as_of=timezone.now()
            ),
            name="end_hold",
            said=f"{invoice} is collected again.",
            question=Question(
                title=f"Collect {invoice} again?",
                explanation=f"{due} are due, since money that had paid it went back. They are charged to the customer's"
                " card, if there is one. To owe nothing, credit the invoice instead.",
                button="End the hold",
            ),
        )


def _said_of_invoice(done: Any) -> str:
    if isinstance(done, Approval):
        return WAITS
    return f"{done.number} is issued: {money_text(done.total_minor, done.currency)}."
