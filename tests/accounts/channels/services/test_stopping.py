"""A channel that nothing reaches is stopped, and whose it is gets a mail, once."""

from datetime import datetime, timedelta

from accounts.channels.models import Channel, ChannelMessage
from accounts.channels.services.sending import send_channels
from accounts.channels.services.stopping import stop_and_tell
from accounts.gateways.outbound import Reply
from accounts.models import AuditEntry, Membership, Tenant, User
from accounts.notices.models import Notice, OutboundMail
from tests.accounts.channels.world import DOWN, Wire, make_channel, tell

GONE = Reply(410, "HTTP 410")


def test_a_channel_that_says_it_is_gone_is_stopped_and_its_owners_are_told(
    acme: Tenant, alice: User, bob: User, now: datetime
) -> None:
    channel = make_channel(acme, now)
    tell(acme, now)
    assert send_channels(clock=lambda: now, outbound=Wire(GONE)).failed == 1
    channel.refresh_from_db()
    assert (channel.status, channel.last_error) == ("stopped", "HTTP 410")
    mail = OutboundMail.objects.get(kind="channel_stopped")
    assert mail.recipients == ["alice@example.com"]  # bob is no admin
    assert "HTTP 410" in mail.text
    assert "sealed-part" not in mail.text + mail.html
    assert AuditEntry.objects.get(action="channel.stopped").after == {"status": "stopped", "reason": "HTTP 410"}
    stop_and_tell(channel=channel, as_of=now)
    assert OutboundMail.objects.filter(kind="channel_stopped").count() == 1


def test_three_days_of_failure_stop_a_channel(acme: Tenant, alice: User, now: datetime) -> None:
    channel, at = make_channel(acme, now), now
    tell(acme, now)
    while Channel.objects.get().status == "active":
        send_channels(clock=lambda at=at: at, outbound=Wire(DOWN))  # type: ignore[misc] # bound by its default
        at += timedelta(minutes=30)
        assert at - now < timedelta(days=5)
    assert timedelta(days=3) <= at - now < timedelta(days=4)
    assert ChannelMessage.objects.get(channel=channel).status == "failed"


def test_the_end_of_a_members_channel_is_told_to_that_member_alone(
    acme: Tenant, alice: User, bob: User, now: datetime
) -> None:
    make_channel(acme, now, membership=Membership.objects.get(user=bob))
    tell(acme, now)
    send_channels(clock=lambda: now, outbound=Wire(GONE))
    assert OutboundMail.objects.get().recipients == ["bob@example.com"]
    assert not Notice.objects.filter(kind="channel_stopped").exists()
