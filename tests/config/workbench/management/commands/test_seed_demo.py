"""The demonstration's data: the same from the same seed, completed rather than repeated, open to its credentials."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy2

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.test import override_settings
from pytest_django import Settings
from pytest_django.plugin import DjangoDbBlocker

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.keys.services.api_keys import revoke_api_key
from accounts.models import ApiKey, AuditEntry, Tenant, User
from accounts.selectors.api_keys import find_principal
from config.workbench.demo.cast import MAIN_TENANT, PLANS, TENANTS
from config.workbench.demo.credentials import DemoCredentials
from config.workbench.demo.steps import seed_demo
from config.workbench.demo.traffic import requests_within
from metering.models import Event
from metering.services.partitions import ensure_partitions_around
from tests.shared_world import shared_world

AS_OF = datetime(2026, 11, 21, 12, 17, 33, tzinfo=UTC)
LATER = AS_OF + timedelta(hours=5)
BY_SLUG = {tenant.slug: tenant for tenant in TENANTS}
# Short histories of the three that matter here: the main one, one over its quota, one suspended.
SMALL = [
    replace(BY_SLUG[MAIN_TENANT], joined_days_ago=12),
    replace(BY_SLUG["pixel-bakery"], joined_days_ago=24),
    replace(BY_SLUG["oldgate-devices"], joined_days_ago=21),
]


QUICK_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = QUICK_HASHERS


def seed(directory: Path, *, as_of: datetime = AS_OF) -> dict[str, int]:
    ensure_partitions_around(as_of=as_of, backfill_days=60)
    with override_settings(PASSWORD_HASHERS=QUICK_HASHERS):
        return seed_demo(seed="test", as_of=as_of, credentials_file=directory / "demo.json", tenants=SMALL)


@dataclass(frozen=True)
class Seeded:
    """The number of events that seeding added to each tenant, and the directory of the file of credentials."""

    added: dict[str, int]
    directory: Path


@pytest.fixture(scope="module")
def once(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Seeded]:
    """Seed the demo once, below the transaction of each test."""
    directory = tmp_path_factory.mktemp("demo")
    yield from shared_world(django_db_blocker, lambda: Seeded(seed(directory), directory))


@pytest.fixture
def seeded(once: Seeded, db: None, tmp_path: Path) -> Seeded:
    """Return the same with a file of the test's own."""
    copy2(once.directory / "demo.json", tmp_path)
    return Seeded(once.added, tmp_path)


def credentials(tmp_path: Path) -> DemoCredentials:
    return DemoCredentials.read(tmp_path / "demo.json")


def test_the_cast_has_a_dozen_tenants_on_three_plans_in_many_zones() -> None:
    assert len(TENANTS) == 12
    assert {tenant.plan for tenant in TENANTS} == {plan.code for plan in PLANS} == {"free", "growth", "scale"}
    assert len({tenant.time_zone for tenant in TENANTS}) > 8
    assert len({tenant.currency for tenant in TENANTS}) > 6
    assert {role for tenant in TENANTS for _, role in tenant.people} == set(Role)


def test_traffic_is_computed_from_the_seed_and_continues_without_gaps() -> None:
    tenant = BY_SLUG[MAIN_TENANT]
    begin, middle = AS_OF - timedelta(days=5), AS_OF - timedelta(days=2, minutes=13)
    whole = list(requests_within(tenant, seed="s", begin=begin, start=begin, end=AS_OF))
    first = list(requests_within(tenant, seed="s", begin=begin, start=begin, end=middle))
    second = list(requests_within(tenant, seed="s", begin=begin, start=middle, end=AS_OF))
    assert first + second == whole
    assert [request.occurred_at for request in whole] == sorted(request.occurred_at for request in whole)
    assert whole != list(requests_within(tenant, seed="other", begin=begin, start=begin, end=AS_OF))


