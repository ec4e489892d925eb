"""A small cast for the admin's tests: Robin may do everything, Kim supports, Pat reads, Alice owns a tenant."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.domain.api_key import KeyKind
from accounts.keys.services.api_keys import CreatedKey, KeyTerms, create_api_key
from accounts.models import Tenant, User
from accounts.services.tenants import open_tenant
from metering.models import Meter, UsagePlan, UsagePlanQuota
from metering.services.usage_plans import assign_usage_plan

MADE_AT = datetime(2026, 1, 5, 9, tzinfo=UTC)


@pytest.fixture
def robin(db: None) -> User:
    return User.objects.create_superuser("robin@example.org", None, name="Robin")


@pytest.fixture
def kim(db: None) -> User:
    return _staff("kim@example.org", "Support")


@pytest.fixture
def pat(db: None) -> User:
    return _staff("pat@example.org", "Read-only")


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice@acme.example", None, name="Alice")


@pytest.fixture
def acme(alice: User) -> Tenant:
    actor = Actor.member(user_id=alice.pk, label=alice.email)
    return open_tenant(name="Acme", owner=alice, actor=actor, as_of=MADE_AT, slug="acme")


@pytest.fixture
def acme_key(acme: Tenant, alice: User) -> CreatedKey:
    actor = Actor.member(user_id=alice.pk, label=alice.email)
    return create_api_key(
        tenant=acme,
        kind=KeyKind.LIVE,
        terms=KeyTerms(name="Production", scopes=["events:write"]),
        actor=actor,
        as_of=MADE_AT,
    )


@pytest.fixture
def small_plan(acme: Tenant) -> UsagePlan:
    plan = UsagePlan.objects.create(code="small", name="Small", created_at=MADE_AT)
    UsagePlanQuota.objects.create(usage_plan=plan, meter=Meter.objects.get(code="api_requests"), limit=Decimal(10))
    assign_usage_plan(tenant=acme, usage_plan=plan, actor=Actor.system(), as_of=timezone.now())
    return plan


@pytest.fixture
def as_robin(robin: User) -> Client:
    return _signed_in(robin)


@pytest.fixture
def as_kim(kim: User) -> Client:
    return _signed_in(kim)


@pytest.fixture
def as_pat(pat: User) -> Client:
    return _signed_in(pat)


@pytest.fixture
def as_alice(alice: User) -> Client:
    return _signed_in(alice)


def _staff(email: str, group: str) -> User:
    user = User.objects.create_user(email, None, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user


def _signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client
