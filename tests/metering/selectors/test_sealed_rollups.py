"""A digest covers the totals of rollups, however their rows are spread over slots."""

from datetime import UTC, datetime

import pytest

from metering.domain.ledger import Ledger
from metering.models import UsageHour
from metering.selectors.sealed_rollups import sealed_drifts
from metering.services.ingest import ingest_events
from tests.metering.ledger_world import parsed
from tests.metering.retention_world import let_go

pytestmark = pytest.mark.django_db


def test_slots_and_rows_of_zero_do_not_change_the_digest(ledger: Ledger) -> None:
    as_of = datetime(2026, 3, 10, 12, tzinfo=UTC)
    ingest_events(
        ledger=ledger, events=parsed([{"id": "a", "type": "http_request"}], as_of=as_of), api_key_id=None, as_of=as_of
    )
    let_go([ledger])
    assert sealed_drifts(ledger) == []
    row = UsageHour.objects.filter(tenant_id=ledger.tenant_id, quantity=1).get()
    same = {"tenant_id": row.tenant_id, "is_live": True, "meter_id": row.meter_id, "hour": row.hour}
    UsageHour.objects.create(**same, slot=1001, quantity=3, events=2)
    assert [drift.rollup for drift in sealed_drifts(ledger)] == ["sealed_rollup"]
    UsageHour.objects.create(**same, slot=1002, quantity=-3, events=-2)
    UsageHour.objects.create(**(same | {"hour": row.hour.replace(hour=3)}), slot=0, quantity=0, events=0)
    assert sealed_drifts(ledger) == []
