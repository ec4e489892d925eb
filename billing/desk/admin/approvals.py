"""What staff ask a colleague for: the open requests first, approved, rejected or withdrawn here."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Case, IntegerField, Value, When
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display

from accounts.admin.base import Question, found_or_404, holds, staff_actor
from accounts.admin.by_state import ConfirmForm, posted
from accounts.domain.numbers import number_text
from billing.admin.base import MoneyAdmin, WhyForm
from billing.desk.domain.approvals import ApprovalKind, ApprovalStatus
from billing.desk.models import Approval
from billing.desk.services.deciding import approve, reject
from billing.desk.services.requesting import withdraw_approval
from billing.domain.invoicing.items import Item
from billing.domain.money import money_text, rate_text
from billing.models import RefundWay

STATE_LABELS = {
    "Open": "warning",
    "Approved": "success",
    "Rejected": "danger",
    "Withdrawn": "info",
    "Lapsed": "info",
}


@admin.register(Approval)
class ApprovalAdmin(MoneyAdmin):
    """Requests that take effect when a colleague of who asks approves them."""

    list_display = ("requested_at", "kind", "tenant", "about", "amount", "reason", "state", "requester")
    list_filter = (("status", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    list_filter_submit = True
    list_select_related = ("tenant", "invoice__tenant", "payment", "requester")
    search_fields = ("tenant__name", "tenant__slug", "invoice__number", "reason")
    ordering = (
        Case(When(status=ApprovalStatus.OPEN, then=Value(0)), default=Value(1), output_field=IntegerField()),
        "-requested_at",
    )
    fields = (
        "tenant", "kind", "about", "amount", "wanted", "reason", "state", "requester", "requested_at", "expires_at",
        "decider", "decided_at", "decision_reason",
    )  # fmt: skip
    readonly_fields = ("about", "amount", "wanted", "state")
    actions_detail: ClassVar = ["approve", "reject", "withdraw"]

    @display(description="About", empty_value="")
    def about(self, approval: Approval) -> SafeString | None:
        """Return a link to what it is about."""
        if approval.invoice is not None:
            url = reverse("admin:billing_invoice_change", args=[approval.invoice_id])
            return format_html('<a href="{}">{}</a>', url, approval.invoice)
        if approval.payment is not None:
            url = reverse("admin:billing_payment_change", args=[approval.payment_id])
            return format_html('<a href="{}">{}</a>', url, approval.payment.reference)
        return None

    @display(description="Amount", ordering="amount_minor")
    def amount(self, approval: Approval) -> str:
        """Return it with its currency."""
        return money_text(approval.amount_minor, approval.currency)

    @display(description="What is asked for", empty_value="-")
    def wanted(self, approval: Approval) -> SafeString | None:
        """Return the details of the request, one on each line."""
        return format_html_join(mark_safe("<br>"), "{}", ((line,) for line in lines_of_request(approval))) or None

    @display(description="State", ordering="status", label=STATE_LABELS)
    def state(self, approval: Approval) -> str:
        """Return what was decided, or that it is open."""
        return str(approval.get_status_display())

    has_decide_permission = holds("desk.change_approval")
    has_look_permission = holds("desk.view_approval")

    def offered(self, obj: Approval) -> frozenset[str]:
        """Return nothing once it is decided."""
        return frozenset({"approve", "reject", "withdraw"} if obj.status == ApprovalStatus.OPEN else ())

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        """Return Withdraw for whoever asked, and Approve and Reject for colleagues."""
        actions = super().get_actions_detail(request, object_id)
        is_own = Approval.objects.filter(pk=object_id, requester=request.user.pk).exists()
        fitting = {"withdraw"} if is_own else {"approve", "reject"}
        return [one for one in actions if one.method.original_function_name in fitting]

    @action(description="Approve", permissions=["decide"], icon="check_circle")
    def approve(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the request, and approve it when confirmed."""
        approval = self._found(object_id)
        return self.decide(
            request,
            approval,
            ConfirmForm(posted(request)),
            lambda _: approve(approval_id=approval.pk, actor=staff_actor(request), as_of=timezone.now()),
            name="approve",
            said=f"Approved and done: {approval}.",
            question=Question(
                title=f"Approve: {approval}?",
                explanation=f"{_said(approval)} It is done at once.",
                button="Approve",
            ),
        )

    @action(description="Reject", permissions=["decide"], icon="cancel")
    def reject(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the request, and reject it with a reason."""
        approval = self._found(object_id)
        return self.decide(
            request,
            approval,
            WhyForm(posted(request), help_text=f"{approval.requester} reads it here."),
            lambda given: reject(
                approval_id=approval.pk, reason=given["reason"], actor=staff_actor(request), as_of=timezone.now()
            ),
            name="reject",
            said="Rejected: nothing was done.",
            question=Question(
                title=f"Reject: {approval}?",
                explanation=_said(approval),
                button="Reject",
            ),
        )

    @action(description="Withdraw", permissions=["look"], icon="undo")
    def withdraw(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show the request, and withdraw it when confirmed."""
        approval = self._found(object_id)
        return self.decide(
            request,
            approval,
            ConfirmForm(posted(request)),
            lambda _: withdraw_approval(approval_id=approval.pk, actor=staff_actor(request), as_of=timezone.now()),
            name="withdraw",
            said="Withdrawn: nothing was done.",
            question=Question(
                title=f"Withdraw: {approval}?",
                explanation="A colleague can no longer approve it. You may ask for it again.",
                button="Withdraw",
            ),
        )

    def _found(self, object_id: str) -> Approval:
        rows = Approval.objects.select_related("tenant", "requester")
        found: Approval = found_or_404(rows, object_id)
        return found


def lines_of_request(approval: Approval) -> list[str]:
    """Return what the act needs beside its object and amount: its items, or the way of a refund."""
    details = approval.details
    if approval.kind == ApprovalKind.MANUAL_INVOICE:
        return [_line_of_item(Item.of_said(said), approval.currency) for said in details["items"]]
    if approval.kind == ApprovalKind.SINGLE_ITEM:
        return [_line_of_item(Item.of_said(details["item"]), approval.currency)]
    if approval.kind == ApprovalKind.REFUND:
        way = RefundWay(details["way"]).label
        return [f"{way}, {details['reference']}" if details["reference"] else str(way)]
    return []


def _line_of_item(item: Item, currency: str) -> str:
    quantity = " ".join(filter(None, [number_text(item.quantity), item.unit]))
    days = f"{item.first_on}" if item.first_on == item.last_on else f"{item.first_on} to {item.last_on}"
    return f"{item.description}: {quantity} at {rate_text(item.unit_price, currency)}, {days}"


def _said(approval: Approval) -> str:
    """Return the request in sentences, for the page that asks before an act."""
    wanted = "; ".join(lines_of_request(approval))
    reason = approval.reason.rstrip(".")
    return f"{approval.requester} asks for it. Reason: {reason}." + (f" {wanted}." if wanted else "")
