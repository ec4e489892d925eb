"""Billing events: four names, an identity, and nothing mixed with them."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from metering.domain.billing_events import BillingItem, billing_members, parse_billing_event, read_billing_event
from metering.domain.event_bodies import OVERSIZED
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent, Rejection

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
RULES = IngestRules(NOW - timedelta(days=35), NOW + timedelta(minutes=5), frozenset({"http_request"}), True)
AT = 1_795_258_800_000
BILLED: dict[str, Any] = {"TenantID": "acme", "ProductCode": "http_request", "Quantity": 2.50, "Timestamp": AT}


def read(event: object, idempotency_key: str | None = "key-1") -> BillingItem:
    members = billing_members(msgspec.Raw(json.dumps(event).encode()))
    assert members is not None
    return read_billing_event(members, idempotency_key)


def verdict_on(event: object, idempotency_key: str | None = "key-1") -> ParsedEvent | Rejection:
    return parse_billing_event(read(event, idempotency_key), 0, NOW, RULES)


def test_a_billing_event_is_the_plain_event_that_its_names_say() -> None:
    plain = {"id": "key-1", "type": "http_request", "timestamp": AT, "quantity": Decimal("2.5"), "tenant": "acme"}
    assert verdict_on(BILLED) == parse_event(plain, 0, NOW, RULES)
    assert verdict_on(BILLED | {"id": "key-1"}, "other") == parse_event(plain, 0, NOW, RULES)


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"TenantID": 7}, "invalid_type", "/TenantID"),
        ({"ProductCode": None}, "invalid_type", "/ProductCode"),
        ({"ProductCode": "nonesuch"}, "unknown_event_type", "/ProductCode"),
        ({"Quantity": "x"}, "invalid_quantity", "/Quantity"),
        ({"Quantity": -1}, "invalid_quantity", "/Quantity"),
        ({"Timestamp": AT // 1000}, "timestamp_too_old", "/Timestamp"),
        ({"Timestamp": "now"}, "invalid_timestamp", "/Timestamp"),
        ({"id": ""}, "invalid_id", "/id"),
        ({"id": 7}, "invalid_id", "/id"),
        ({"id": None}, "invalid_id", "/id"),
        ({"type": "http_request"}, "unknown_field", "/type"),
        ({"quantity": 1}, "unknown_field", "/quantity"),
        ({"tenant": "acme"}, "unknown_field", "/tenant"),
    ],
)
def test_each_fault_is_named_by_its_own_name(change: dict[str, Any], code: str, pointer: str) -> None:
    verdict = verdict_on(BILLED | change)
    assert isinstance(verdict, Rejection)
    assert (verdict.code, verdict.pointer) == (code, pointer)


@pytest.mark.parametrize("name", list(BILLED))
def test_each_name_is_required(name: str) -> None:
    rest = {other: value for other, value in BILLED.items() if other != name}
    verdict = verdict_on(rest)
    assert isinstance(verdict, Rejection)
    assert (verdict.code, verdict.pointer) == ("required", f"/{name}")


def test_an_event_without_any_identity_is_refused() -> None:
    verdict = verdict_on(BILLED, None)
    assert isinstance(verdict, Rejection)
    assert (verdict.code, verdict.pointer) == ("id_missing", "/id")


@pytest.mark.parametrize("body", [b"{}", b"[]", b"7", b"{", b'{"Quantity": 1}', b"[" * 50_000])
def test_another_form_is_no_billing_event(body: bytes) -> None:
    assert billing_members(msgspec.Raw(body)) is None
    assert billing_members(OVERSIZED) is None
