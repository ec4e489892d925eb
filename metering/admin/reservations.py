"""Reservations for staff: what holds quota, and a button that frees it."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import action, display

from accounts.admin.base import Question, ReadOnlyModelAdmin, found_or_404, holds, staff_actor
from accounts.admin.by_state import ByState, ConfirmForm, posted
from accounts.domain.numbers import number_text
from accounts.models import ApiKey, Tenant
from metering.domain.ledger import TENANT_SCOPE
from metering.domain.reservations import ReservationState, decode_holds
from metering.models import Meter, Reservation
from metering.selectors.ledgers import ledgers
from metering.services.limits.reservations import release_by_staff

STATE_LABELS = {"Held": "warning", "Committed": "success", "Released": "info", "Expired": "info"}


@admin.register(Reservation)
class ReservationAdmin(ByState, ReadOnlyModelAdmin):
    """The admin of reservations. Programs make and end them; staff may release one that holds up a customer."""

    list_display = ("created_at", "tenant", "half", "type", "amount", "used", "shown_state", "expires_at")
    list_filter = (("state", ChoicesDropdownFilter), "is_live", ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("event_id",)
    search_help_text = "An event's id, or a tenant's slug."
    fields = (
        "id", "tenant", "half", "shown_state", "type", "event_id", "subject", "amount", "used", "properties",
        "held", "api_key", "created_at", "expires_at", "ended_at",
    )  # fmt: skip
    readonly_fields = ("tenant", "half", "shown_state", "amount", "used", "held", "api_key")
    actions_detail: ClassVar = ["release"]

    has_release_permission = holds("metering.change_reservation")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reservation]:
        """Return reservations with the tenant's name: they have no foreign key to tenants."""
        names = Tenant.objects.filter(pk=OuterRef("tenant_id")).values("name")
        rows: QuerySet[Reservation] = super().get_queryset(request).annotate(tenant_name=Subquery(names))
        return rows

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[Reservation],
        search_term: str,
    ) -> tuple[QuerySet[Reservation], bool]:
        """Return the reservations that the term matches; a slug matches all reservations of its tenant."""
        tenant = Tenant.objects.filter(slug=search_term.strip()).first() if search_term else None
        if tenant is not None:
            return queryset.filter(tenant_id=tenant.pk), False
        return queryset.filter(event_id=search_term) if search_term else queryset, False

    def offered(self, obj: Reservation) -> frozenset[str]:
        """Return the release, while something is held."""
        return frozenset({"release"} if self._state(obj, timezone.now()) is ReservationState.HELD else ())

    def state_of(self, obj: Reservation) -> str:
        """Return the reservation's state in one word."""
        return self._state(obj, timezone.now()).value

    @action(description="Release", permissions=["release"], icon="lock_open")
    def release(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Require a confirmation, then free what is held."""
        reservation = found_or_404(Reservation.objects.all(), object_id)
        ledger = next(one for one in ledgers(tenant_ids=[reservation.tenant_id]) if one.is_live == reservation.is_live)
        return self.decide(
            request,
            reservation,
            ConfirmForm(posted(request)),
            lambda _: release_by_staff(
                ledger=ledger, reservation_id=reservation.pk, actor=staff_actor(request), as_of=timezone.now()
            ),
            name="release",
            said=lambda is_released: "The quota is free again." if is_released else "It had ended already.",
            question=Question(
                title=f"Release {reservation}?",
                explanation="The quota is free for other requests at once. The customer's program can no longer commit "
                "this reservation; what it has used by then is not recorded.",
                button="Release quota",
            ),
        )

    @display(description="Tenant")
    def tenant(self, row: Any) -> str:
        """Return the name of the tenant."""
        return str(row.tenant_name or row.tenant_id)

    @display(description="Half", label={"live": "success", "test": "info"})
    def half(self, row: Reservation) -> str:
        """Return `live` or `test`."""
        return "live" if row.is_live else "test"

    @display(description="Reserved", ordering="quantity")
    def amount(self, row: Reservation) -> str:
        """Return the quantity that was reserved."""
        return number_text(row.quantity)

    @display(description="Committed", ordering="committed_quantity", empty_value="-")
    def used(self, row: Reservation) -> str | None:
        """Return the quantity that was recorded."""
        return None if row.committed_quantity is None else number_text(row.committed_quantity)

    @display(description="Takes of each limit")
    def held(self, row: Reservation) -> SafeString | str:
        """Return how much it takes of each limit, by meter and period, while it is held."""
        names = dict(Meter.objects.values_list("pk", "name"))
        lines = (
            (
                names.get(hold.meter_id, "A deleted meter"),
                "" if hold.scope_id == TENANT_SCOPE else " of the key",
                number_text(hold.amount),
                f"{hold.period_start:%Y-%m-%d %H:%M} to {hold.period_end:%Y-%m-%d %H:%M}",
            )
            for hold in decode_holds(row.holds)
        )
        return format_html_join("", "<div>{}{}: {} ({} UTC)</div>", lines) or "nothing: no quota limits it"

    @display(description="API key")
    def api_key(self, row: Reservation) -> SafeString | str:
        """Return a link to the page of the key that reserved."""
        key = ApiKey.objects.filter(pk=row.api_key_id).first()
        if key is None:
            return str(row.api_key_id)
        url = reverse("admin:accounts_apikey_change", args=[key.pk])
        return format_html('<a href="{}">{}</a>', url, key)

    @display(description="State", ordering="state", label=STATE_LABELS)
    def shown_state(self, row: Reservation) -> str:
        """Return the state. One whose time is over has expired, also if no request has met it since."""
        return self._state(row, timezone.now()).value.capitalize()

    def _state(self, row: Reservation, as_of: datetime) -> ReservationState:
        state = ReservationState(row.state)
        return ReservationState.EXPIRED if state is ReservationState.HELD and row.expires_at <= as_of else state
