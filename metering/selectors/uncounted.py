"""Halves of the ledger of which the store of limits has missed events."""

from datetime import datetime
from typing import Final

from django.db.models import Count, Min

from accounts.sql import fetch_all
from metering.domain.ledger import Ledger
from metering.models import UncountedLedger

IS_UNCOUNTED: Final = """
SELECT 1 FROM metering_uncountedledger WHERE tenant_id = %(tenant_id)s AND is_live = %(is_live)s
"""


def is_uncounted(ledger: Ledger) -> bool:
    """Return whether the counters of this half miss events."""
    return bool(fetch_all(IS_UNCOUNTED, {"tenant_id": ledger.tenant_id, "is_live": ledger.is_live}))


def uncounted_ledgers() -> tuple[int, datetime | None]:
    """Return how many halves are not counted yet, and since when the first of them is."""
    found = UncountedLedger.objects.aggregate(number=Count("pk"), since=Min("since_at"))
    return found["number"], found["since"]
