"""Stripe's billing meters as a copy of ours: one total an hour, under the meter's code."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from billing.collection.domain.provider import UsageTotal
from billing.collection.errors import PaymentRefusedError
from billing.collection.gateways.stripe import api, settings

SECONDS_OF_HOUR_LAST: Final = 3599
NAME_CHARACTERS_MAX: Final = 250  # that Stripe takes


class StripeMeters:
    """The capability `UsageMeters`. Stripe's meters take whole numbers: of the last decimal, if there are any."""

    def __init__(self) -> None:
        self.decimals = settings.usage_decimals()
        self.ids: dict[str, str] = {}

    # Stripe accepts usage that is up to 35 days old; an hour is left for the transfer.
    age_max = timedelta(days=35) - timedelta(hours=1)

    def codes(self) -> set[str]:
        """Return the codes of the active meters."""
        return set(api.meters())

    def create_meter(self, *, code: str, name: str) -> None:
        """Create a meter that accepts one total an hour; its name tells the step that its numbers count."""
        step = f" in {Decimal(1).scaleb(-self.decimals)}" if self.decimals else ""
        api.create_meter(event_name=code, display_name=f"{name[: NAME_CHARACTERS_MAX - len(step)]}{step}")

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

    def totals(self, customer_reference: str, *, since: datetime, until: datetime) -> Mapping[str, Decimal]:
        """Return Stripe's summaries of a customer's usage in whole hours, by the meters' codes."""
        self.ids = self.ids or api.meters()
        return {
            code: api.usage_of(meter_id, customer_id=customer_reference, since=since, until=until).scaleb(
                -self.decimals
            )
            for code, meter_id in self.ids.items()
        }
