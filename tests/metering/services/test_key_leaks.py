"""Usage after a key leaked: listed by endpoint, voided in one act, reported."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from accounts.domain.actor import Actor
from accounts.errors import ConflictError
from accounts.models import ApiKey, AuditEntry, KeyLeak, Tenant
from metering.models import EventVoid, UsageDay, UsageHour
from metering.selectors.key_usage import KeySpan, KeyUse, uses_of_key
from metering.services import key_leaks, void_filters
from metering.services.key_leaks import void_usage_after_leak
from metering.services.reconciliation import reconcile
from tests.metering.ledger_world import ledger_of, make_key, make_meter, make_tenant, send
from tests.metering.retention_world import seal

pytestmark = pytest.mark.django_db
LEAKED_AT = datetime(2026, 3, 10, 12, tzinfo=UTC)
NOW = LEAKED_AT + timedelta(hours=2)
STAFF = Actor.system("staff")


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant("acme")


@pytest.fixture
def key(tenant: Tenant) -> ApiKey:
    return make_key(tenant)[0]


@pytest.fixture
def leak(tenant: Tenant, key: ApiKey) -> KeyLeak:
    return KeyLeak.objects.create(
        id=uuid4(), api_key=key, tenant=tenant, place_digest=b"1" * 32, scanner="s", reported_at=LEAKED_AT
    )


def call(tenant: Tenant, name: str, path: str, *, key: ApiKey, minutes: int, **more: object) -> None:
    """Send one event, received so many minutes after the leak."""
    at = LEAKED_AT + timedelta(minutes=minutes)
    event = {"id": name, "type": "http_request", "properties": {"resource_path": path}} | more
    send(ledger_of(tenant), [event], as_of=at, api_key_id=key.pk)


def used(tenant: Tenant) -> Decimal:
    rows = UsageDay.objects.filter(tenant_id=tenant.pk, is_live=True, meter_id=1)
    return sum((row.quantity for row in rows), Decimal(0))


def test_usage_is_listed_and_voided_by_when_it_was_received(tenant: Tenant, key: ApiKey, leak: KeyLeak) -> None:
    other = make_key(tenant, digest=b"2" * 32)[0]
    call(tenant, "before", "/a", key=key, minutes=-1)
    call(tenant, "first", "/a", key=key, minutes=1)
    call(tenant, "dated-back", "/a", key=key, minutes=2, timestamp=(LEAKED_AT - timedelta(days=3)).isoformat())
    call(tenant, "elsewhere", "/b", key=key, minutes=3, quantity="2.5")
    call(tenant, "mine", "/a", key=other, minutes=4)
    assert used(tenant) == 5
    span = KeySpan(ledger_of(tenant), key.pk, LEAKED_AT, NOW)

    minute = timedelta(minutes=1)
    assert uses_of_key(span) == [
        KeyUse("http_request", "/a", 2, Decimal(2), LEAKED_AT + minute, LEAKED_AT + 2 * minute),
        KeyUse("http_request", "/b", 1, Decimal("2.5"), LEAKED_AT + 3 * minute, LEAKED_AT + 3 * minute),
    ]
    voided = void_usage_after_leak(leak_id=leak.pk, since=LEAKED_AT, until=NOW, actor=STAFF, as_of=NOW)

    assert (voided.events, voided.has_more) == (3, False)
    assert voided.quantity_by_type == {"http_request": Decimal("4.5")}
    assert used(tenant) == 2
    assert uses_of_key(span) == []
    assert EventVoid.objects.filter(tenant_id=tenant.pk).count() == 3
    entry = AuditEntry.objects.get(action="api_key.leaked_usage_voided")
    [act] = KeyLeak.objects.get().usage_report or []
    assert entry.after == act
    assert (act["events"], act["events_by_type"]) == (3, {"http_request": 3})
    with pytest.raises(ConflictError):
        void_usage_after_leak(leak_id=leak.pk, since=LEAKED_AT, until=NOW, actor=STAFF, as_of=NOW)


def test_an_act_is_bounded_and_says_that_there_is_more(
    tenant: Tenant, key: ApiKey, leak: KeyLeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_leaks, "EVENTS_MAX", 2)
    for number in range(3):
        call(tenant, f"e{number}", "/a", key=key, minutes=number)
    acts = [
        void_usage_after_leak(leak_id=leak.pk, since=LEAKED_AT, until=NOW, actor=STAFF, as_of=NOW) for _ in range(2)
    ]
    assert [(act.events, act.has_more) for act in acts] == [(2, True), (1, False)]
    assert len(KeyLeak.objects.get().usage_report or []) == 2


def test_events_of_several_types_are_voided_in_batches_and_usage_agrees(
    tenant: Tenant, key: ApiKey, leak: KeyLeak, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(void_filters, "EVENTS_PER_BATCH", 2)
    make_meter("documents", "document")
    make_meter("largest", "http_request", aggregation="max", value_property="response_length")
    for number in range(5):
        call(tenant, f"call-{number}", "/a", key=key, minutes=number, type="http_request")
        call(tenant, f"document-{number}", "/a", key=key, minutes=number, type="document")
    monkeypatch.setattr(key_leaks, "EVENTS_MAX", 8)
    first, second = (
        void_usage_after_leak(leak_id=leak.pk, since=LEAKED_AT, until=NOW, actor=STAFF, as_of=NOW) for _ in range(2)
    )
    assert (first.events_by_type, first.has_more) == ({"document": 5, "http_request": 3}, True)
    assert (second.events_by_type, second.has_more) == ({"http_request": 2}, False)
    UsageHour.objects.filter(events=0).delete()
    UsageDay.objects.filter(events=0).delete()
    assert reconcile(ledgers=[ledger_of(tenant)]).is_clean


def test_months_that_are_closed_for_good_stay(tenant: Tenant, key: ApiKey, leak: KeyLeak) -> None:
    call(tenant, "e", "/a", key=key, minutes=1)
    seal([ledger_of(tenant)])
    with pytest.raises(ConflictError, match="closed"):
        void_usage_after_leak(leak_id=leak.pk, since=LEAKED_AT, until=NOW, actor=STAFF, as_of=NOW)
    assert not EventVoid.objects.exists()


def test_a_service_keys_events_are_of_many_tenants(leak: KeyLeak) -> None:
    KeyLeak.objects.update(tenant=None)
    with pytest.raises(ConflictError):
        void_usage_after_leak(leak_id=leak.pk, since=LEAKED_AT, until=NOW, actor=STAFF, as_of=NOW)
