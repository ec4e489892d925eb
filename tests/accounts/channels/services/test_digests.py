"""One digest of a day with what was held; none of a day on which nothing happened."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import IntegrityError, transaction

from accounts.channels.models import Channel, ChannelMessage
from accounts.channels.services.digests import make_digests
from accounts.channels.services.routing import route_notices
from accounts.models import Tenant
from tests.accounts.channels.world import make_channel, statuses, tell

BEGAN = datetime(2026, 3, 27, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def happen(tenant: Tenant, at: datetime, *, number: int = 1) -> None:
    for _ in range(number):
        tell(tenant, at)
    route_notices(as_of=at)


def digests() -> list[tuple[date | None, int]]:
    found = ChannelMessage.objects.exclude(digest_on=None).order_by("digest_on")
    return [(one.digest_on, one.told.count()) for one in found]


def test_a_day_has_one_digest_and_a_day_without_notices_none(acme: Tenant) -> None:
    channel = make_channel(acme, BEGAN, digest_at=time(9), zone="Europe/Paris")
    happen(acme, BEGAN, number=3)
    assert make_digests(as_of=BEGAN) == 0
    assert make_digests(as_of=BEGAN + DAY) == 1
    assert make_digests(as_of=BEGAN + DAY) == 0
    assert make_digests(as_of=BEGAN + 2 * DAY) == 0
    assert digests() == [(date(2026, 3, 28), 3)]
    assert statuses(channel) == ["digested"] * 3 + ["pending"]


def test_the_hours_come_by_the_clock_when_it_is_moved(acme: Tenant) -> None:
    channel = make_channel(acme, BEGAN, digest_at=time(2, 30), zone="Europe/Paris")
    at = BEGAN
    for _ in range(24 * 4):
        happen(acme, at)
        make_digests(as_of=at)
        at += timedelta(hours=1)
    days = [day for day, _ in digests()]
    assert days == [date(2026, 3, 28), date(2026, 3, 29), date(2026, 3, 30), date(2026, 3, 31)]
    assert sum(number for _, number in digests()) + statuses(channel).count("held") == 24 * 4


def test_after_days_without_a_worker_there_is_one_digest_of_all(acme: Tenant) -> None:
    make_channel(acme, BEGAN, digest_at=time(9))
    happen(acme, BEGAN)
    happen(acme, BEGAN + 3 * DAY)
    assert make_digests(as_of=BEGAN + 3 * DAY) == 1
    assert [number for _, number in digests()] == [2]


def test_a_second_time_on_one_day_waits_for_the_next(acme: Tenant) -> None:
    channel = make_channel(acme, BEGAN, digest_at=time(9))
    happen(acme, BEGAN)
    noon = (BEGAN + DAY).replace(hour=12)
    make_digests(as_of=noon)
    happen(acme, noon)
    Channel.objects.update(digest_at=time(15), next_digest_at=noon.replace(hour=15))
    assert make_digests(as_of=noon.replace(hour=15)) == 0
    assert statuses(channel).count("held") == 1
    assert make_digests(as_of=noon.replace(hour=15) + DAY) == 1


def test_the_database_refuses_a_second_digest_of_a_day(acme: Tenant) -> None:
    make_channel(acme, BEGAN, digest_at=time(9))
    happen(acme, BEGAN)
    make_digests(as_of=BEGAN + DAY)
    one = ChannelMessage.objects.exclude(digest_on=None).get()
    one.pk = "00000000-0000-4000-8000-000000000001"
    with pytest.raises(IntegrityError, match="channel_digest_once_a_day"), transaction.atomic():
        one.save(force_insert=True)
