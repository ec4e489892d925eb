"""The numbers and words of an alert."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from metering.alerts.domain.alerts import AlertFacts, AlertKind, AlertPeriod, grouped, percent_of, period_in_words
from metering.domain.periods import Period


def facts(**fields: Any) -> AlertFacts:
    usual: dict[str, Any] = {
        "id": 1,
        "tenant": "acme",
        "agreement_id": None,
        "meter": "tokens",
        "unit": "tokens",
        "quota_period": AlertPeriod(Period.MONTH, date(2026, 12, 1), "Europe/Berlin"),
        "threshold": 80,
        "limit": Decimal(3),
        "quantity": Decimal("2.5"),
        "occurred_at": datetime(2026, 12, 3, tzinfo=UTC),
    }
    return AlertFacts(**(usual | fields))


@pytest.mark.parametrize(
    ("quantity", "limit", "percent"),
    [
        ("80", "100", "80.00"),
        ("2.5", "3", "83.33"),
        ("1", "0", "100"),
        ("99999999999999999999999999999", "0.000000001", "9999999999999999999999999999900000000000.00"),
        ("0.000000001", "99999999999.999999999", "0.00"),
    ],
)
def test_the_share_of_an_alert_is_exact_to_two_places(quantity: str, limit: str, percent: str) -> None:
    assert str(percent_of(Decimal(quantity), Decimal(limit))) == percent


@pytest.mark.parametrize(
    ("quantity", "text"),
    [("0", "0"), ("1234567.50", "1,234,567.5"), ("1000", "1,000"), ("1E+3", "1,000"), ("0.000000001", "0.000000001")],
)
def test_the_quantity_of_an_alert_is_whole_with_its_thousands_grouped(quantity: str, text: str) -> None:
    assert grouped(Decimal(quantity)) == text


def test_the_period_of_an_alert_has_its_name() -> None:
    assert period_in_words(Period.MONTH, date(2026, 11, 1)) == "November 2026"
    assert period_in_words(Period.DAY, date(2026, 11, 1)) == "1 November 2026"


@pytest.mark.parametrize(
    ("period", "start_on", "start", "end", "next_start_on"),
    [
        (Period.MONTH, date(2026, 12, 1), "2026-11-30T23:00Z", "2026-12-31T23:00Z", date(2027, 1, 1)),
        (Period.MONTH, date(2026, 3, 1), "2026-02-28T23:00Z", "2026-03-31T22:00Z", date(2026, 4, 1)),
        (Period.DAY, date(2026, 3, 29), "2026-03-28T23:00Z", "2026-03-29T22:00Z", date(2026, 3, 30)),
        (Period.DAY, date(2028, 2, 29), "2028-02-28T23:00Z", "2028-02-29T23:00Z", date(2028, 3, 1)),
    ],
)
def test_the_instants_of_an_alerts_period_are_in_the_tenants_zone(
    period: Period, start_on: date, start: str, end: str, next_start_on: date
) -> None:
    of_quota = AlertPeriod(period, start_on, "Europe/Berlin")
    assert of_quota.span == (datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert of_quota.next_start_on == next_start_on
    assert facts(quota_period=of_quota).as_body()["period"] == {"start": of_quota.span.start, "end": of_quota.span.end}


def test_an_anomaly_has_an_hour_and_what_was_expected_and_no_limit() -> None:
    hour = datetime(2026, 12, 3, 9, tzinfo=UTC)
    body = facts(
        kind=AlertKind.ANOMALY,
        quota_period=None,
        threshold=None,
        limit=None,
        window_start_at=hour,
        expected=Decimal("0.4"),
    ).as_body()
    assert (body["kind"], body["window_start"], body["quantity"], body["expected"]) == (
        "anomaly",
        hour,
        Decimal("2.5"),
        Decimal("0.4"),
    )
    assert body["limit"] is body["period"] is body["quota_period"] is body["percent"] is body["threshold"] is None
