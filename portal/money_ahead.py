"""What a subscription costs so far and is going to: by the computation that makes the invoice, with nothing written."""

from dataclasses import dataclass
from datetime import datetime

from billing.domain.invoicing.computing import ComputedInvoice
from billing.domain.invoicing.lines import RECURRING
from billing.errors import UnbillableError
from billing.models import Subscription
from billing.selectors.invoicing.preview import preview_next_invoice, project_next_invoice


@dataclass(frozen=True, slots=True)
class MoneyAhead:
    """The next invoice as it would be now, and with usage projected to the end of the period."""

    subscription: Subscription
    now: ComputedInvoice
    projected: ComputedInvoice

    @property
    def so_far_minor(self) -> int:
        """What the running period comes to until now, before tax: everything but the next period's fee."""
        return sum(line.amount_minor for line in self.now.lines if line.kind != RECURRING)


def projected_invoice(subscription: Subscription, as_of: datetime) -> ComputedInvoice | None:
    """Return the next invoice at the pace of the period so far; None if somebody has to look at it first."""
    try:
        return project_next_invoice(subscription=subscription, as_of=as_of)
    except UnbillableError:
        return None


def money_ahead(subscription: Subscription, as_of: datetime) -> MoneyAhead | None:
    """Look ahead; None where the invoice cannot be computed before somebody has looked at it."""
    try:
        return MoneyAhead(
            subscription,
            preview_next_invoice(subscription=subscription),
            project_next_invoice(subscription=subscription, as_of=as_of),
        )
    except UnbillableError:
        return None
