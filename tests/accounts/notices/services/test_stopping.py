"""A member stops a kind of mails without signing in."""

from datetime import datetime

import pytest

from accounts.errors import NotFoundError
from accounts.models import AuditEntry, Membership, Tenant, User
from accounts.notices.models import MailPreference
from accounts.notices.selectors.stops import MailStop
from accounts.notices.services.stopping import stop_mails


def test_stopping_is_audited_as_the_members_own_choice_and_twice_changes_nothing(
    acme: Tenant, bob: User, vera: User, now: datetime
) -> None:
    member = Membership.objects.get(tenant=acme, user=bob)
    for _ in range(2):
        stop = MailStop(acme.pk, member.pk, "usage_alert")
        assert stop_mails(stop=stop, ip="192.0.2.9", request_id="r", as_of=now)[0] == member
    assert MailPreference.objects.get().is_wanted is False
    entry = AuditEntry.objects.get(action="member.mails_chosen")
    assert (entry.actor_label, entry.ip) == ("bob@example.com", "192.0.2.9")
    viewer = Membership.objects.get(tenant=acme, user=vera)
    stop_mails(stop=MailStop(acme.pk, viewer.pk, "key_leak"), ip=None, request_id="r", as_of=now)
    assert MailPreference.objects.count() == 1


def test_one_who_has_left_gets_no_mails_anyway(acme: Tenant, globex: Tenant, bob: User, now: datetime) -> None:
    member = Membership.objects.get(tenant=acme, user=bob)
    with pytest.raises(NotFoundError):
        stop_mails(stop=MailStop(globex.pk, member.pk, "usage_alert"), ip=None, request_id="r", as_of=now)
