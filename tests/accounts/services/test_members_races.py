"""Changes of members at once, on real connections. Each race has a control that shows that the rig can see it."""

import threading
from collections.abc import Callable
from datetime import datetime
from unittest.mock import patch

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from accounts.domain.roles import Role
from accounts.errors import InvitationInvalidError, LastOwnerError, PermissionMissingError, SlugTakenError
from accounts.models import Invitation, Membership, Tenant, User
from accounts.services import members
from accounts.services.members import accept_invitation, change_role, invite_member
from accounts.services.tenants import open_tenant
from tests.accounts.conftest import SYSTEM, make_user, member
from tests.accounts.services.test_members import token_in

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*works: Callable[[], object]) -> list[BaseException | None]:
    """Start all calls at one instant, each on a connection of its own, and return what each raised."""
    raised: list[BaseException | None] = [None] * len(works)
    start = threading.Barrier(len(works))

    def run(position: int, work: Callable[[], object]) -> None:
        try:
            start.wait(timeout=30)
            work()
        except (InvitationInvalidError, LastOwnerError, PermissionMissingError, SlugTakenError) as error:
            raised[position] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    return raised


@pytest.fixture
def owners(now: datetime) -> list[User]:
    """Create two owners of Acme."""
    users = [make_user("one@example.com"), make_user("two@example.com")]
    tenant = open_tenant(name="Acme", owner=users[0], actor=SYSTEM, as_of=now)
    Membership.objects.create(tenant=tenant, user=users[1], role=Role.OWNER, created_at=now)
    return users


def step_down_together(owners: list[User]) -> list[BaseException | None]:
    memberships = [Membership.objects.get(user=owner) for owner in owners]
    now = timezone.now()

    def step_down(position: int) -> Callable[[], object]:
        return lambda: change_role(
            membership=memberships[position], role=Role.VIEWER, actor=member(owners[position]), as_of=now
        )

    return at_once(step_down(0), step_down(1))


def test_two_last_owners_who_step_down_at_once_leave_one(owners: list[User]) -> None:
    raised = step_down_together(owners)
    assert Membership.objects.filter(role=Role.OWNER).count() == 1
    assert sorted(type(error).__name__ for error in raised) == ["LastOwnerError", "NoneType"]


def test_control_without_the_tenants_lock_both_step_down(owners: list[User]) -> None:
    # The rig sees the race: when the two do not take turns, the tenant is left without an owner.
    counted = threading.Barrier(2)
    check = members._check_another_owner

    def check_beside_the_other(membership: Membership) -> None:
        check(membership)
        counted.wait(timeout=30)

    with (
        patch.object(members, "lock_tenant", lambda tenant_id: Tenant.objects.get(pk=tenant_id)),
        patch.object(members, "_check_another_owner", check_beside_the_other),
    ):
        assert step_down_together(owners) == [None, None]
    assert not Membership.objects.filter(role=Role.OWNER).exists()


def test_a_link_opened_four_times_at_once_works_once(owners: list[User]) -> None:
    tenant, now = Tenant.objects.get(), timezone.now()
    invite_member(tenant=tenant, email="new@example.com", role=Role.VIEWER, actor=SYSTEM, as_of=now)
    token = token_in(mail.outbox[-1].body)
    bearer = make_user("new@example.com")
    raised = at_once(*[lambda: accept_invitation(token=token, user=bearer, actor=SYSTEM, as_of=now)] * 4)
    assert [error is None for error in raised].count(True) == 1
    assert Membership.objects.filter(role=Role.VIEWER).count() == 1
    assert Invitation.objects.get().accepted_at == now


def test_control_a_check_without_compare_and_set_lets_several_in(owners: list[User]) -> None:
    # Reading first and writing later, as many requests at once do it, uses one link several times.
    tenant, now = Tenant.objects.get(), timezone.now()
    invite_member(tenant=tenant, email="new@example.com", role=Role.VIEWER, actor=SYSTEM, as_of=now)
    read = threading.Barrier(2)
    used: list[int] = []

    def use() -> None:
        invitation = Invitation.objects.open_at(now).get()
        read.wait(timeout=30)
        used.append(Invitation.objects.filter(pk=invitation.pk).update(accepted_at=now))

    at_once(use, use)
    assert used == [1, 1]


def test_two_tenants_of_one_name_at_once_get_slugs_of_their_own(owners: list[User]) -> None:
    now = timezone.now()
    assert at_once(*[lambda: open_tenant(name="Globex", owner=None, actor=SYSTEM, as_of=now)] * 5) == [None] * 5
    slugs = set(Tenant.objects.filter(name="Globex").values_list("slug", flat=True))
    assert slugs == {"globex", "globex-2", "globex-3", "globex-4", "globex-5"}
