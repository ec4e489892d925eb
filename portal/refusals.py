"""Requests that limits refused, by day and reason: a quota, a throttle, or a budget of the tenant's own.

They are counted as `accounts.services.key_use` notes them, by key and day of UTC. Requests with a key of the operator
belong to no tenant, and are not among them.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from accounts.keys.selectors.key_use import refusals_by_day
from metering.domain.periods import Span, calendar_days
from metering.errors import BudgetExceededError, QuotaExceededError, ThrottledError
from portal.access import Portal

_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_NAMES: Final = {
    QuotaExceededError.code: ("Over quota", "over a quota"),
    ThrottledError.code: ("Too fast", "faster than the plan allows"),
    BudgetExceededError.code: ("Over budget", "over a budget of yours"),
}


@dataclass(frozen=True, slots=True)
class Reason:
    """The requests that were refused for one reason, with its name, and its words after their number."""

    name: str
    words: str
    requests: int


@dataclass(frozen=True, slots=True)
class Refusals:
    """The refused requests of a span, by reason, and the days with a number for each of the reasons."""

    reasons: tuple[Reason, ...]
    days: tuple[tuple[date, tuple[int, ...]], ...]

    @property
    def chart(self) -> dict[str, object]:
        """Return the chart of the days."""
        return {
            "kind": "bar",
            "labels": [f"{day:%d %b}" for day, _ in self.days],
            "unit": "requests",
            "unit_of_one": "request",
            "is_stacked": True,
            "series": [
                {"name": reason.name, "values": [str(counts[place]) for _, counts in self.days], "is_forecast": False}
                for place, reason in enumerate(self.reasons)
            ],
            "limit": None,
        }


def refusals_of(portal: Portal, span: Span) -> Refusals | None:
    """Return the refused requests of a span until now; None if there are none."""
    first, last = span.start.date(), min(span.end - _MICROSECOND, portal.as_of).date()
    found = refusals_by_day(tenant_id=portal.tenant.pk, first=first, last=last, codes=_NAMES)
    codes = [code for code in _NAMES if any(code == one for _, one in found)]
    if not codes:
        return None
    days = calendar_days(first, last + _DAY)
    totals = {code: sum(requests for (_, one), requests in found.items() if one == code) for code in codes}
    return Refusals(
        reasons=tuple(Reason(*_NAMES[code], totals[code]) for code in codes),
        days=tuple((day, tuple(found.get((day, code), 0) for code in codes)) for day in days),
    )


def refused_by_quotas(portal: Portal, since: datetime) -> int:
    """Return how many requests were refused over a quota since then."""
    codes = (QuotaExceededError.code,)
    last = portal.as_of.date()
    return sum(refusals_by_day(tenant_id=portal.tenant.pk, first=since.date(), last=last, codes=codes).values())
