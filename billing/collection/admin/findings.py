"""What reconciliation with payment providers found. All staff read it; billing staff say what was done about it."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin.base import Question, ReadOnlyModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.by_state import ByState, posted
from billing.collection.admin.providers import ProviderTitle
from billing.collection.models import PaymentFinding
from billing.collection.services.reconciling import settle_finding

STATES = {"Open": "danger", "Settled": "warning", "Gone": "success"}


class SettleForm(forms.Form):
    """What staff did about a finding, and the sides that they saw."""

    settlement = forms.CharField(
        label="What was done",
        max_length=300,
        widget=UnfoldAdminTextInputWidget,
        help_text="As in: refunded the second payment at Stripe. Kept in the audit log.",
    )
    ours = forms.CharField(widget=forms.HiddenInput, strip=False)
    theirs = forms.CharField(widget=forms.HiddenInput, strip=False)


@admin.register(PaymentFinding)
class PaymentFindingAdmin(ProviderTitle, ByState, ReadOnlyModelAdmin):
    """Differences between our books and those of payment providers."""

    list_display = ("opened_at", "shown_code", "provider_title", "tenant", "ours", "theirs", "state", "seen_at")
    list_filter = (
        "provider",
        ("code", ChoicesDropdownFilter),
        ("closed_at", admin.EmptyFieldListFilter),
        ("settled_at", admin.EmptyFieldListFilter),
    )
    list_filter_submit = True
    list_select_related = ("tenant",)
    search_fields = ("subject", "ours", "theirs", "tenant__slug", "tenant__name")
    search_help_text = "The provider's id, an amount, a tenant's name or slug."
    fields = (
        "provider_title", "shown_code", "subject", "tenant", "ours", "theirs", "explanation", "suggested", "state",
        "happened_at", "opened_at", "seen_at", "closed_at", "closed_because", "settled_at", "settled_by", "settlement",
    )  # fmt: skip
    readonly_fields = ("provider_title", "shown_code", "suggested", "state")
    actions_detail: ClassVar = ["settle"]

    has_settle_permission = holds("collection.change_paymentfinding")

    @display(description="Difference", header=True, ordering="code")
    def shown_code(self, finding: PaymentFinding) -> list[str]:
        """Return the kind of difference and, below it, the object."""
        return [finding.get_code_display(), finding.subject]

    @display(description="What to do")
    def suggested(self, finding: PaymentFinding) -> str:
        """Return what staff may do about it."""
        return finding.suggestion

    @display(description="State", label=STATES)
    def state(self, finding: PaymentFinding) -> str:
        """Return whether it waits for staff, was settled, or is gone."""
        return self.state_of(finding).capitalize()

    def state_of(self, obj: Any) -> str:
        """Return the state in one word: open, settled or gone."""
        if obj.closed_at is not None:
            return "gone"
        return "open" if obj.settled_at is None else "settled"

    def offered(self, obj: PaymentFinding) -> frozenset[str]:
        """Return the action `settle` if the finding waits for staff."""
        return frozenset({"settle"} if self.state_of(obj) == "open" else ())

    @action(description="Settle", permissions=["settle"], icon="done")
    def settle(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Require what was done, then store it with the finding."""
        finding = found_or_404(PaymentFinding.objects.select_related("tenant"), object_id)

        def work(given: dict[str, Any]) -> None:
            finding.ours, finding.theirs = given["ours"], given["theirs"]
            settle_finding(
                finding=finding, settlement=given["settlement"], actor=staff_actor(request), as_of=timezone.now()
            )

        return self.decide(
            request,
            finding,
            SettleForm(posted(request), initial={"ours": finding.ours, "theirs": finding.theirs}),
            work,
            name="settle",
            said="Settled. It is open again if a side changes.",
            question=Question(
                title=f"Settle {finding}?",
                explanation=f"{finding.explanation} Here: {finding.ours}. There: {finding.theirs}. "
                f"{finding.suggestion} Settling changes neither side: it stores what you did.",
                button="Settle",
            ),
        )
