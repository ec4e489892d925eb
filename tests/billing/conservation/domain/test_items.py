"""A misplaced single item is named, by no rule that put it there."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.conservation.domain.items import ItemLife, TakenItem, lost_items

MARCH, APRIL, MAY = (datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4, 5))
VAT = ("S", Decimal(21))


def line(number: str, minor: int = 1500, gone_at: datetime | None = None, tax: tuple[str, Decimal] = VAT) -> TakenItem:
    return TakenItem(number, minor, gone_at, tax)


def lost(*lines: TakenItem, price: str = "6", **fields: Any) -> list[str]:
    facts: dict[str, Any] = {"created_at": MARCH, "cancelled_at": None, "latest_number": "INV-9", "latest_at": APRIL}
    life = ItemLife("Setup", Decimal("2.5"), Decimal(price), "EUR", lines=lines, **(facts | fields))
    return [f"{one.number}: {one.detail}" for one in lost_items(life)]


def test_a_charge_stands_on_one_document_ever() -> None:
    assert lost(line("INV-1")) == lost(line("INV-1", gone_at=MARCH)) == []
    assert lost(line("INV-1", 1600)) == ["INV-1: It has 1600 for the single item 'Setup', and 1500 is right."]
    twice = ["INV-2: It has the single item 'Setup', which stands on INV-1."]
    assert lost(line("INV-1", gone_at=MARCH), line("INV-2")) == twice


def test_a_credit_stands_on_one_document_in_force() -> None:
    gone, again = line("INV-1", -1500, gone_at=MARCH), line("INV-2", -1500)
    assert lost(gone, again, price="-6") == lost(line("INV-1", -1500, gone_at=APRIL), price="-6") == []
    assert len(lost(line("INV-1", -1500), again, price="-6")) == 1
    assert lost(gone, price="-6") == ["INV-9: It does not have the single item 'Setup', which waited for it."]
    other = line("INV-2", -1500, tax=("S", Decimal(25)))
    assert lost(gone, other, price="-6") == ["INV-2: It has another tax for the single item 'Setup' than INV-1."]


def test_what_waits_is_taken_by_the_next_invoice_unless_it_is_cancelled() -> None:
    assert lost() == ["INV-9: It does not have the single item 'Setup', which waited for it."]
    assert lost(latest_at=None) == lost(created_at=APRIL) == lost(cancelled_at=MARCH) == []
    assert lost(created_at=APRIL - timedelta(minutes=10)) == []
    cancelled = ["INV-1: It has the single item 'Setup', which was cancelled."]
    assert lost(line("INV-1"), cancelled_at=MARCH) == cancelled
