"""The demonstration's data as `make run` creates them: committed step by step, outside of a transaction."""

from datetime import timedelta
from pathlib import Path

import pytest

from accounts.domain.roles import Role
from accounts.models import ApiKey, AuditEntry, Membership, Tenant
from config.workbench.demo.cast import MAIN_TENANT
from metering.models import Event, EventVoid, IngestVerdict, Reservation, UsagePlan
from metering.selectors.ledgers import ledgers
from metering.selectors.operations import quota_uses
from metering.services.reconciliation import reconcile
from tests.config.workbench.management.commands.test_seed_demo import AS_OF, seed


@pytest.mark.django_db(transaction=True)
@pytest.mark.takes_long("it creates a demo")
def test_seeding_creates_tenants_with_usage_up_to_now(tmp_path: Path) -> None:
    added = seed(tmp_path)
    assert min(added.values()) > 10
    main = Tenant.objects.get(slug=MAIN_TENANT)
    latest = (
        Event.objects.of_ledger(main.pk, is_live=True).order_by("-occurred_at").values_list("occurred_at", flat=True)[0]
    )
    assert AS_OF - timedelta(hours=1) < latest <= AS_OF
    assert {membership.role for membership in Membership.objects.filter(tenant=main)} == set(Role)
    keys = ApiKey.objects.of_tenant(main.pk)
    assert keys.filter(kind="test").exists()
    assert keys.filter(revoked_at__lt=AS_OF).exists()
    assert keys.filter(expires_at__gt=AS_OF, expires_at__lt=AS_OF + timedelta(days=10)).exists()
    assert Event.objects.of_ledger(main.pk, is_live=False).exists()
    assert set(UsagePlan.objects.values_list("code", flat=True)) == {"free", "growth", "scale"}
    assert set(IngestVerdict.objects.values_list("verdict", flat=True)) == {"duplicate", "conflict", "rejected"}
    assert set(Reservation.objects.values_list("state", flat=True)) == {"held", "committed", "released"}
    assert EventVoid.objects.of_ledger(main.pk, is_live=True).count() == 5
    assert AuditEntry.objects.filter(tenant=main).count() > 8
    assert reconcile(ledgers=ledgers()).is_clean
    pixel = Tenant.objects.get(slug="pixel-bakery")
    assert quota_uses(as_of=AS_OF)[pixel.pk][0].percent > 100
    oldgate = Tenant.objects.get(slug="oldgate-devices")
    assert not oldgate.is_active
    assert (
        not Event.objects.of_ledger(oldgate.pk, is_live=True)
        .filter(occurred_at__gt=AS_OF - timedelta(days=18))
        .exists()
    )
