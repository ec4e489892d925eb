"""A tenant that the operator or a newcomer makes is put on the default usage plan, so that its limits hold from the first request."""

from datetime import UTC, datetime

from django.test import Client

from accounts.domain.actor import Actor
from accounts.models import Tenant
from metering.domain.usage_plan_terms import UsagePlanTerms
from metering.models import UsagePlan, UsagePlanAssignment
from metering.services.usage_plans import create_usage_plan
from tests.metering.api.conftest import Api
from tests.portal.conftest import make_user, signed_in

NOW = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


def default_plan() -> UsagePlan:
    terms = UsagePlanTerms("Free", throttle_rate=1, throttle_burst=5, is_default=True)
    return create_usage_plan(code="free", terms=terms, actor=Actor.system(), as_of=NOW)


def test_the_operators_new_tenant_is_put_on_the_default_plan(gateway: Api) -> None:
    usage_plan = default_plan()
    assert gateway.post("/operator/tenants", {"name": "Initech"}).status_code == 201
    assert UsagePlanAssignment.objects.get(tenant__slug="initech").usage_plan == usage_plan


def test_a_newcomers_tenant_is_put_on_the_default_plan(db: None) -> None:
    usage_plan = default_plan()
    client: Client = signed_in(make_user("new@example.com"))
    client.post("/start/", {"name": "Initech"})
    assert UsagePlanAssignment.objects.get(tenant__slug="initech").usage_plan == usage_plan


def test_without_a_default_plan_a_new_tenant_has_no_limits(gateway: Api) -> None:
    UsagePlan.objects.update(is_default=False)
    assert gateway.post("/operator/tenants", {"name": "Initech"}).status_code == 201
    assert Tenant.objects.filter(slug="initech").exists()
    assert not UsagePlanAssignment.objects.exists()
