"""The issuer's clock: its days decide when a document is issued and when an entry is posted."""

from datetime import date, datetime

from billing.models import Issuer
from metering.domain.periods import local_day


def issuers_time_zone() -> str:
    """Return the time zone in which the days of documents are counted."""
    time_zone: str = Issuer.objects.values_list("time_zone", flat=True).get(pk=1)
    return time_zone


def issuers_day(as_of: datetime) -> date:
    """Return the issuer's day at an instant."""
    return local_day(as_of, issuers_time_zone())
