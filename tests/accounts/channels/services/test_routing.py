"""Which channels are told of a notice, once each, and when."""

from datetime import datetime, time, timedelta
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.channels.domain.quiet import QuietHours
from accounts.channels.models import ChannelMessage
from accounts.channels.services.routing import route_notices
from accounts.models import Membership, Tenant, User
from accounts.notices.models import Notice, UnroutedNotice
from tests.accounts.channels.world import make_channel, statuses, tell

NIGHT = QuietHours(time(0), time(23, 59))


def test_a_notice_is_told_to_each_channel_that_wants_its_kind(acme: Tenant, globex: Tenant, now: datetime) -> None:
    all_kinds, invoices = make_channel(acme, now), make_channel(acme, now, kinds=("invoice",))
    others = make_channel(globex, now)
    tell(acme, now)
    tell(acme, now, "invoice")
    assert route_notices(as_of=now) == 2
    assert route_notices(as_of=now) == 0
    assert [len(statuses(one)) for one in (all_kinds, invoices, others)] == [2, 1, 0]


def test_a_members_channel_is_told_what_the_member_may_see(acme: Tenant, alice: User, bob: User, now: datetime) -> None:
    owners = make_channel(acme, now, membership=Membership.objects.get(user=alice))
    developers = make_channel(acme, now, membership=Membership.objects.get(user=bob))
    tell(acme, now, "invoice")
    tell(acme, now, "usage_alert")
    route_notices(as_of=now)
    assert [len(statuses(one)) for one in (owners, developers)] == [2, 1]
    User.objects.filter(pk=alice.pk).update(is_active=False)
    tell(acme, now, "usage_alert")
    route_notices(as_of=now)
    assert [len(statuses(one)) for one in (owners, developers)] == [2, 2]


def test_quiet_hours_hold_back_all_but_what_is_urgent(acme: Tenant, now: datetime) -> None:
    now = now.replace(hour=12)
    channel = make_channel(acme, now, quiet=NIGHT)
    tell(acme, now)
    tell(acme, now, "key_leak")
    route_notices(as_of=now)
    due = dict(ChannelMessage.objects.filter(channel=channel).values_list("notice__kind", "next_attempt_at"))
    assert due["key_leak"] == now
    assert due["usage_alert"].time() == time(23, 59)


def test_a_digest_holds_all_but_what_is_urgent(acme: Tenant, now: datetime) -> None:
    channel = make_channel(acme, now, digest_at=time(9))
    tell(acme, now)
    tell(acme, now, "key_leak")
    route_notices(as_of=now)
    assert statuses(channel) == ["held", "pending"]


def test_a_channel_is_not_told_what_happened_before_it(acme: Tenant, now: datetime) -> None:
    tell(acme, now - timedelta(seconds=1))
    channel = make_channel(acme, now)
    route_notices(as_of=now)
    assert statuses(channel) == []


def test_a_notice_is_once_in_a_channel(acme: Tenant, now: datetime) -> None:
    channel = make_channel(acme, now)
    tell(acme, now)
    route_notices(as_of=now)
    UnroutedNotice.objects.create(notice=Notice.objects.get(), tenant=acme)
    route_notices(as_of=now)  # as after a restored queue
    assert statuses(channel) == ["pending"]
    message = ChannelMessage.objects.get()
    message.pk = None
    with pytest.raises(IntegrityError, match="channel_message_once"), transaction.atomic():
        ChannelMessage.objects.create(
            id="00000000-0000-4000-8000-000000000001",
            tenant=acme,
            channel=channel,
            notice=message.notice,
            next_attempt_at=now,
            created_at=now,
        )


@pytest.mark.parametrize(
    ("constraint", "change"),
    [
        ("channel_message_status_known", {"status": "lost", "next_attempt_at": None}),
        ("channel_message_of_notice_or_day", {"notice": None}),
        ("channel_message_waiting_or_ended", {"status": "sent"}),
        ("channel_message_lease_has_end", {"lease": "00000000-0000-4000-8000-000000000001"}),
    ],
)
def test_a_message_is_whole(acme: Tenant, now: datetime, constraint: str, change: dict[str, object]) -> None:
    make_channel(acme, now)
    tell(acme, now)
    route_notices(as_of=now)
    if change.get("status") == "lost":
        change = change | {"ended_at": now}
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ChannelMessage.objects.update(**change)


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_add_each_message_once(acme: Tenant, now: datetime) -> None:
    channel = make_channel(acme, now)
    for _ in range(20):
        tell(acme, now)
    barrier, taken = Barrier(4), []

    def work() -> None:
        barrier.wait(30)
        taken.append(route_notices(as_of=now, limit=10))
        connection.close()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    route_notices(as_of=now)
    assert sum(taken) <= 20
    assert statuses(channel) == ["pending"] * 20
