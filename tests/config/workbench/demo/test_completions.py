"""The demo's AI tokens: counted by a formula, by the version of their time, once however often the demo is made."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts.domain.actor import Actor
from config.workbench.demo.completions import CHANGED_BEFORE, DAYS, EVENTS_A_DAY, add_completions, ensure_ai_tokens
from metering.models import Event, MeterVersion
from metering.selectors.span_usage import UsageSpan, compared_usage_of_spans
from metering.services.reconciliation import reconcile
from tests.metering.ledger_world import ledger_of, make_tenant

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
STAFF = Actor.system("demo")


def test_tokens_are_counted_by_two_versions_and_once() -> None:
    tenant = make_tenant("acme")
    for _ in range(2):
        ensure_ai_tokens(actor=STAFF, began_at=NOW - timedelta(days=180), as_of=NOW)
    assert [add_completions(tenant=tenant, seed="s", as_of=NOW) for _ in range(2)] == [DAYS * EVENTS_A_DAY, 0]
    assert reconcile(ledgers=[ledger_of(tenant)]).is_clean
    version = MeterVersion.objects.get()
    spans = [
        UsageSpan(tenant.pk, version.meter_id, NOW - timedelta(days=90), version.begins_at),
        UsageSpan(tenant.pk, version.meter_id, version.begins_at, NOW),
    ]
    before, after = compared_usage_of_spans(spans)
    assert before.is_proven
    assert after.is_proven
    cached = sum(
        Decimal(event.properties["cached_tokens"]) for event in Event.objects.filter(occurred_at__gte=version.begins_at)
    )
    plain = sum(
        Decimal(event.properties["input_tokens"]) + 4 * Decimal(event.properties["output_tokens"])
        for event in Event.objects.filter(occurred_at__gte=version.begins_at)
    )
    assert after.in_ledger.quantity == plain - Decimal("0.9") * cached
    assert timedelta() < version.begins_at - (NOW - CHANGED_BEFORE) < timedelta(minutes=6)
