"""Charges and credits on a customer's next invoice: added and cancelled here, shown beside invoice and subscription."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action, display

from accounts.admin.base import Question, ReadOnlyInline, found_or_404, holds, staff_actor
from accounts.admin.by_state import ConfirmForm, posted
from accounts.domain.numbers import number_text
from billing.admin.base import MoneyAdmin
from billing.admin.contributions import show_on_page_of
from billing.desk.admin.waiting import said_or_waits
from billing.desk.admin.writing import NextItemForm
from billing.desk.services.items import add_item, cancel_item
from billing.domain.money import money_text
from billing.models import Invoice, SingleItem, Subscription
from billing.selectors.issuer import issuers_time_zone
from metering.domain.periods import local_day

STATE_LABELS = {"Waits": "warning", "Taken": "success", "Cancelled": "info"}


class SingleItemInline(ReadOnlyInline, TabularInline):
    """The items of a subscription, or those that an invoice took."""

    model = SingleItem
    hide_title = True
    fields = ("created_at", "named", "amount", "reason", "created_by", "invoice", "cancelled_at")
    readonly_fields = fields
    verbose_name_plural = "single items"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the items with their invoices."""
        return super().get_queryset(request).select_related("invoice__tenant")

    @display(description="Item")
    def named(self, row: SingleItem) -> SafeString:
        """Return a link to the item's page."""
        url = reverse("admin:billing_singleitem_change", args=[row.pk])
        return format_html('<a href="{}">{}</a>', url, row.description)

    @display(description="Amount")
    def amount(self, row: SingleItem) -> str:
        """Return it with its currency."""
        return money_text(row.amount_minor, row.currency)


show_on_page_of(Invoice, SingleItemInline)
show_on_page_of(Subscription, SingleItemInline)


@admin.register(SingleItem)
class SingleItemAdmin(MoneyAdmin):
    """Charges and credits that the next invoice of a customer takes."""

    list_display = ("created_at", "tenant", "description", "amount", "state", "invoice", "reason", "created_by")
    list_filter = (("invoice", admin.EmptyFieldListFilter), ("cancelled_at", admin.EmptyFieldListFilter))
    list_filter_submit = True
    list_select_related = ("tenant", "invoice__tenant")
    search_fields = ("tenant__name", "tenant__slug", "invoice__number", "description", "reason")
    fields = (
        "tenant", "subscription", "description", "shown_quantity", "shown_unit_price", "amount", "first_on", "last_on",
        "tax_category", "reason", "state", "invoice", "created_at", "created_by", "cancelled_at", "cancelled_by",
    )  # fmt: skip
    readonly_fields = ("shown_quantity", "shown_unit_price", "amount", "state")
    actions_detail: ClassVar = ["cancel"]
    actions_list: ClassVar = ["add_next"]
    has_enter_permission = holds("billing.add_singleitem")
    has_cancel_permission = holds("billing.change_singleitem")

    @display(description="Quantity")
    def shown_quantity(self, row: SingleItem) -> str:
        """Return the quantity with its unit, without zeros at the end."""
        return f"{number_text(row.quantity)} {row.unit}".rstrip()

    @display(description="Unit price")
    def shown_unit_price(self, row: SingleItem) -> str:
        """Return the price of one, without zeros at the end. Below 0 it is a credit."""
        return f"{number_text(row.unit_price)} {row.currency}"

    @display(description="Amount", ordering="amount_minor")
    def amount(self, row: SingleItem) -> str:
        """Return the amount without tax, with its currency."""
        return money_text(row.amount_minor, row.currency)

    @display(description="State", label=STATE_LABELS)
    def state(self, row: SingleItem) -> str:
        """Return whether it waits, was taken or was cancelled."""
        if row.cancelled_at is not None:
            return "Cancelled"
        return "Waits" if row.invoice_id is None else "Taken"

    def offered(self, obj: SingleItem) -> frozenset[str]:
        """Return the action that cancels, until an invoice has taken it."""
        return frozenset({"cancel"} if self.state(obj) == "Waits" else ())

    @action(description="Add to the next invoice", permissions=["enter"], icon="add", url_path="add-next")
    def add_next(self, request: HttpRequest) -> HttpResponse:
        """Show the form, and add the item, or request it."""
        now = timezone.now()
        form = NextItemForm(posted(request), local_day(now, issuers_time_zone()))
        if request.method == "POST" and form.is_valid():
            given = form.cleaned_data
            response: HttpResponse = self.attempt(
                request,
                lambda: add_item(
                    tenant_id=given["tenant"].pk, item=form.item(), reason=given["reason"], actor=staff_actor(request),
                    as_of=now,
                ),
                said=lambda done: said_or_waits(done, f"Added to the next invoice: {done}."),
                back=reverse("admin:billing_singleitem_changelist"),
            )  # fmt: skip
            return response
        question = Question(
            title="Add to a customer's next invoice",
            explanation="A charge or a credit, in the currency of the customer's subscription. The next invoice takes"
            " it, or the draft that waits to be finalized. Above your limit it waits until a colleague approves it.",
            button="Add it",
        )
        return self.confirmation_page(request, SingleItem(), form, question=question)

    @action(description="Cancel the item", permissions=["cancel"], icon="cancel")
    def cancel(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the item, and cancel it when confirmed."""
        found: SingleItem = found_or_404(SingleItem.objects.select_related("tenant"), object_id)
        return self.decide(
            request,
            found,
            ConfirmForm(posted(request)),
            lambda _: cancel_item(item_id=found.pk, actor=staff_actor(request), as_of=timezone.now()),
            name="cancel",
            said="Cancelled: no invoice takes it.",
            question=Question(
                title=f"Cancel {found}?",
                explanation=f"It is not on the next invoice of {found.tenant}. The entry stays, with your name.",
                button="Cancel the item",
            ),
        )
