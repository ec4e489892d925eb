"""The time-weighted sum of a level, such as gigabyte-hours: each reported level times the hours that it lasted."""

from datetime import timedelta
from decimal import Decimal
from typing import Final

from metering.domain.aggregations.description import read_from_events
from metering.domain.quantities import divided

# A level that is not reported again ends: what was deleted without a word does not cost for ever.
LASTS_MOST: Final = timedelta(days=35)
_SECONDS_IN_AN_HOUR: Final = Decimal(3600)

# Level times seconds is exact; it is divided by 3600 once, at the end.
TIME_WEIGHTED: Final = read_from_events(
    "time_weighted",
    "Time-weighted sum (level by hours)",
    lasts=LASTS_MOST,
    quotient=lambda held, _events: divided(held, _SECONDS_IN_AN_HOUR),
)
