"""An export has no secret; what has ended long ago is deleted."""

from datetime import datetime, timedelta

from accounts.channels.models import Channel, ChannelMessage
from accounts.channels.services.privacy import ChannelsPrivacy
from accounts.channels.services.sending import send_channels
from accounts.models import Tenant
from accounts.services.privacy_parts import ErasedPerson
from tests.accounts.channels.world import Wire, make_channel, tell


def test_an_export_has_channels_without_their_addresses(acme: Tenant, now: datetime) -> None:
    channel = make_channel(acme, now)
    rows = {
        piece.name: [row for page in piece.pages() for row in page] for piece in ChannelsPrivacy().files(tenant=acme)
    }
    [exported] = rows["channels.json"]
    assert exported["origin"] == "https://hooks.slack.com"
    assert channel.sealed_url not in str(rows)


def test_old_messages_are_deleted_and_waiting_ones_are_not(acme: Tenant, now: datetime) -> None:
    make_channel(acme, now)
    tell(acme, now)
    send_channels(clock=lambda: now, outbound=Wire())
    later = now + timedelta(days=4000)
    assert ChannelsPrivacy().clean_up(as_of=now) == {"channel_messages": 0}
    ChannelMessage.objects.update(status="held", ended_at=None)
    assert ChannelsPrivacy().clean_up(as_of=later) == {"channel_messages": 0}
    ChannelMessage.objects.update(status="sent", ended_at=now)
    assert ChannelsPrivacy().clean_up(as_of=later) == {"channel_messages": 1}


def test_a_person_is_taken_out_of_names(acme: Tenant, now: datetime) -> None:
    make_channel(acme, now)
    Channel.objects.update(name="for bob@example.com")
    ChannelsPrivacy().forget(person=ErasedPerson(1, frozenset({"bob@example.com"}), "person-1"))
    assert Channel.objects.get().name == "for person-1"
