"""A part of the ledger as rows."""

from datetime import date

import pytest

from metering.lake.domain.parts import Part, PartContent
from metering.lake.selectors.ledger_tables import EVENTS
from metering.lake.selectors.parts import copy_part, ledger_content
from tests.metering.lake.lake_world import NOON, request_event
from tests.metering.ledger_world import ledger_of, make_tenant, send

pytestmark = pytest.mark.django_db


def test_a_part_is_rows_with_digests_and_its_content_numbers() -> None:
    send(ledger_of(make_tenant("acme")), [request_event("one", NOON)], as_of=NOON)
    part = Part(EVENTS, NOON.date(), date(2026, 3, 11))
    rows: list[bytes] = []
    assert copy_part(part, rows.append) == 1
    [row] = b"".join(rows).decode().splitlines()
    assert ',one,"",http_request,1773144000000000,1.000000000,' in row
    content = ledger_content(part)
    assert row.rpartition(",")[2] == str(content.digest)
    assert (content.rows, content.quantity) == (1, 1)
    assert content.digest > 0
    assert ledger_content(Part(EVENTS, date(2026, 3, 11), date(2026, 3, 12))) == PartContent()