def test_the_free_tenant_is_over_its_quota_from_the_first_hour_of_a_month_on() -> None:
    tenant = BY_SLUG["pixel-bakery"]
    begin = AS_OF - timedelta(days=95)
    first_hour = datetime(2026, 11, 1, 7, tzinfo=UTC)  # midnight in Los Angeles, before clocks went back
    number = sum(
        1 for _ in requests_within(tenant, seed="s", begin=begin, start=first_hour, end=first_hour + timedelta(hours=1))
    )
    assert number > PLANS[0].quotas[0].limit


@pytest.mark.takes_long("it creates a demo")
def test_seeding_again_adds_only_the_time_since(seeded: Seeded, tmp_path: Path) -> None:
    first = seeded.added
    facts = credentials(tmp_path)
    assert seed(tmp_path) == dict.fromkeys(first, 0)
    entries = AuditEntry.objects.count()
    added = seed(tmp_path, as_of=LATER)
    assert added["oldgate-devices"] == 0
    assert 0 < added[MAIN_TENANT] < first[MAIN_TENANT] // 10
    assert (
        not Event.objects.filter(received_at__gt=AS_OF, occurred_at__lte=AS_OF, is_live=True)
        .exclude(occurred_at__gt=AS_OF - timedelta(hours=1))
        .exists()
    )
    assert credentials(tmp_path) == facts
    assert AuditEntry.objects.count() == entries
    assert (tmp_path / "demo.json").stat().st_mode & 0o777 == 0o600


def test_the_file_opens_portal_admin_and_api(seeded: Seeded, tmp_path: Path) -> None:
    facts = credentials(tmp_path)
    customer = authenticate(None, username=facts.customer_email, password=facts.customer_password)
    assert isinstance(customer, User)
    assert not customer.is_staff
    assert customer.emailaddress_set.filter(verified=True, primary=True).exists()
    staff = authenticate(None, username=facts.staff_email, password=facts.staff_password)
    assert isinstance(staff, User)
    assert staff.is_superuser
    live = find_principal(facts.api_key, AS_OF)
    assert live is not None
    assert live.is_live
    assert live.tenant is not None
    assert live.tenant.slug == MAIN_TENANT
    service = find_principal(facts.service_key, AS_OF)
    assert service is not None
    assert service.tenant is None


def test_a_lost_file_is_replaced_and_the_old_keys_are_revoked(seeded: Seeded, tmp_path: Path) -> None:
    old = credentials(tmp_path)
    (tmp_path / "demo.json").unlink()
    seed(tmp_path, as_of=LATER)
    new = credentials(tmp_path)
    assert {find_principal(secret, LATER) for secret in (old.api_key, old.service_key)} == {None}
    assert None not in {find_principal(secret, LATER) for secret in (new.api_key, new.service_key)}
    assert authenticate(None, username=new.customer_email, password=new.customer_password) is not None
    assert authenticate(None, username=new.customer_email, password=old.customer_password) is None


def test_a_revoked_key_of_the_demonstration_is_replaced(seeded: Seeded, tmp_path: Path) -> None:
    old = credentials(tmp_path).api_key
    principal = find_principal(old, AS_OF)
    assert principal is not None
    revoke_api_key(key=ApiKey.objects.get(pk=principal.key_id), actor=Actor.system(), as_of=AS_OF)
    seed(tmp_path, as_of=LATER)
    assert find_principal(credentials(tmp_path).api_key, LATER) is not None


def test_a_reactivated_tenant_is_not_suspended_again(seeded: Seeded, tmp_path: Path) -> None:
    Tenant.objects.filter(slug="oldgate-devices").update(status="active")
    assert seed(tmp_path, as_of=LATER)["oldgate-devices"] > 0
    assert Tenant.objects.get(slug="oldgate-devices").is_active


def test_a_damaged_file_counts_as_lost(tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    for text in ("", "[]", "{", json.dumps({"api_key": 5, "other": "x"})):
        path.write_text(text)
        assert DemoCredentials.read(path) == DemoCredentials()


@pytest.mark.django_db
def test_demo_data_stay_out_of_production_unless_forced(settings: Settings) -> None:
    settings.PROFILE = "production"
    with pytest.raises(CommandError, match="--force"):
        call_command("seed_demo")
