"""Staff are told once of what happened after their channel was made, as it asks for."""

from datetime import datetime, time, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from pytest_django import Settings

from accounts.channels.domain.staff_notices import NewStaffNotice, StaffNoticeKind
from accounts.channels.models import ChannelMessage, StaffNotice
from accounts.channels.services.sending import send_channels
from accounts.channels.services.staff_routing import route_staff_notices
from accounts.models import Tenant
from tests.accounts.channels.world import Wire, make_channel, statuses

MINUTE = timedelta(minutes=1)
FOUND: list[NewStaffNotice] = []


def found_here(since: datetime) -> list[NewStaffNotice]:
    return [one for one in FOUND if one.at >= since]


@pytest.fixture(autouse=True)
def sources(settings: Settings, db: None) -> None:
    FOUND.clear()
    settings.STAFF_NOTICE_SOURCES = [f"{__name__}.found_here"]


def happen(kind: StaffNoticeKind, at: datetime) -> None:
    page = reverse("admin:index")
    FOUND.append(NewStaffNotice(kind, f"{kind}:{len(FOUND)}", f"Something\nhappened: {kind}", "Text", page, at))


def test_each_thing_is_told_once_to_each_channel_that_wants_it(now: datetime) -> None:
    everything = make_channel(None, now)
    failures = make_channel(None, now, kinds=("payment_failed",))
    happen(StaffNoticeKind.NEW_CUSTOMER, now - MINUTE)  # before the channels
    happen(StaffNoticeKind.NEW_CUSTOMER, now + MINUTE)
    happen(StaffNoticeKind.PAYMENT_FAILED, now + MINUTE)
    later = now + 2 * MINUTE
    assert route_staff_notices(as_of=later) == 2
    assert route_staff_notices(as_of=later) == 0
    assert (len(statuses(everything)), len(statuses(failures))) == (2, 1)
    wire = Wire()
    assert send_channels(clock=lambda: later, outbound=wire).sent == 3
    assert all(b"Something happened" in body for _, body, _ in wire.sent)
    assert all(b"/admin/" in body for _, body, _ in wire.sent)


def test_a_difference_in_the_books_is_told_at_once_and_the_rest_in_the_digest(now: datetime) -> None:
    now = now.replace(hour=12)
    channel = make_channel(None, now, digest_at=time(9))
    happen(StaffNoticeKind.DRIFT, now)
    happen(StaffNoticeKind.EXCEPTION, now)
    wire = Wire()
    send_channels(clock=lambda: now, outbound=wire)
    assert len(wire.sent) == 1
    assert sorted(statuses(channel)) == ["held", "sent"]
    send_channels(clock=lambda: now + timedelta(days=1), outbound=wire)
    assert b"1 notice until" in wire.sent[-1][1]


def test_without_a_channel_of_staff_nothing_is_looked_for(acme: Tenant, now: datetime) -> None:
    make_channel(acme, now)
    happen(StaffNoticeKind.DRIFT, now)
    assert route_staff_notices(as_of=now) == 0
    assert not StaffNotice.objects.exists()


def test_a_notice_to_staff_has_a_known_kind_and_is_once_in_a_channel(now: datetime) -> None:
    make_channel(None, now)
    happen(StaffNoticeKind.DRIFT, now)
    route_staff_notices(as_of=now)
    with pytest.raises(IntegrityError, match="staff_notice_kind_known"), transaction.atomic():
        StaffNotice.objects.update(kind="gossip")
    message = ChannelMessage.objects.get()
    message.pk = "00000000-0000-4000-8000-000000000001"
    with pytest.raises(IntegrityError, match="channel_message_to_staff_once"), transaction.atomic():
        message.save(force_insert=True)
