"""Events that tests post to the ledger of accounts past the documents."""

from datetime import UTC, date, datetime
from typing import Any, Final

from accounts.models import Tenant
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.domain.entries import Happening, Movement, paid

NOON: Final = datetime(2026, 3, 15, 12, tzinfo=UTC)


def happening(
    tenant: Tenant, kind: EntryKind = EntryKind.PAYMENT, source: str = "1", *, on: date | None = None, **fields: Any
) -> Happening:
    """Return a payment of 119.00 for INV-1 on 15 March, or what `fields` say."""
    movements: tuple[Movement, ...] = fields.pop(
        "movements", paid(invoice="INV-1", amount_minor=11900, allocated_minor=11900, provider="stripe")
    )
    facts: dict[str, Any] = {"currency": "EUR", "document": "pi_1", "occurred_at": NOON} | fields
    return Happening(
        kind=kind, source=source, tenant_id=tenant.pk, happened_on=on or NOON.date(), movements=movements, **facts
    )
