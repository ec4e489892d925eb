"""Who chooses which mails: the tenant for all of its members, each member for themselves. Each change is audited."""

import pytest
from django.db import IntegrityError, transaction

from accounts.domain.actor import Actor
from accounts.domain.roles import Role
from accounts.errors import PermissionMissingError
from accounts.models import AuditEntry, Membership, Tenant
from accounts.notices.domain.mails import MailKind
from accounts.notices.models import MailPreference
from accounts.notices.selectors.preferences import tenant_wants, wishes_of
from accounts.notices.selectors.recipients import recipients_of
from accounts.notices.services.preferences import set_member_mails, set_tenant_mails
from billing.domain.mails import INVOICE
from metering.alerts.domain.alerts import USAGE_ALERT
from tests.metering.alerts.alert_world import NOON, join
from tests.metering.ledger_world import make_tenant

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Tenant:
    return make_tenant("acme")


def acting(member: Membership) -> Actor:
    return Actor.member(user_id=member.user_id, label=member.user.email, role=Role(member.role))


def choose(member: Membership, actor: Actor | None = None, **wishes: bool) -> Membership:
    kinds = {kind: wishes[kind.wish] for kind in (USAGE_ALERT, INVOICE) if kind.wish in wishes}
    set_member_mails(membership=member, wishes=kinds, actor=actor or acting(member), as_of=NOON)
    return member


def wants(*, membership: Membership, kind: MailKind) -> bool:
    return wishes_of(membership=membership, kinds=[kind])[kind]


def test_a_tenant_turns_mails_of_alerts_off_and_on_again(acme: Tenant) -> None:
    owner = join(acme, "owner@acme.example", Role.OWNER)
    assert tenant_wants(tenant_id=acme.pk, kind=USAGE_ALERT)

    for wish in (False, False, True):
        set_tenant_mails(tenant=acme, kind=USAGE_ALERT, is_wanted=wish, actor=acting(owner), as_of=NOON)
        assert tenant_wants(tenant_id=acme.pk, kind=USAGE_ALERT) is wish
        assert recipients_of(tenant=acme, kind=USAGE_ALERT) == (["owner@acme.example"] if wish else [])

    entries = AuditEntry.objects.filter(action="tenant.usage_alerts_set").order_by("pk")
    assert [(entry.before, entry.after) for entry in entries] == [
        ({"wants_usage_alerts": True}, {"wants_usage_alerts": False}),
        ({"wants_usage_alerts": False}, {"wants_usage_alerts": True}),
    ]


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.VIEWER])
def test_only_who_manages_the_tenant_turns_mails_off_for_all(role: Role, acme: Tenant) -> None:
    member = join(acme, "member@acme.example", role)
    with pytest.raises(PermissionMissingError):
        set_tenant_mails(tenant=acme, kind=USAGE_ALERT, is_wanted=False, actor=acting(member), as_of=NOON)
    assert tenant_wants(tenant_id=acme.pk, kind=USAGE_ALERT)


def test_a_member_chooses_mails_and_the_role_decides_the_rest(acme: Tenant) -> None:
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


def test_a_choice_of_mails_that_changes_nothing_leaves_no_trace(acme: Tenant) -> None:
    choose(join(acme, "owner@acme.example", Role.OWNER), wants_usage_alerts=True, wants_invoices=True)
    assert not MailPreference.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_role_without_the_right_may_not_choose_mails_of_invoices(acme: Tenant) -> None:
    developer = join(acme, "developer@acme.example", Role.DEVELOPER)
    with pytest.raises(PermissionMissingError):
        choose(developer, wants_invoices=True)
    developer = choose(developer, wants_usage_alerts=False)
    assert not wants(membership=developer, kind=INVOICE)
    assert recipients_of(tenant=acme, kind=INVOICE) == []


def test_no_one_chooses_mails_for_another_member_except_staff_who_view_as_them(acme: Tenant) -> None:
    owner, viewer = join(acme, "owner@acme.example", Role.OWNER), join(acme, "viewer@acme.example", Role.VIEWER)
    with pytest.raises(PermissionMissingError):
        choose(viewer, acting(owner), wants_usage_alerts=True)
    staff = Actor.staff(user_id=owner.user_id, label="robin as viewer")
    assert wants(membership=choose(viewer, staff, wants_usage_alerts=True), kind=USAGE_ALERT)


def test_there_is_one_wish_for_each_member_and_kind_and_one_of_the_tenant(acme: Tenant) -> None:
    owner = join(acme, "owner@acme.example", Role.OWNER)
    for membership in (owner, None):
        MailPreference.objects.create(tenant=acme, membership=membership, kind=USAGE_ALERT.name, is_wanted=False)
        with pytest.raises(IntegrityError, match="mail_preference_once"), transaction.atomic():
            MailPreference.objects.create(tenant=acme, membership=membership, kind=USAGE_ALERT.name, is_wanted=True)
