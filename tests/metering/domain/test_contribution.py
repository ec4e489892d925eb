"""The quantities that an event adds to each meter."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metering.domain.aggregations.count import COUNT
from metering.domain.aggregations.sum import SUM
from metering.domain.canonical import PropertyValue
from metering.domain.contribution import (
    Contribution,
    contributions,
    passes,
    rules_counting_at,
)
from metering.domain.events import ParsedEvent
from metering.domain.meter_rules import MeterRule
from metering.formulas.domain.formula import formula_of
from metering.formulas.domain.property_values import text_of

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
REQUESTS = MeterRule(1, "api_requests", "http_request", COUNT)
BYTES = MeterRule(2, "api_bytes", "http_request", SUM, "response_length")
TOKENS = MeterRule(3, "tokens", "completion", SUM)


def event(event_type: str, quantity: Decimal, properties: dict[str, PropertyValue]) -> ParsedEvent:
    return ParsedEvent(0, b"", b"", "", "", event_type, NOON, quantity, None, properties, b"{}", None)


def test_one_event_feeds_every_meter_of_its_type() -> None:
    properties: dict[str, PropertyValue] = {"response_length": 2048}
    assert contributions(event("http_request", Decimal(3), properties), [REQUESTS, BYTES, TOKENS]) == [
        Contribution(1, Decimal(1), {}),
        Contribution(2, Decimal(2048), {}),
    ]


def test_a_meter_counts_from_its_beginning_on() -> None:
    begins_at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    new = REQUESTS._replace(id=9, counts_from=begins_at)
    assert rules_counting_at([REQUESTS, new], begins_at) == (REQUESTS, new)
    assert rules_counting_at([REQUESTS, new], begins_at - timedelta(microseconds=1)) == (REQUESTS,)


def test_an_event_that_no_meter_knows_adds_nothing() -> None:
    assert contributions(event("login", Decimal(1), {}), [REQUESTS, BYTES, TOKENS]) == []


def test_sum_without_a_property_adds_the_quantity() -> None:
    assert contributions(event("completion", Decimal("0.25"), {"quantity": 7}), [TOKENS]) == [
        Contribution(3, Decimal("0.25"), {})
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, "7"),
        (-7, "0"),
        (Decimal("0.30000000000000004"), "0.30000000000000004"),
        ("7", "7"),
        ("7.50", "7.50"),
        ("-7.50", "0"),
        ("007", "7"),
        ("99999999999999999999.999999999", "99999999999999999999.999999999"),
        ("100000000000000000000", "0"),
        ("0.1234567890", "0"),
        ("1e3", "0"),
        (" 7", "0"),
        ("7\n", "0"),
        ("+7", "0"),
        ("\u0667", "0"),
        ("", "0"),
        ("seven", "0"),
        (True, "0"),
        (None, "0"),
    ],
)
def test_sum_adds_a_number_or_a_plain_numeric_text_and_nothing_else(value: PropertyValue, expected: str) -> None:
    assert contributions(event("http_request", Decimal(1), {"response_length": value}), [BYTES])[0].quantity == Decimal(
        expected
    )


def test_sum_of_an_absent_property_adds_nothing_but_is_an_event() -> None:
    assert contributions(event("http_request", Decimal(1), {}), [BYTES]) == [Contribution(2, Decimal(0), {})]


def test_dimensions_are_texts_or_null_if_absent() -> None:
    rule = REQUESTS._replace(dimensions=("status", "path", "cached", "region"))
    properties: dict[str, PropertyValue] = {"status": 200, "path": "/a", "cached": False, "region": None}
    assert contributions(event("http_request", Decimal(1), properties), [rule])[0].dimensions == {
        "status": "200",
        "path": "/a",
        "cached": "false",
        "region": None,
    }


def test_each_version_counts_the_events_of_its_time_and_measures_by_its_formula() -> None:
    second = BYTES._replace(
        value_property="", formula=formula_of("ceil(response_length / 1024)"), begins_at=NOON, version=2
    )
    versions = [BYTES._replace(ends_at=NOON), second]
    sent = event("http_request", Decimal(1), {"response_length": 2048})
    before = msgspec.structs.replace(sent, occurred_at=NOON - timedelta(microseconds=1))
    assert [one.quantity for one in contributions(before, versions)] == [2048]
    assert [one.quantity for one in contributions(sent, versions)] == [2]
    assert [one.quantity for one in contributions(event("http_request", Decimal(1), {}), versions)] == [0]


def test_an_event_counts_only_if_it_passes_every_filter() -> None:
    filters = {"status": ("200", "201"), "cached": ("false",)}
    assert passes(filters, {"status": 201, "cached": False})
    assert passes(filters, {"status": "200", "cached": "false"})
    assert not passes(filters, {"status": 200, "cached": True})
    assert not passes(filters, {"status": 404, "cached": False})
    assert not passes(filters, {"status": 200})
    assert not passes(filters, {"status": None, "cached": None})
    assert passes({}, {})
    assert not passes({"status": ()}, {"status": 200})


@given(
    value=st.none()
    | st.booleans()
    | st.text()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False, places=9)
)
def test_a_filter_on_a_value_s_own_text_lets_it_pass(value: Any) -> None:
    text = text_of(value)
    assert passes({"a": (text,) if text is not None else ("null",)}, {"a": value}) == (value is not None)
