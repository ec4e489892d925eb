"""Keys that expire are announced once each, some days before."""

from datetime import datetime, timedelta

import pytest

from accounts.keys.services.api_keys import revoke_api_key, rotate_api_key
from accounts.keys.services.expiry import announce_key_expiries, run_key_expiries
from accounts.models import ApiKey, JobRun, Tenant
from accounts.notices.models import MemberNotice, Notice, OutboundMail
from tests.accounts.conftest import SYSTEM, KeyMaker

DAY = timedelta(days=1)


def test_a_key_that_expires_within_a_week_is_told_once_to_who_may_manage_keys(
    acme: Tenant, globex: Tenant, make_key: KeyMaker, now: datetime
) -> None:
    key = make_key(acme, name="Mobile app", expires_at=now + 30 * DAY).key
    make_key(globex, expires_at=now + 31 * DAY)

    assert [announce_key_expiries(as_of=now + days * DAY) for days in (22, 23, 23, 29, 30)] == [0, 1, 0, 1, 0]

    notice = Notice.objects.get(tenant=acme)
    assert notice.title == f"Acme: the API key Mobile app expires on {key.expires_at:%-d %B %Y}"
    assert notice.page == f"keys/{key.pk}/"
    mails = OutboundMail.objects.filter(tenant=acme, kind="key_expiry")
    assert sorted(mails.values_list("recipients", flat=True)) == [["alice@example.com"], ["bob@example.com"]]
    assert MemberNotice.objects.filter(notice=notice).count() == 2
    assert "Rotate it before that" in mails[0].text


def test_a_key_that_needs_no_notice_gets_none(acme: Tenant, make_key: KeyMaker, now: datetime) -> None:
    ends = {"expires_at": now + 30 * DAY}
    soon = now + 25 * DAY
    rotate_api_key(key=make_key(acme, **ends).key, grace=20 * DAY, actor=SYSTEM, as_of=now + 6 * DAY)
    revoke_api_key(key=make_key(acme, **ends).key, actor=SYSTEM, as_of=now)
    ApiKey.objects.filter(pk=make_key(acme, **ends).key.pk).update(quarantined_at=now)
    make_key(acme, expires_at=soon + DAY, as_of=soon)  # it lives shorter than the notice's lead
    make_key(acme)
    make_key(None, **ends)
    found = announce_key_expiries(as_of=soon)
    told = set(Notice.objects.filter(kind="key_expiry").values_list("title", flat=True))
    # The successor of the rotated key ends when that would have ended.
    assert (found, len(told)) == (ApiKey.objects.filter(rotated_from__isnull=False, **ends).count(), found)
    Tenant.objects.update(status="suspended")
    assert announce_key_expiries(as_of=soon + DAY) == 0


@pytest.mark.django_db
def test_a_run_is_recorded(now: datetime) -> None:
    run_key_expiries(started_by="test", as_of=now)
    assert JobRun.objects.get(name="key_expiries").summary == {"announced": 0}
