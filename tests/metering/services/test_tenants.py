"""Metering's part of a tenant: limits apply from the first request, and its days follow its time zone."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client
from django_q.models import Schedule

from accounts.domain.actor import Actor
from accounts.models import AuditEntry
from accounts.services.tenants import open_tenant, update_tenant
from metering.domain.usage_plan_terms import UsagePlanTerms
from metering.models import UsagePlan, UsagePlanAssignment
from metering.services.tenants import REBUILD_TASK
from metering.services.usage_plans import create_usage_plan
from tests.portal.conftest import make_user, signed_in

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)
OPERATOR = Actor.system()

pytestmark = pytest.mark.django_db


@pytest.fixture
def default_plan() -> UsagePlan:
    terms = UsagePlanTerms("Free", throttle_rate=Decimal(1), throttle_burst=5, is_default=True)
    return create_usage_plan(code="free", terms=terms, actor=OPERATOR, as_of=NOW)


def test_a_new_tenant_gets_the_default_usage_plan(default_plan: UsagePlan) -> None:
    tenant = open_tenant(name="Initech", owner=None, actor=OPERATOR, as_of=NOW)
    assert UsagePlanAssignment.objects.get(tenant=tenant).usage_plan == default_plan
    assert AuditEntry.objects.filter(tenant_id=tenant.pk).count() == 2


def test_without_a_default_usage_plan_a_tenant_has_no_limits() -> None:
    open_tenant(name="Initech", owner=None, actor=OPERATOR, as_of=NOW)
    assert not UsagePlanAssignment.objects.exists()


def test_a_tenant_opened_at_sign_up_gets_the_default_usage_plan(default_plan: UsagePlan) -> None:
    client: Client = signed_in(make_user("new@example.com"))
    client.post("/start/", {"name": "Initech"})
    assert UsagePlanAssignment.objects.get(tenant__slug="initech").usage_plan == default_plan


def test_a_new_time_zone_queues_a_recomputation_of_usage_after_the_caches_expire() -> None:
    tenant = open_tenant(name="Initech", owner=None, actor=OPERATOR, as_of=NOW)
    update_tenant(tenant=tenant, changes={"city": "Gent"}, actor=OPERATOR, as_of=NOW)
    assert not Schedule.objects.filter(func=REBUILD_TASK).exists()
    update_tenant(tenant=tenant, changes={"time_zone": "Asia/Kolkata"}, actor=OPERATOR, as_of=NOW)
    assert Schedule.objects.get(func=REBUILD_TASK).next_run > NOW
