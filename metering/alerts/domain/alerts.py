"""The content of a threshold alert: shares, spans and numbers in words. Pure.

docs/alerts.md has the rules by which an alert is due.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from typing import ClassVar, Final
from uuid import UUID

from accounts.domain.numbers import number_text
from accounts.domain.roles import Capability, Role
from accounts.notices.domain.mails import MailKind
from metering.alerts.domain.anomalies import Pattern
from metering.domain.periods import Period, Span, days_of, start_of_day

USAGE_ALERT: Final = MailKind(
    name="usage_alert",
    wish="wants_usage_alerts",
    capability=Capability.READ_USAGE,
    roles_by_default=frozenset({Role.OWNER, Role.ADMIN, Role.DEVELOPER}),
    title="Usage alerts",
    page="alerts/",
)
THRESHOLDS: Final = (80, 95, 100)
PERCENT_MAX: Final = 1000
USED_UP: Final = 100
UNUSUAL_USAGE: Final = MailKind(
    name="unusual_usage",
    wish="wants_unusual_usage",
    capability=Capability.READ_USAGE,
    roles_by_default=frozenset({Role.OWNER, Role.ADMIN, Role.DEVELOPER}),
    title="Unusual usage",
    page="alerts/",
)
_PERCENT_STEP: Final = Decimal("0.01")
_CONTEXT: Final = Context(prec=80, rounding=ROUND_HALF_UP)


class AlertKind(StrEnum):
    """What was found; the values are the contract's."""

    THRESHOLD = "threshold"
    BUDGET = "budget"
    ANOMALY = "anomaly"
    FORECAST = "forecast"


@dataclass(frozen=True, slots=True)
class AlertPeriod:
    """A period of a quota or a budget, by its first day in the tenant's zone."""

    period: Period
    start_on: date
    time_zone: str
    anchor_on: date | None = None

    @property
    def span(self) -> Span:
        """Return its instants."""
        return Span(start_of_day(self.start_on, self.time_zone), start_of_day(self.next_start_on, self.time_zone))

    @property
    def next_start_on(self) -> date:
        """Return the first day of the next period."""
        return days_of(self.period, self.start_on, self.anchor_on)[1]

    @property
    def in_words(self) -> str:
        """Return the period as in "November 2026"."""
        return period_in_words(self.period, self.start_on)


@dataclass(frozen=True, slots=True)
class CrossingDays:
    """The day on which a limit is expected to be reached, and the interval of it."""

    on: date
    low: date
    high: date

    def as_body(self) -> dict[str, date]:
        """Return its form in the API."""
        return {"date": self.on, "earliest": self.low, "latest": self.high}


@dataclass(frozen=True, slots=True)
class AlertFacts:
    """An alert as the API and the outbox show it. What its kind does not have is None.

    `threshold` is in percent; a threshold that is a quantity is in `threshold_quantity`.
    """

    id: int
    tenant: str
    agreement_id: UUID | None
    quantity: Decimal
    occurred_at: datetime
    kind: AlertKind = AlertKind.THRESHOLD
    meter: str | None = None
    unit: str | None = None
    quota_period: AlertPeriod | None = None
    threshold: int | None = None
    threshold_quantity: Decimal | None = None
    limit: Decimal | None = None
    currency: str | None = None
    budget_id: UUID | None = None
    subject: str | None = None
    api_key_id: UUID | None = None
    window_start_at: datetime | None = None
    expected: Decimal | None = None
    pattern: Pattern | None = None
    window_end_at: datetime | None = None
    crossing: CrossingDays | None = None

    @property
    def percent(self) -> Decimal | None:
        """Return the used percentage of the limit when it was found, to two places."""
        return None if self.limit is None else percent_of(self.quantity, self.limit)

    def as_body(self) -> dict[str, object]:
        """Return its form in the API and in webhooks."""
        of_quota = self.quota_period
        return {
            "id": self.id,
            "kind": self.kind,
            "tenant": self.tenant,
            "subscription": self.agreement_id,
            "meter": self.meter,
            "unit": self.unit,
            "currency": self.currency,
            "budget": self.budget_id,
            "api_key": self.api_key_id,
            "subject": self.subject,
            "quota_period": None if of_quota is None else of_quota.period,
            "period": None if of_quota is None else {"start": of_quota.span.start, "end": of_quota.span.end},
            "threshold": self.threshold,
            "threshold_quantity": self.threshold_quantity,
            "limit": self.limit,
            "quantity": self.quantity,
            "percent": self.percent,
            "pattern": self.pattern,
            "window_start": self.window_start_at,
            "window_end": self.window_end_at,
            "expected": self.expected,
            "crosses_on": None if self.crossing is None else self.crossing.as_body(),
            "occurred_at": self.occurred_at,
        }


@dataclass(frozen=True, slots=True)
class _AlertRaised:
    """An alert, as the outbox and webhooks tell of it."""

    type: ClassVar[str]
    tenant_id: UUID
    alert: AlertFacts

    @property
    def dedupe_key(self) -> str:
        """Return the key under which the outbox stores the alert once."""
        return f"{self.type}:{self.alert.id}"

    def as_body(self) -> dict[str, object]:
        """Return the alert as the API shows it."""
        return self.alert.as_body()


@dataclass(frozen=True, slots=True)
class ThresholdReached(_AlertRaised):
    """A tenant's usage crossed a share of a quota, or of a budget."""

    type: ClassVar[str] = "usage.threshold_reached"


@dataclass(frozen=True, slots=True)
class AnomalyDetected(_AlertRaised):
    """A tenant's usage, or that of one of its keys, is unusual."""

    type: ClassVar[str] = "usage.anomaly_detected"


@dataclass(frozen=True, slots=True)
class CrossingPredicted(_AlertRaised):
    """A tenant's quota will be used up before its period ends."""

    type: ClassVar[str] = "usage.crossing_predicted"


def has_reached(threshold: int, *, used: Decimal, limit: Decimal) -> bool:
    """Return whether `threshold` percent of a limit are used."""
    return used * 100 >= limit * threshold


def percent_of(quantity: Decimal, limit: Decimal) -> Decimal:
    """Return the used percentage of a limit, to two places. A limit of 0 counts as used up."""
    if not limit:
        return Decimal(USED_UP)
    return _CONTEXT.divide(_CONTEXT.multiply(quantity, Decimal(100)), limit).quantize(_PERCENT_STEP, context=_CONTEXT)


def period_in_words(period: Period, start_on: date) -> str:
    """Return `November 2026`, `21 November 2026`, or `the week from 16 November 2026`."""
    month = f"{start_on:%B} {start_on.year}"
    if period is Period.MONTH:
        return month
    day = f"{start_on.day} {month}"
    return day if period is Period.DAY else f"the {period.words} from {day}"


def grouped(quantity: Decimal) -> str:
    """Return an exact quantity with its thousands grouped: `1234567.50` is `1,234,567.5`."""
    return number_text(quantity)
