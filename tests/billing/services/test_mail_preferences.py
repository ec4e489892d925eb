"""Who chooses which mails: the tenant for all of its members, each member for themselves, each change on record."""

import pytest

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.errors import PermissionMissingError
from accounts.models import AuditEntry, Membership, Tenant
from billing.models import MemberPreference
from billing.selectors.alerts import membership_of, tenant_wants_alerts
from billing.selectors.recipients import INVOICE, USAGE_ALERT, recipients_of, wants
from billing.services.mail_preferences import set_alert_mails, set_member_mails
from tests.billing.alert_world import NOON, join
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Tenant:
    return make_tenant("acme")


def acting(member: Membership) -> Actor:
    return Actor.member(user_id=member.user_id, label=member.user.email, role=Role(member.role))


def choose(member: Membership, actor: Actor | None = None, **wishes: bool) -> Membership:
    set_member_mails(membership=member, wishes=wishes, actor=actor or acting(member), as_of=NOON)
    return membership_of(tenant_id=member.tenant_id, user_id=member.user_id)


def test_a_tenant_turns_mails_of_alerts_off_and_on_again(acme: Tenant) -> None:
    owner = join(acme, "owner@acme.example", Role.OWNER)
    assert tenant_wants_alerts(tenant_id=acme.pk)

    for wish in (False, False, True):
        set_alert_mails(tenant=acme, wants_usage_alerts=wish, actor=acting(owner), as_of=NOON)
        assert tenant_wants_alerts(tenant_id=acme.pk) is wish
        assert recipients_of(tenant=acme, kind=USAGE_ALERT) == (["owner@acme.example"] if wish else [])

    entries = AuditEntry.objects.filter(action="tenant.usage_alerts_set").order_by("pk")
    assert [(entry.before, entry.after) for entry in entries] == [
        ({"wants_usage_alerts": True}, {"wants_usage_alerts": False}),
        ({"wants_usage_alerts": False}, {"wants_usage_alerts": True}),
    ]


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_only_who_manages_the_tenant_decides_for_all(role: Role, acme: Tenant) -> None:
    member = join(acme, "member@acme.example", role)
    with pytest.raises(PermissionMissingError):
        set_alert_mails(tenant=acme, wants_usage_alerts=False, actor=acting(member), as_of=NOON)
    assert tenant_wants_alerts(tenant_id=acme.pk)


def test_a_member_chooses_and_what_was_not_named_stays_what_the_role_suggests(acme: Tenant) -> None:
    owner, viewer = join(acme, "owner@acme.example", Role.OWNER), join(acme, "viewer@acme.example", Role.VIEWER)

    owner = choose(owner, wants_invoices=False)
    viewer = choose(viewer, wants_usage_alerts=True)

    assert (wants(membership=owner, kind=USAGE_ALERT), wants(membership=owner, kind=INVOICE)) == (True, False)
    assert (wants(membership=viewer, kind=USAGE_ALERT), wants(membership=viewer, kind=INVOICE)) == (True, False)
    owner = choose(owner, wants_usage_alerts=False)
    assert (wants(membership=owner, kind=USAGE_ALERT), wants(membership=owner, kind=INVOICE)) == (False, False)
    entries = AuditEntry.objects.filter(action="member.mails_chosen").order_by("pk")
    assert [(entry.target_label, entry.after) for entry in entries] == [
        ("owner@acme.example", {"wants_invoices": False}),
        ("viewer@acme.example", {"wants_usage_alerts": True}),
        ("owner@acme.example", {"wants_usage_alerts": False}),
    ]


def test_a_choice_that_changes_nothing_leaves_nothing(acme: Tenant) -> None:
    choose(join(acme, "owner@acme.example", Role.OWNER), wants_usage_alerts=True, wants_invoices=True)
    assert not MemberPreference.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_role_without_the_right_may_not_ask_for_invoices(acme: Tenant) -> None:
    developer = join(acme, "developer@acme.example", Role.DEVELOPER)
    with pytest.raises(PermissionMissingError):
        choose(developer, wants_invoices=True)
    developer = choose(developer, wants_usage_alerts=False)
    assert not wants(membership=developer, kind=INVOICE)
    assert recipients_of(tenant=acme, kind=INVOICE) == []


def test_nobody_chooses_for_somebody_else_save_staff_who_look_through_their_eyes(acme: Tenant) -> None:
    owner, viewer = join(acme, "owner@acme.example", Role.OWNER), join(acme, "viewer@acme.example", Role.VIEWER)
    with pytest.raises(PermissionMissingError):
        choose(viewer, acting(owner), wants_usage_alerts=True)
    staff = Actor.staff(user_id=owner.user_id, label="robin as viewer")
    assert wants(membership=choose(viewer, staff, wants_usage_alerts=True), kind=USAGE_ALERT)
