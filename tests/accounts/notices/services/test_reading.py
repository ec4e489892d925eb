"""Members mark their own notices as read."""

from datetime import datetime

import pytest

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.errors import NotFoundError, PermissionMissingError
from accounts.models import AuditEntry, Tenant, User
from accounts.notices.models import Notice
from accounts.notices.selectors.notices import unread_count
from accounts.notices.services.reading import read_all_notices, read_notice
from accounts.notices.services.telling import NewNotice, notify_members
from tests.accounts.conftest import member


@pytest.fixture
def told(acme: Tenant, alice: User, bob: User, now: datetime) -> Notice:
    notify_members([NewNotice(acme.pk, "usage_alert", key, f"Notice {key}") for key in "abc"], as_of=now)
    return Notice.objects.get(dedupe_key="a")


def test_a_member_reads_one_then_all_and_the_others_have_not(
    acme: Tenant, alice: User, bob: User, told: Notice, now: datetime
) -> None:
    actor = member(bob, Role.DEVELOPER)
    for _ in range(2):
        read_notice(tenant=acme, user_id=bob.pk, notice_id=told.pk, actor=actor, as_of=now)
    assert unread_count(tenant_id=acme.pk, user_id=bob.pk) == 2
    assert read_all_notices(tenant=acme, user_id=bob.pk, actor=actor, as_of=now) == 2
    assert read_all_notices(tenant=acme, user_id=bob.pk, actor=actor, as_of=now) == 0

    assert unread_count(tenant_id=acme.pk, user_id=bob.pk) == 0
    assert unread_count(tenant_id=acme.pk, user_id=alice.pk) == 3
    entries = AuditEntry.objects.filter(action__contains="read").order_by("pk")
    assert [(entry.action, entry.after) for entry in entries] == [("notice.read", {}), ("notices.read", {"count": 2})]


def test_nobody_reads_for_another_and_staff_who_view_change_nothing(
    acme: Tenant, bob: User, charlie: User, told: Notice, now: datetime
) -> None:
    with pytest.raises(NotFoundError):
        read_notice(tenant=acme, user_id=charlie.pk, notice_id=told.pk, actor=member(charlie), as_of=now)
    staff = Actor.viewing(user_id=charlie.pk, label="staff as bob", role=Role.DEVELOPER, ip=None, request_id="r")
    with pytest.raises(PermissionMissingError):
        read_notice(tenant=acme, user_id=bob.pk, notice_id=told.pk, actor=staff, as_of=now)
    with pytest.raises(PermissionMissingError):
        read_all_notices(tenant=acme, user_id=bob.pk, actor=staff, as_of=now)
    assert list(AuditEntry.objects.filter(action__contains="read")) == []
