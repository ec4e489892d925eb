"""An alert that a pass has inserted, with what its mail says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from accounts.domain.numbers import unit_name
from accounts.models import Tenant
from metering.alerts.domain.alerts import USED_UP, AlertFacts, AlertPeriod, grouped, percent_of
from metering.domain.periods import Period


@dataclass(frozen=True, slots=True)
class RaisedAlert:
    """An alert that this pass inserted."""

    facts: AlertFacts
    tenant: Tenant
    meter_name: str
    is_hard: bool
    period: AlertPeriod
    limit: Decimal

    @property
    def threshold(self) -> int | None:
        """Return the threshold in percent; None if it is a quantity."""
        return self.facts.threshold

    @property
    def reached_at(self) -> Decimal:
        """Return the usage at which the threshold is crossed."""
        if self.facts.threshold_quantity is not None:
            return self.facts.threshold_quantity
        return self.limit * (self.facts.threshold or 0) / 100

    @property
    def threshold_text(self) -> str:
        """Return the threshold as in "80 %" or "5,000 tokens"."""
        quantity = self.facts.threshold_quantity
        if quantity is None:
            return f"{self.facts.threshold} %"
        return f"{grouped(quantity)} {unit_name(self.facts.unit or '', quantity)}"

    @property
    def quota(self) -> tuple[UUID, str, Period, date]:
        """Return what identifies the quota and its period: all its alerts share it."""
        period = self.period
        return self.tenant.pk, self.facts.meter or "", period.period, period.start_on


def figures_of(crossed: Sequence[RaisedAlert]) -> dict[str, object]:
    """Return what a mail says of alerts of one quota or budget, by the highest of them, which is the last."""
    highest = crossed[-1]
    percent = percent_of(highest.facts.quantity, highest.limit)
    return {
        "tenant": highest.tenant,
        "threshold": highest.threshold,
        "thresholds": [alert.threshold_text for alert in crossed],
        "percent": grouped(percent),
        "filled_percent": min(int(percent), USED_UP),
        "period": highest.period.in_words,
    }
