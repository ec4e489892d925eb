"""Requiring a second factor of a tenant's members."""

from datetime import datetime

import pytest
from allauth.mfa.models import Authenticator

from accounts.errors import PermissionMissingError, SecondFactorMissingError
from accounts.models import AuditEntry, Tenant, User
from accounts.services.tenant_factor import require_second_factor
from tests.accounts.conftest import SYSTEM, member


def is_required(tenant: Tenant) -> bool:
    return Tenant.objects.get(pk=tenant.pk).requires_second_factor


def test_an_owner_without_a_factor_cannot_lock_themselves_out(acme: Tenant, alice: User, now: datetime) -> None:
    with pytest.raises(SecondFactorMissingError):
        require_second_factor(tenant=acme, is_required=True, actor=member(alice), as_of=now)

    assert not is_required(acme)


def test_an_owner_requires_it_and_takes_it_back_with_one_entry_each(acme: Tenant, alice: User, now: datetime) -> None:
    Authenticator.objects.create(user=alice, type="totp", data={})

    for wanted in (True, True, False):
        require_second_factor(tenant=acme, is_required=wanted, actor=member(alice), as_of=now)
        assert is_required(acme) is wanted

    changes = AuditEntry.objects.filter(action="tenant.updated").order_by("id").values_list("after", flat=True)
    assert list(changes) == [{"requires_second_factor": True}, {"requires_second_factor": False}]


def test_only_an_owner_decides(acme: Tenant, bob: User, now: datetime) -> None:
    Authenticator.objects.create(user=bob, type="totp", data={})

    with pytest.raises(PermissionMissingError):
        require_second_factor(tenant=acme, is_required=True, actor=member(bob), as_of=now)
    with pytest.raises(SecondFactorMissingError):
        require_second_factor(tenant=acme, is_required=True, actor=SYSTEM, as_of=now)
