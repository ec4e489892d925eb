"""Rows of a table as a CSV file, and the bounds of reading them."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from metering.errors import QueryTooLargeError
from metering.lake.domain.questions import CUSTOMER_BOUNDS, Range, SqlBounds
from metering.lake.selectors.copying import columns_of, copy_rows
from metering.lake.selectors.ledger_tables import EVENTS
from tests.metering.lake.lake_world import NOON, request_event
from tests.metering.ledger_world import ledger_of, make_tenant, send

pytestmark = pytest.mark.django_db
ALWAYS = Range()


def test_rows_are_bounded_in_number_and_bytes(tmp_path: Path) -> None:
    tenant = make_tenant("acme")
    send(ledger_of(tenant), [request_event(str(n), NOON + timedelta(hours=n)) for n in range(3)], as_of=NOON)
    file = tmp_path / "events.csv"

    def copied(bounds: SqlBounds, span: Range = ALWAYS) -> int:
        return copy_rows(EVENTS, file, tenant_id=tenant.id, is_live=True, span=span, bounds=bounds)

    assert copied(replace(CUSTOMER_BOUNDS, rows_read_max=3)) == 3
    assert len(file.read_text().splitlines()) == 3
    for bounds in (replace(CUSTOMER_BOUNDS, rows_read_max=2), replace(CUSTOMER_BOUNDS, bytes_read_max=300)):
        with pytest.raises(QueryTooLargeError):
            copied(bounds)
    assert copied(replace(CUSTOMER_BOUNDS, rows_read_max=2), Range(end=NOON + timedelta(hours=2))) == 2


def test_an_operator_sees_whose_rows_they_are() -> None:
    assert [column.name for column in columns_of(EVENTS, None)][:3] == ["tenant", "is_live", "id"]
