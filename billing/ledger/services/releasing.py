"""Release deferred revenue: when a month of service begins, its part of the amounts invoiced in advance is earned."""

from collections.abc import Iterable
from datetime import date, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from django.db import transaction

from accounts.sql import fetch_all
from billing.ledger.domain.accounts import EntryKind
from billing.ledger.domain.entries import Earned, Happening, released
from billing.ledger.services.posting import post

RELEASING_LOCK: Final = 7310468206
LOCK: Final = "SELECT pg_advisory_xact_lock(%(lock)s)"

# Deferred revenue of closed months was released before they were closed.
DEFERRED: Final = """
SELECT tenant_id, currency, service_month, meter, sum(amount_minor), max(id)
FROM ledger_posting
WHERE account = 'deferred' AND service_month <= %(month)s
    AND service_month > coalesce((SELECT max(month) FROM ledger_closedmonth), '-infinity')
GROUP BY tenant_id, currency, service_month, meter HAVING sum(amount_minor) <> 0
ORDER BY tenant_id, currency, service_month, meter
"""


@transaction.atomic
def release_deferred(*, month: date, as_of: datetime) -> int:
    """Release deferred revenue of months up to the one that begins on `month`; return the number of entries.

    An entry is posted on the first day of its month of service. If two workers run at once, the second finds nothing.
    """
    if not fetch_all(DEFERRED, {"month": month}):
        return 0
    fetch_all(LOCK, {"lock": RELEASING_LOCK})
    rows = fetch_all(DEFERRED, {"month": month})
    return post([_release(list(of_one), as_of) for _, of_one in groupby(rows, key=itemgetter(0, 1, 2))])


def _release(rows: Iterable[tuple[Any, ...]], as_of: datetime) -> Happening:
    rows = list(rows)
    tenant_id, currency, month, *_ = rows[0]
    latest = max(row[-1] for row in rows)
    return Happening(
        kind=EntryKind.RELEASE,
        source=f"{tenant_id}:{currency}:{month:%Y-%m}:{latest}",
        tenant_id=tenant_id,
        currency=currency,
        document=f"{month:%Y-%m}",
        occurred_at=as_of,
        happened_on=month,
        movements=released([Earned(meter, month, int(amount)) for *_, meter, amount, _ in rows]),
    )
