"""Who may request an export."""

from datetime import datetime

import pytest
from django_q.models import OrmQ

from accounts.domain.roles import Role
from accounts.errors import PermissionMissingError
from accounts.exports.models import TenantExport
from accounts.exports.services.requesting import request_export
from accounts.models import Membership, Tenant, User
from tests.accounts.conftest import SYSTEM, member


@pytest.mark.parametrize("role", [Role.ADMIN, Role.DEVELOPER, Role.VIEWER])
def test_only_an_owner_may_request_an_export(acme: Tenant, bob: User, now: datetime, role: Role) -> None:
    Membership.objects.filter(tenant=acme, user=bob).update(role=role)
    for actor in (member(bob), SYSTEM):
        with pytest.raises(PermissionMissingError):
            request_export(tenant=acme, actor=actor, as_of=now)
    assert not TenantExport.objects.exists()


def test_an_export_request_is_queued_once_it_is_stored(
    acme: Tenant, alice: User, now: datetime, django_capture_on_commit_callbacks: object
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        request_export(tenant=acme, actor=member(alice), as_of=now)
        assert not OrmQ.objects.exists()
    assert OrmQ.objects.count() == 1
