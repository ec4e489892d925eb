"""Which files of an export belong to metering."""

from datetime import UTC, datetime

from metering.services.privacy import MeteringPrivacy
from tests.metering.ledger_world import ledger_of, make_tenant, send


def test_each_month_of_each_half_of_the_ledger_has_its_file(db: None) -> None:
    tenant = make_tenant("acme")
    for is_live, day in ((True, "2026-01-05"), (True, "2026-03-05"), (False, "2026-03-05")):
        event = {"id": day, "type": "http_request", "timestamp": f"{day}T00:00:00Z"}
        send(ledger_of(tenant, is_live=is_live), [event], as_of=datetime(2026, 3, 6, tzinfo=UTC))
    names = [piece.name for piece in MeteringPrivacy().files(tenant=tenant)]
    assert [name for name in names if name.startswith("events/")] == [
        "events/live-2026-01.ndjson.gz",
        "events/live-2026-02.ndjson.gz",
        "events/live-2026-03.ndjson.gz",
        "events/test-2026-03.ndjson.gz",
    ]
    assert {"voids/live.ndjson.gz", "usage_days/test.ndjson.gz", "refused_events.ndjson.gz"} <= set(names)
