"""Amounts of alerts in words: those of a budget in money as money, never as a number of minor units."""

from decimal import Decimal

from accounts.domain.numbers import unit_name
from metering.alerts.domain.alerts import grouped
from metering.alerts.models import ThresholdAlert
from metering.selectors.budget_usage import spend_source


def amount_text(alert: ThresholdAlert, quantity: Decimal) -> str:
    """Return a quantity of the alert without its unit, as in "1,300"; money as in "500.00 EUR"."""
    return spend_source().text(quantity, alert.currency) if alert.currency else grouped(quantity)


def use_text(alert: ThresholdAlert, *, with_unit: bool) -> str:
    """Return usage and limit, as in "1,300 of 1,000 tokens"; without a limit the usage alone."""
    last = alert.quantity if alert.limit is None else alert.limit
    unit = unit_name(alert.meter.unit, last) if with_unit and alert.meter is not None else ""
    used = amount_text(alert, alert.quantity)
    text = used if alert.limit is None else f"{used} of {amount_text(alert, alert.limit)}"
    return f"{text} {unit}".rstrip()


def measure_name(alert: ThresholdAlert) -> str:
    """Return the name of the meter, or "Spend" for a budget in money."""
    return "Spend" if alert.meter is None else alert.meter.name
