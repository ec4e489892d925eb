"""Each member is told once, if their role may know."""

from datetime import datetime

import pytest
from django.db import IntegrityError, transaction

from accounts.domain.roles import Role
from accounts.models import Membership, Tenant, User
from accounts.notices.models import MemberNotice, Notice
from accounts.notices.services.telling import NewNotice, notify_members
from tests.accounts.conftest import join, make_user


def readers(key: str) -> list[str]:
    told = MemberNotice.objects.filter(notice__dedupe_key=key)
    return sorted(told.values_list("membership__user__email", flat=True))


def test_members_are_told_by_role_and_once_however_often(acme: Tenant, alice: User, bob: User, now: datetime) -> None:
    gone = make_user("gone@example.com")
    User.objects.filter(pk=gone.pk).update(is_active=False)
    join(acme, gone, Role.OWNER, now)
    both = [
        NewNotice(acme.pk, "usage_alert", "u", "80 %\nis used", text="Much."),
        NewNotice(acme.pk, "invoice", "i", "Invoice 1", page="invoices/1/"),
    ]

    assert notify_members(both, as_of=now) == {"u", "i"}
    assert notify_members([both[0], NewNotice(acme.pk, "usage_alert", "v", "95 %")], as_of=now) == {"v"}
    assert notify_members([], as_of=now) == frozenset()

    everyone = sorted(
        Membership.objects.filter(tenant=acme, user__is_active=True).values_list("user__email", flat=True)
    )
    assert readers("u") == everyone
    assert readers("i") == ["alice@example.com"]
    stored = Notice.objects.get(dedupe_key="u")
    assert (stored.title, stored.text, stored.page) == ("80 % is used", "Much.", "alerts/")
    assert Notice.objects.get(dedupe_key="i").page == "invoices/1/"


def test_a_kind_that_is_not_registered_is_a_mistake(acme: Tenant, now: datetime) -> None:
    with pytest.raises(LookupError):
        notify_members([NewNotice(acme.pk, "horoscope", "h", "Stars")], as_of=now)


def test_the_database_keeps_one_row_a_member_and_notice(acme: Tenant, alice: User, now: datetime) -> None:
    notify_members([NewNotice(acme.pk, "invoice", "i", "Invoice 1")], as_of=now)
    row = MemberNotice.objects.get()
    with pytest.raises(IntegrityError, match="member_notice_once"), transaction.atomic():
        MemberNotice.objects.create(tenant=acme, notice=row.notice, membership=row.membership, at=now)
