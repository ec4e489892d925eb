"""Who receives mails: those who chose so, otherwise by role."""

import pytest

from accounts.domain.roles import Role
from accounts.models import Membership, Tenant, User
from accounts.notices.domain.mails import MailKind
from accounts.notices.models import MailPreference
from accounts.notices.selectors.recipients import recipients_of
from billing.domain.mails import INVOICE
from metering.alerts.domain.alerts import USAGE_ALERT
from tests.metering.ledger_world import LONG_AGO, make_tenant


def member(tenant: Tenant, role: Role, email: str = "") -> Membership:
    user = User.objects.create_user(email or f"{role.value}@acme.example")
    return Membership.objects.create(tenant=tenant, user=user, role=role, created_at=LONG_AGO)


def say(membership: Membership, kind: MailKind, *, is_wanted: bool) -> None:
    MailPreference.objects.create(
        tenant_id=membership.tenant_id, membership=membership, kind=kind.name, is_wanted=is_wanted
    )


@pytest.fixture
def tenant(db: None) -> Tenant:
    tenant = make_tenant("acme")
    member(make_tenant("other"), Role.OWNER, "stranger@other.example")
    return tenant


def test_without_choices_roles_decide(tenant: Tenant) -> None:
    for role in Role:
        member(tenant, role)
    assert recipients_of(tenant=tenant, kind=USAGE_ALERT) == [
        "owner@acme.example",
        "admin@acme.example",
        "developer@acme.example",
    ]
    assert recipients_of(tenant=tenant, kind=INVOICE) == [
        "owner@acme.example",
        "admin@acme.example",
        "billing@acme.example",
    ]


def test_a_choice_stands_above_the_role(tenant: Tenant) -> None:
    owner, viewer = member(tenant, Role.OWNER), member(tenant, Role.VIEWER)
    say(owner, USAGE_ALERT, is_wanted=False)
    say(owner, INVOICE, is_wanted=False)
    say(viewer, USAGE_ALERT, is_wanted=True)
    assert recipients_of(tenant=tenant, kind=USAGE_ALERT) == ["viewer@acme.example"]
    assert recipients_of(tenant=tenant, kind=INVOICE) == []


def test_a_wish_for_invoices_does_not_outlive_the_right_to_see_them(tenant: Tenant) -> None:
    former_admin = member(tenant, Role.DEVELOPER)
    say(former_admin, INVOICE, is_wanted=True)
    assert recipients_of(tenant=tenant, kind=INVOICE) == []


def test_the_address_for_bills_comes_first_and_each_address_once(tenant: Tenant) -> None:
    tenant.billing_email = "Owner@acme.example"
    member(tenant, Role.OWNER)
    member(tenant, Role.ADMIN)
    assert recipients_of(tenant=tenant, kind=INVOICE) == ["Owner@acme.example", "admin@acme.example"]
    assert recipients_of(tenant=tenant, kind=USAGE_ALERT) == ["owner@acme.example", "admin@acme.example"]


def test_who_may_no_longer_sign_in_gets_nothing(tenant: Tenant) -> None:
    User.objects.filter(pk=member(tenant, Role.OWNER).user_id).update(is_active=False)
    assert recipients_of(tenant=tenant, kind=INVOICE) == []


def test_a_tenant_turns_its_usage_alerts_off_but_not_its_invoices(tenant: Tenant) -> None:
    member(tenant, Role.OWNER)
    MailPreference.objects.create(tenant=tenant, kind=USAGE_ALERT.name, is_wanted=False)
    assert recipients_of(tenant=tenant, kind=USAGE_ALERT) == []
    assert recipients_of(tenant=tenant, kind=INVOICE) == ["owner@acme.example"]
