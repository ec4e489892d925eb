"""Leaked keys for staff: the places, what was used with a key since, and one act that voids this usage."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from accounts.admin.base import Question, ReadOnlyModelAdmin, found_or_404, holds, staff_actor
from accounts.domain.numbers import counted, number_text
from accounts.errors import ProblemError
from accounts.models import KeyLeak
from metering.selectors.key_usage import KeySpan, KeyUse, uses_of_key
from metering.services.key_leaks import EVENTS_MAX, VoidedUsage, ledger_of_leak, void_usage_after_leak


class LeakedUsageForm(forms.Form):
    """The instant from which usage was not the customer's."""

    since = forms.DateTimeField(
        label="Received since (UTC)",
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-11-21 12:00"}),
        help_text="When the report came, or earlier if you know since when the key was public.",
    )
    until = forms.DateTimeField(widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        """Check that the span is not empty."""
        cleaned = super().clean() or self.cleaned_data
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since >= until:
            self.add_error("since", "Choose a time in the past.")
        return cleaned


@admin.register(KeyLeak)
class KeyLeakAdmin(ReadOnlyModelAdmin):
    """The admin of places where keys were found."""

    list_display = ("reported_at", "shown_key", "owner", "state", "source", "place", "usage_voided_at")
    list_filter = (("reported_at", RangeDateTimeFilter),)
    list_filter_submit = True
    list_select_related = ("api_key", "tenant")
    search_fields = ("tenant__slug", "tenant__name", "api_key__prefix", "api_key__name", "url")
    fields = (
        "reported_at", "key", "owner", "state", "source", "place", "token_type", "scanner", "usage_voided_at", "report",
    )  # fmt: skip
    readonly_fields = ("key", "owner", "state", "place", "report")
    actions_detail: ClassVar = ["void_usage"]
    has_void_usage_permission = holds("accounts.change_keyleak")

    @display(description="Key", header=True)
    def shown_key(self, leak: KeyLeak) -> list[str]:
        """Return the key's name and the characters that identify it."""
        return [leak.api_key.name, f"{leak.api_key.prefix}…{leak.api_key.last_four}"]

    @display(description="API key")
    def key(self, leak: KeyLeak) -> SafeString:
        """Return a link to the key's page."""
        url = reverse("admin:accounts_apikey_change", args=[leak.api_key_id])
        return format_html('<a href="{}">{}</a>', url, leak.api_key)

    @display(description="Place", ordering="url")
    def place(self, leak: KeyLeak) -> SafeString | str:
        """Return the address at which the key was found; long ones are broken."""
        return format_html('<span class="break-all">{}</span>', leak.url) if leak.url else "not named"

    @display(description="Usage voided")
    def report(self, leak: KeyLeak) -> SafeString | str:
        """Return what staff voided of the usage after the leak, a line for each act."""
        acts = ((act["since"], act["until"], counted(act["events"], "events")) for act in leak.usage_report or ())
        return format_html_join("", "<div>{} to {}: {}</div>", acts) or "nothing"

    @display(description="Owner", ordering="tenant__name")
    def owner(self, leak: KeyLeak) -> str:
        """Return the tenant, or that the key is the operator's."""
        return "Operator" if leak.tenant is None else leak.tenant.name

    @display(description="Key now", label={"Quarantined": "danger", "Revoked": "success", "In use": "warning"})
    def state(self, leak: KeyLeak) -> str:
        """Return whether the key is still refused."""
        if leak.api_key.revoked_at is not None:
            return "Revoked"
        return "In use" if leak.api_key.quarantined_at is None else "Quarantined"

    @action(description="Void usage since the leak", permissions=["void_usage"], icon="money_off")
    def void_usage(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what was used since an instant; void it when the same instant is confirmed."""
        leak = found_or_404(KeyLeak.objects.select_related("api_key", "tenant"), object_id)
        as_of = timezone.now()
        form = LeakedUsageForm(request.POST or request.GET or None)
        if not form.is_bound:
            form = LeakedUsageForm({"since": _written(leak.reported_at), "until": _written(as_of)})
        is_valid = form.is_valid()
        since, until = (form.cleaned_data.get(name, as_of) for name in ("since", "until"))
        if is_valid and "confirmed" in request.POST:
            return self.attempt(
                request,
                lambda: void_usage_after_leak(
                    leak_id=leak.pk, since=since, until=until, actor=staff_actor(request), as_of=as_of
                ),
                said=_said,
                back=self.page_of(leak),
            )
        uses, problem = _uses(leak, since, until) if is_valid else ([], "")
        return self.confirmation_page(
            request,
            leak,
            form,
            question=Question(
                title=f"Usage of {leak.api_key} since it leaked",
                explanation="Voids the events below: usage and quotas fall at once, and what is invoiced already is "
                f"credited on the next invoice. At most {number_text(EVENTS_MAX)} events at a time.",
                button="Show usage",
            ),
            template="admin/leaked_usage.html",
            extra={"uses": uses, "problem": problem, "events": sum(use.events for use in uses)},
        )


def _uses(leak: KeyLeak, since: datetime, until: datetime) -> tuple[list[KeyUse], str]:
    """Return what was used, or why that cannot be said."""
    ledger = ledger_of_leak(leak)
    if ledger is None:
        return [], "A service key sends events of many tenants: void them tenant by tenant."
    try:
        return uses_of_key(KeySpan(ledger, leak.api_key_id, since, until)), ""
    except ProblemError as error:
        return [], error.detail


def _written(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}"


def _said(voided: VoidedUsage) -> str:
    more = " There is more: do it again." if voided.has_more else ""
    return f"Voided {counted(voided.events, 'events')}.{more}"
