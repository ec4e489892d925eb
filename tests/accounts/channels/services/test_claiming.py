"""A message is claimed by one sender; one whose sender died is repeated only if the receiver recognizes it."""

from datetime import datetime, timedelta

import pytest

from accounts.channels.domain.types import ChannelType
from accounts.channels.models import Channel, ChannelMessage
from accounts.channels.services.claiming import INTERRUPTED, LEASE, claim_messages
from accounts.channels.services.routing import route_notices
from accounts.models import Tenant
from tests.accounts.channels.world import make_channel, statuses, tell


def test_a_channel_has_one_message_at_a_time_the_earliest_first(acme: Tenant, now: datetime) -> None:
    make_channel(acme, now)
    make_channel(acme, now)
    for second in range(3):
        tell(acme, now, title=f"{second}")
        route_notices(as_of=now + timedelta(seconds=second))
    at = now + timedelta(minutes=1)
    claimed = claim_messages(limit=100, as_of=at)
    assert len(claimed) == 2
    assert {ChannelMessage.objects.get(pk=one.id).notice.title for one in claimed} == {"0"}
    assert not claim_messages(limit=100, as_of=at)


@pytest.mark.parametrize("kind", [ChannelType.SLACK, ChannelType.WEBHOOK])
def test_a_lease_that_ended_leaves_unknown_what_may_have_arrived(
    acme: Tenant, now: datetime, kind: ChannelType
) -> None:
    channel = make_channel(acme, now, kind)
    tell(acme, now)
    route_notices(as_of=now)
    assert len(claim_messages(limit=9, as_of=now)) == 1
    again = claim_messages(limit=9, as_of=now + LEASE)
    if kind is ChannelType.SLACK:
        assert not again
        assert statuses(channel) == ["unknown"]
        assert ChannelMessage.objects.get().error == INTERRUPTED
    else:
        [claimed] = again
        assert claimed.attempts == 2


def test_a_channel_that_rests_or_is_not_active_is_left_alone(acme: Tenant, now: datetime) -> None:
    make_channel(acme, now)
    tell(acme, now)
    route_notices(as_of=now)
    Channel.objects.update(rests_until=now + timedelta(seconds=5))
    assert not claim_messages(limit=9, as_of=now)
    Channel.objects.update(rests_until=None, status="paused")
    assert not claim_messages(limit=9, as_of=now)


def test_a_claim_shows_no_secret(acme: Tenant, now: datetime) -> None:
    make_channel(acme, now)
    tell(acme, now)
    route_notices(as_of=now)
    [claimed] = claim_messages(limit=9, as_of=now)
    assert claimed.sealed_url not in repr(claimed)
