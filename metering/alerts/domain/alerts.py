"""The content of a threshold alert: shares, spans and numbers in words. Pure.

docs/alerts.md has the rules by which an alert is due.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import ClassVar, Final
from uuid import UUID

from accounts.domain.numbers import number_text
from accounts.domain.roles import Capability, Role
from accounts.notices.domain.mails import MailKind
from metering.domain.periods import Period, Span, YearMonth, day_span, month_span

USAGE_ALERT: Final = MailKind(
    name="usage_alert",
    wish="wants_usage_alerts",
    capability=Capability.READ_USAGE,
    roles_by_default=frozenset({Role.OWNER, Role.ADMIN, Role.DEVELOPER}),
)
THRESHOLD_KIND: Final = "threshold"  # the contract names others, such as budgets and anomalies
USED_UP: Final = 100
_PERCENT_STEP: Final = Decimal("0.01")
_CONTEXT: Final = Context(prec=80, rounding=ROUND_HALF_UP)
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """An alert as the API and the outbox show it."""

    id: int
    tenant: str
    time_zone: str
    agreement_id: UUID | None
    meter: str
    unit: str
    quota_period: Period
    period_start_on: date
    threshold: int
    limit: Decimal
    quantity: Decimal
    occurred_at: datetime

    @property
    def percent(self) -> Decimal:
        """Return the used percentage of the limit when it was found, to two places."""
        return percent_of(self.quantity, self.limit)

    @property
    def span(self) -> Span:
        """Return the quota's period."""
        if self.quota_period is Period.DAY:
            return day_span(self.period_start_on, self.time_zone)
        return month_span(YearMonth.of(self.period_start_on), self.time_zone)

    @property
    def next_start_on(self) -> date:
        """Return the first day of the next period."""
        if self.quota_period is Period.DAY:
            return self.period_start_on + _DAY
        return YearMonth.of(self.period_start_on).plus(1).first_day()

    def as_body(self) -> dict[str, object]:
        """Return its form in the API and in webhooks."""
        return {
            "id": self.id,
            "kind": THRESHOLD_KIND,
            "tenant": self.tenant,
            "subscription": self.agreement_id,
            "meter": self.meter,
            "unit": self.unit,
            "quota_period": self.quota_period,
            "period": {"start": self.span.start, "end": self.span.end},
            "threshold": self.threshold,
            "limit": self.limit,
            "quantity": self.quantity,
            "percent": self.percent,
            "occurred_at": self.occurred_at,
        }


@dataclass(frozen=True, slots=True)
class ThresholdReached:
    """A tenant's usage crossed a share of a quota."""

    type: ClassVar[str] = "usage.threshold_reached"
    tenant_id: UUID
    alert: AlertFacts

    @property
    def dedupe_key(self) -> str:
        """Return the key under which the outbox stores the alert once."""
        return f"{self.type}:{self.alert.id}"

    def as_body(self) -> dict[str, object]:
        """Return the alert as the API shows it."""
        return self.alert.as_body()


def has_reached(threshold: int, *, used: Decimal, limit: Decimal) -> bool:
    """Return whether `threshold` percent of a limit are used."""
    return used * 100 >= limit * threshold


def percent_of(quantity: Decimal, limit: Decimal) -> Decimal:
    """Return the used percentage of a limit, to two places. A limit of 0 counts as used up."""
    if not limit:
        return Decimal(USED_UP)
    return _CONTEXT.divide(_CONTEXT.multiply(quantity, Decimal(100)), limit).quantize(_PERCENT_STEP, context=_CONTEXT)


def period_in_words(period: Period, start_on: date) -> str:
    """Return `November 2026`, or `21 November 2026`."""
    month = f"{start_on:%B} {start_on.year}"
    return f"{start_on.day} {month}" if period is Period.DAY else month


def grouped(quantity: Decimal) -> str:
    """Return an exact quantity with its thousands grouped: `1234567.50` is `1,234,567.5`."""
    return number_text(quantity)
