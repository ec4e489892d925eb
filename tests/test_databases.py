"""After a test that commits, the database is as it was before."""

from uuid import uuid4

import pytest
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from accounts.models import AuditEntry, Tenant, User
from metering.models import Meter
from tests.databases import Cleaner


def sorted_rows(cleaner: Cleaner) -> dict[str, list[bytes]]:
    """Return the rows by table. PostgreSQL may store them in another place, and so in another order."""
    return {table: sorted(rows.splitlines()) for table, rows in cleaner.first_rows.items()}


@pytest.mark.django_db(transaction=True)
@pytest.mark.as_owner
def test_committed_rows_are_deleted_and_rows_of_migrations_restored() -> None:
    cleaner = Cleaner()
    assert {"auth_permission", "metering_meter", "django_migrations"} <= set(cleaner.first_rows)
    now = timezone.now()
    tenant = Tenant.objects.create(pk=uuid4(), name="Acme", slug="acme", created_at=now)
    AuditEntry.objects.create(tenant=tenant, actor_kind="system", action="tested", occurred_at=now)
    User.objects.create_user("alice@example.org")
    Group.objects.get(name="Support").permissions.clear()
    Permission.objects.filter(codename="view_tenant").update(name="changed")
    Meter.objects.all().delete()
    cleaner.clean()
    again = Cleaner()
    assert sorted_rows(again) == sorted_rows(cleaner)
    for one in (cleaner, again):
        one.server.close()
    assert not Tenant.objects.exists()
    assert not AuditEntry.objects.exists()
    assert not User.objects.exists()
