"""What a process remembers is renewed without being read again, and any change is seen at the next turn."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.domain.reach import WayIn, way_in
from accounts.domain.scopes import Scope
from accounts.models import ApiKey, Tenant, TenantStatus
from accounts.selectors import api_keys
from accounts.selectors.api_keys import find_principal, forget_keys, renew_principals
from config.serving.renewal import Renewal, renew
from metering.models import UsagePlan, UsagePlanAssignment, UsagePlanQuota
from metering.selectors import limits
from metering.selectors.limits import anchors_in_use, forget_limits, renew_tenant_limits, tenant_limits
from metering.services.partitions import forget_seen_partitions, has_seen_partition
from tests.faults.durable import await_that
from tests.metering.ledger_world import make_key, make_tenant
from tests.metering.services.limits.limit_world import put_on_plan, quota_of

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
TURN = timedelta(milliseconds=500)


@pytest.fixture(autouse=True)
def _nothing_remembered() -> Iterator[None]:
    forget_keys()
    forget_limits()
    yield
    forget_keys()
    forget_limits()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "change",
    [
        lambda key: ApiKey.objects.filter(pk=key.pk).update(revoked_at=NOW),
        lambda key: ApiKey.objects.filter(pk=key.pk).update(scopes=[]),
        lambda key: ApiKey.objects.filter(pk=key.pk).delete(),
        lambda key: Tenant.objects.filter(pk=key.tenant_id).update(status=TenantStatus.SUSPENDED),
    ],
    ids=["revoked", "narrowed", "deleted", "suspended"],
)
def test_a_key_is_renewed_until_it_or_its_tenant_changes(change: Callable[[ApiKey], Any]) -> None:
    key, secret = make_key(make_tenant("acme"), scopes=[Scope.EVENTS_WRITE])
    first = find_principal(secret, NOW)
    for turn in range(1, 4):
        with CaptureQueriesContext(connection) as queries:
            renew_principals(NOW + turn * TURN)
            assert find_principal(secret, NOW + turn * TURN + TURN) is first
        assert len(queries) <= 1
    change(key)
    renew_principals(NOW + 4 * TURN)
    now = find_principal(secret, NOW + 4 * TURN)
    assert now is None or now != first


@pytest.mark.django_db(transaction=True)
def test_a_plan_is_renewed_until_any_part_of_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [NOW]
    monkeypatch.setattr(limits, "steady_instant", lambda: clock[0])
    tenant, without = make_tenant("acme"), make_tenant("without")
    put_on_plan(tenant, NOW, quota_of("5"))

    def at_next_turn(one: Tenant) -> Any:
        clock[0] += TURN
        with way_in(WayIn.SIGN_IN):  # as the thread does
            as_of, anchors = anchors_in_use()
        with way_in(WayIn.INGEST):
            renew_tenant_limits(as_of, anchors)
        clock[0] += TURN
        return tenant_limits(one.id)

    first, nothing = tenant_limits(tenant.id), tenant_limits(without.id)
    assert at_next_turn(tenant) is first
    assert at_next_turn(without) is nothing
    tenant_limits(tenant.id)
    UsagePlanQuota.objects.update(limit=6)
    assert at_next_turn(tenant).quotas[0].limit == 6
    UsagePlan.objects.update(throttle_rate=1, throttle_burst=2)
    assert at_next_turn(tenant).throttles[0].burst == 2
    Tenant.objects.filter(pk=tenant.pk).update(period_anchor_on=NOW.date())
    assert at_next_turn(tenant).period_anchor_on == NOW.date()
    UsagePlanAssignment.objects.all().delete()
    assert at_next_turn(tenant).quotas == ()
    put_on_plan(without, NOW, quota_of("7"))
    tenant_limits(without.id)
    assert at_next_turn(without).quotas[0].limit == 7


@pytest.mark.django_db(transaction=True)
def test_the_thread_renews_all_by_the_ways_in_of_a_web_process(monkeypatch: pytest.MonkeyPatch) -> None:
    tenant = make_tenant("acme")
    _, secret = make_key(tenant, scopes=[Scope.EVENTS_WRITE])
    find_principal(secret, datetime.now(UTC))
    renewed: list[object] = []

    def noted(*asked: object) -> list[object]:
        renewed.append(asked)
        return []

    monkeypatch.setattr(api_keys, "fetch_all", noted)
    renewal = Renewal()
    renewal.start()
    await_that(lambda: bool(renewed))
    renewal.stop()
    renew()


@pytest.mark.django_db(transaction=True)
def test_the_month_of_now_is_known_to_have_a_partition_before_the_first_event() -> None:
    forget_seen_partitions()
    renew()
    assert has_seen_partition(datetime.now(UTC))
