"""An alert that a pass has inserted, with what its mail says of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

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
    threshold: int
    limit: Decimal

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
        "thresholds": [alert.threshold for alert in crossed],
        "percent": grouped(percent),
        "filled_percent": min(int(percent), USED_UP),
        "period": highest.period.in_words,
    }
