"""Stripe's billing meters as a copy of ours: one total an hour, under the meter's code."""

from datetime import timedelta
from typing import Final

from billing.collection.domain.provider import UsageTotal
from billing.collection.errors import PaymentRefusedError
from billing.collection.gateways.stripe import api

SECONDS_OF_HOUR_LAST: Final = 3599


class StripeMeters:
    """The capability `UsageMeters`."""

    # Stripe accepts usage that is up to 35 days old; an hour is left for the transfer.
    age_max = timedelta(days=35) - timedelta(hours=1)

    def codes(self) -> set[str]:
        """Return the codes of the active meters."""
        return set(api.meters())

    def create_meter(self, *, code: str, name: str) -> None:
        """Create a meter that accepts one total an hour."""
        api.create_meter(event_name=code, display_name=name)

    def send(self, total: UsageTotal) -> bool:
        """Send a total; return False if Stripe already has it."""
        try:
            api.send_meter_event(
                event_name=total.meter_code,
                identifier=total.identifier,
                customer_id=total.customer_reference,
                value=str(total.quantity),
                # Within its hour, each revision is after the previous one: the newest counts.
                timestamp=int(total.hour.timestamp()) + min(total.revision, SECONDS_OF_HOUR_LAST),
            )
        except PaymentRefusedError as error:
            if error.reason == api.DUPLICATE_METER_EVENT:
                return False
            raise
        return True
