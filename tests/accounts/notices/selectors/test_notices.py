"""The notices of a member, and of no one else."""

from datetime import datetime

import pytest

from accounts.domain.roles import Role
from accounts.errors import NotFoundError
from accounts.models import Tenant, User
from accounts.notices.models import Notice
from accounts.notices.selectors.notices import (
    UNREAD_SHOWN_MAX,
    notice_of_member,
    notices_of_member,
    unread_count,
)
from accounts.notices.services.telling import NewNotice, notify_members
from tests.accounts.conftest import join


def test_a_member_has_the_notices_of_one_tenant_and_the_count_ends_where_pages_end(
    acme: Tenant, globex: Tenant, bob: User, charlie: User, now: datetime
) -> None:
    join(globex, bob, Role.VIEWER, now)
    numbered = (NewNotice(acme.pk, "usage_alert", f"{number}", f"No. {number}") for number in range(101))
    notify_members([*numbered, NewNotice(globex.pk, "usage_alert", "g", "Globex")], as_of=now)

    assert [row.notice.title for row in notices_of_member(tenant_id=globex.pk, user_id=bob.pk)] == ["Globex"]
    assert unread_count(tenant_id=acme.pk, user_id=bob.pk) == UNREAD_SHOWN_MAX + 1
    assert unread_count(tenant_id=globex.pk, user_id=bob.pk) == 1
    told = Notice.objects.get(dedupe_key="g")
    assert notice_of_member(tenant_id=globex.pk, user_id=bob.pk, notice_id=told.pk).notice == told
    for stranger in (acme, globex):
        with pytest.raises(NotFoundError):
            notice_of_member(tenant_id=stranger.pk, user_id=charlie.pk + 999, notice_id=told.pk)
