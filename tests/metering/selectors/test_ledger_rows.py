"""Reading a ledger to its end, for exports."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from accounts.domain.plain import to_plain
from metering.selectors import ledger_rows
from metering.selectors.ledger_rows import DAYS, EVENTS, HOURS, ledger_pages, months_with_events, next_month
from tests.metering.ledger_world import ledger_of, make_tenant, send

AT = datetime(2026, 1, 31, 22, tzinfo=UTC)


@pytest.mark.parametrize("rows_of_a_page", [1, 2, 5])
def test_each_event_comes_once_with_its_exact_content(
    db: None, monkeypatch: pytest.MonkeyPatch, rows_of_a_page: int
) -> None:
    monkeypatch.setattr(ledger_rows, "PAGE_ROWS", rows_of_a_page)
    acme, rival = make_tenant("acme"), make_tenant("rival")
    for tenant in (acme, rival):
        events = [
            {
                "id": f"{tenant.slug}-{hour}",
                "type": "http_request",
                "quantity": "0.1",
                "timestamp": (AT + timedelta(hours=hour)).isoformat(),
                "properties": {"rate": Decimal("0.1"), "status": "200"},
            }
            for hour in range(4)
        ]
        send(ledger_of(tenant), events, as_of=AT + timedelta(hours=5))
    ledger = ledger_of(acme)
    assert months_with_events(ledger) == [date(2026, 1, 1), date(2026, 2, 1)]
    assert months_with_events(ledger_of(acme, is_live=False)) == []

    rows = [row for page in ledger_pages(EVENTS, ledger) for row in page]
    february = ledger_pages(
        EVENTS, ledger, start=datetime(2026, 2, 1, tzinfo=UTC), end=datetime(2026, 3, 1, tzinfo=UTC)
    )

    assert [row["id"] for row in rows] == [f"acme-{hour}" for hour in range(4)]
    assert [row["id"] for page in february for row in page] == ["acme-2", "acme-3"]
    first = msgspec.json.decode(msgspec.json.encode(to_plain(rows[0])))
    assert first["quantity"] == "0.1"
    assert first["properties"] == {"rate": 0.1, "status": "200"}
    for table, hours in ((HOURS, {4}), (DAYS, {2})):
        counted = [row for page in ledger_pages(table, ledger) for row in page]
        assert len([row for row in counted if row["meter"] == "api_requests"]) in hours
        assert sum(int(str(row["events"])) for row in counted if row["meter"] == "api_requests") == 4


def test_the_month_after_december_is_january() -> None:
    assert next_month(date(2026, 12, 1)) == date(2027, 1, 1)
    assert next_month(date(2026, 1, 1)) == date(2026, 2, 1)
