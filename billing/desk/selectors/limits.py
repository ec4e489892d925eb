"""Which acts need a second member of staff."""

from datetime import datetime

from billing.desk.domain.approvals import needs_second_person
from billing.domain.exchange import EURO, currency_of_seller
from billing.domain.money import to_major
from billing.models import Issuer
from billing.selectors.exchange import conversions
from metering.domain.periods import local_day


def needs_approval(amount_minor: int, currency: str, *, as_of: datetime) -> bool:
    """Return whether an act over this amount waits for a colleague.

    Another currency than the seller's is converted by the latest rate; without a known one it waits.
    """
    country, zone, limit = Issuer.objects.values_list("country", "time_zone", "approval_above").get(pk=1)
    own = currency_of_seller(country) or EURO
    if limit is None or currency == own:
        return needs_second_person(to_major(amount_minor, currency), limit)
    way = conversions([currency], own, local_day(as_of, zone)).get(currency)
    return needs_second_person(None if way is None else to_major(way.amount_minor(amount_minor), own), limit)
