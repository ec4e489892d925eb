"""Anomalies in the words of mails and pages."""

from decimal import Decimal

import pytest

from metering.alerts.domain.anomalies import Pattern
from metering.alerts.domain.anomaly_words import TITLES, anomaly_in_words, window_in_words
from tests.metering.alerts.anomaly_world import HOUR, MONDAY


@pytest.mark.parametrize(
    ("pattern", "is_day", "window"),
    [
        (Pattern.SPIKE, False, "in the hour from 17:30 on 2 March"),
        (Pattern.SPIKE, True, "on 2 March"),
        (Pattern.DROP, True, "on 2 March"),
        (Pattern.SILENCE, False, "since 17:30 on 2 March"),
    ],
)
def test_a_window_is_named_on_the_clocks_of_the_tenant(pattern: Pattern, is_day: bool, window: str) -> None:
    assert window_in_words(pattern, MONDAY + 12 * HOUR, "Asia/Kolkata", is_day=is_day) == window


def test_each_pattern_has_a_title_and_a_sentence() -> None:
    assert TITLES.keys() == set(Pattern)
    facts = {"meter_name": "API requests", "unit": "requests", "quantity": Decimal(1234), "expected": Decimal(40)}
    assert anomaly_in_words(Pattern.SPIKE, **facts, window="on 2 March", key="Mobile") == (  # type: ignore[arg-type]
        "API requests by the key Mobile: 1,234 requests on 2 March, 40 expected."
    )
    assert anomaly_in_words(Pattern.SILENCE, **facts, window="since 17:30 on 2 March") == (  # type: ignore[arg-type]
        "API requests: nothing since 17:30 on 2 March. At these hours 40 requests are usual."
    )
