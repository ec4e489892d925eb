"""When the demo's events are said to have been received: never on a day that is signed already."""

from collections.abc import Callable
from datetime import UTC, datetime

from accounts.models import Tenant
from metering.proofs.selectors.roots import latest_days


def receipt_times(tenant: Tenant, *, as_of: datetime) -> Callable[[datetime], datetime]:
    """Return the function from an instant to that of the receipt: the same one, or `as_of` if its day is signed.

    Signed days are closed: what is inserted there later is a break of the ledger, also in a demo that is started again.
    """
    signed = [day for day in latest_days([(tenant.pk, True), (tenant.pk, False)]).values() if day is not None]

    def receipt_of(instant: datetime) -> datetime:
        return as_of if signed and instant.astimezone(UTC).date() <= max(signed) else instant

    return receipt_of
