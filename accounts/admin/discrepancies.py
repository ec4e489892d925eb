"""Discrepancies that checks found in the books. All staff read them; billing staff accept them with a reason."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin.base import Question, ReadOnlyModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.by_state import ByState, posted
from accounts.models import Discrepancy
from accounts.services.discrepancies import accept_discrepancy

STATES = {"Open": "danger", "Accepted": "warning", "Gone": "success"}


class AcceptForm(forms.Form):
    """The reason for accepting a discrepancy, and what the member of staff saw."""

    reason = forms.CharField(
        max_length=200, widget=UnfoldAdminTextInputWidget, help_text="Why billing may continue. Kept in the audit log."
    )
    seen = forms.CharField(widget=forms.HiddenInput, strip=False)

    def __init__(self, data: Any, *, seen: str) -> None:
        super().__init__(data)
        self.fields["seen"].initial = seen


@admin.register(Discrepancy)
class DiscrepancyAdmin(ByState, ReadOnlyModelAdmin):
    """Differences between what the books say and what they follow from."""

    list_display = ("opened_at", "found_by", "subject", "tenant", "detail", "state", "seen_at")
    list_filter = ("found_by", ("closed_at", admin.EmptyFieldListFilter), ("accepted_at", admin.EmptyFieldListFilter))
    list_select_related = ("tenant",)
    search_fields = ("subject", "code", "detail", "tenant__slug", "tenant__name")
    fields = (
        "found_by", "subject", "code", "tenant", "detail", "state", "is_holding", "opened_at", "seen_at", "closed_at",
        "accepted_at", "accepted_by", "acceptance",
    )  # fmt: skip
    readonly_fields = ("state",)
    actions_detail: ClassVar = ["accept"]

    @display(description="State", label=STATES)
    def state(self, discrepancy: Discrepancy) -> str:
        """Return whether the discrepancy is open, accepted or resolved."""
        return self.state_of(discrepancy).capitalize()

    def state_of(self, obj: Any) -> str:
        """Return the state in one word: open, accepted or gone."""
        if obj.closed_at is not None:
            return "gone"
        return "open" if obj.accepted_at is None else "accepted"

    def offered(self, obj: Discrepancy) -> frozenset[str]:
        """Return the action `accept` if the discrepancy is open."""
        return frozenset({"accept"} if self.state_of(obj) == "open" else ())

    has_accept_permission = holds("accounts.change_discrepancy")

    @action(description="Accept", permissions=["accept"], icon="done")
    def accept(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Require a reason, then let the tenant be billed despite the discrepancy."""
        discrepancy = found_or_404(Discrepancy.objects.select_related("tenant"), object_id)

        def work(given: dict[str, Any]) -> None:
            discrepancy.detail = given["seen"].replace("\r\n", "\n")
            accept_discrepancy(
                discrepancy=discrepancy, reason=given["reason"], actor=staff_actor(request), as_of=timezone.now()
            )

        return self.decide(
            request,
            discrepancy,
            AcceptForm(posted(request), seen=discrepancy.detail),
            work,
            name="accept",
            said="Accepted. It opens again if it changes.",
            question=Question(
                title=f"Accept {discrepancy}?",
                explanation=f"{discrepancy.detail} Accepting corrects nothing: only accept what you have understood."
                + (" The tenant is billed again by the next run." if discrepancy.is_holding else ""),
                button="Accept",
            ),
        )
