"""Metering's part of a tenant's data export: events, voids, usage, and refused events."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time
from functools import partial

from accounts.models import Tenant
from accounts.services.privacy_parts import ErasedPerson, ExportedRows, ExportPiece, PrivacyPart, Rows, exported_table
from accounts.sql import fetch_all
from metering.domain.ledger import Ledger
from metering.models import Budget, IngestVerdict, Reservation, SealedLedger, SealedRollup, UsagePlanAssignment
from metering.selectors.ledger_rows import (
    DAYS,
    EVENTS,
    HOURS,
    VOIDS,
    ledger_pages,
    months_with_events,
    next_month,
)
from metering.selectors.ledgers import ledgers


class MeteringPrivacy(PrivacyPart):
    """The part that `settings.PRIVACY_PARTS` names."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return the ledger, live and test, with a file for each month of events, and its rollups."""
        for ledger in ledgers(tenant_ids=[tenant.pk]):
            half = "live" if ledger.is_live else "test"
            for month in months_with_events(ledger):
                yield ExportedRows(f"events/{half}-{month:%Y-%m}.ndjson.gz", partial(_events_of, ledger, month))
            for name, table in (("voids", VOIDS), ("usage_hours", HOURS), ("usage_days", DAYS)):
                yield ExportedRows(f"{name}/{half}.ndjson.gz", partial(ledger_pages, table, ledger))
        yield exported_table(
            "deleted_events.json", SealedLedger.objects.filter(tenant_id=tenant.pk), "is_live", "month", "sealed_at",
            "events", "voids",
        )  # fmt: skip
        yield exported_table(
            "sealed_usage.json", SealedRollup.objects.filter(tenant_id=tenant.pk), "is_live", "month", "meter_id",
            "quantity", "events", "hours_digest", "days_digest",
        )  # fmt: skip
        yield exported_table(
            "refused_events.ndjson.gz", IngestVerdict.objects.filter(tenant_id=tenant.pk), "id", "is_live",
            "received_at", "api_key_id", "request_id", "event_id", "event_type", "verdict", "code", "detail",
        )  # fmt: skip
        yield exported_table(
            "reservations.ndjson.gz", Reservation.objects.filter(tenant_id=tenant.pk), "id", "is_live", "api_key_id",
            "state", "event_id", "type", "quantity", "committed_quantity", "subject", "properties", "created_at",
            "expires_at", "ended_at",
        )  # fmt: skip
        yield exported_table(
            "budgets.json", Budget.objects.filter(tenant=tenant), "id", "scope", "scope_id", "currency", "limit",
            "period", "thresholds", "does_stop", "is_paused", "stopped_until_at", "stopped_at_quantity", "created_at",
            meter_code="meter__code",
        )  # fmt: skip
        yield exported_table(
            "usage_plan.json", UsagePlanAssignment.objects.filter(tenant=tenant), "assigned_at",
            usage_plan_code="usage_plan__code",
        )  # fmt: skip

    def forget(self, *, person: ErasedPerson) -> None:
        """Replace the person by the pseudonym in their voids. A `subject` is the tenant's own, and stays."""
        fetch_all("SELECT ledger_forget_person(%(person)s)", {"person": person.user_id})


def _events_of(ledger: Ledger, month: date) -> Rows:
    start, end = (datetime.combine(day, time(), UTC) for day in (month, next_month(month)))
    return ledger_pages(EVENTS, ledger, start=start, end=end)
