"""Amounts of alerts in words."""

from decimal import Decimal

from metering.alerts.models import ThresholdAlert
from metering.alerts.selectors.amounts import amount_text, measure_name, use_text
from metering.models import Meter

TOKENS = Meter(name="Tokens", unit="tokens")


def test_units_are_grouped_and_named() -> None:
    alert = ThresholdAlert(meter=TOKENS, quantity=Decimal("1300.50"), limit=Decimal(1000))
    assert (use_text(alert, with_unit=True), use_text(alert, with_unit=False)) == (
        "1,300.5 of 1,000 tokens",
        "1,300.5 of 1,000",
    )
    assert measure_name(alert) == "Tokens"
    alert.limit = None
    assert use_text(alert, with_unit=True) == "1,300.5 tokens"


def test_a_budget_in_money_is_money_and_never_minor_units() -> None:
    alert = ThresholdAlert(currency="EUR", quantity=Decimal(42_050), limit=Decimal(50_000))
    text = use_text(alert, with_unit=True).replace("\N{NO-BREAK SPACE}", " ")
    assert (text, measure_name(alert)) == ("420.50 EUR of 500.00 EUR", "Spend")
    assert amount_text(ThresholdAlert(currency="JPY"), Decimal(500)).replace("\N{NO-BREAK SPACE}", " ") == "500 JPY"
