"""A channel for e-mail queues our own mail, once for each message."""

from datetime import datetime, time, timedelta

from accounts.channels.domain.mails import CHANNEL_MAIL
from accounts.channels.domain.types import ChannelType
from accounts.channels.services.claiming import LEASE, claim_messages
from accounts.channels.services.mailing import send_by_mail
from accounts.channels.services.routing import route_notices
from accounts.channels.services.sending import send_channels
from accounts.models import Membership, Tenant, User
from accounts.notices.models import OutboundMail
from accounts.notices.services.preferences import set_member_mails
from tests.accounts.channels.world import SYSTEM, Wire, make_channel, statuses, tell


def test_a_digest_comes_by_mail(acme: Tenant, bob: User, now: datetime) -> None:
    member = Membership.objects.get(user=bob)
    now = now.replace(hour=12)
    make_channel(acme, now, ChannelType.MAIL, membership=member, digest_at=time(9))
    tell(acme, now, title="80 % is used")
    tell(acme, now, title="95 % is used")
    send_channels(clock=lambda: now, outbound=Wire())
    assert not OutboundMail.objects.exists()
    send_channels(clock=lambda: now + timedelta(days=1), outbound=Wire())
    mail = OutboundMail.objects.get()
    assert mail.recipients == ["bob@example.com"]
    assert mail.subject.startswith("2 notices until")
    assert "80 % is used" in mail.text
    assert "95 % is used" in mail.html


def test_a_message_whose_sender_died_is_queued_once(acme: Tenant, bob: User, now: datetime) -> None:
    channel = make_channel(acme, now, ChannelType.MAIL, membership=Membership.objects.get(user=bob))
    tell(acme, now)
    route_notices(as_of=now)
    [dead] = claim_messages(limit=1, as_of=now)
    [one] = claim_messages(limit=1, as_of=now + LEASE)
    assert send_by_mail(one, as_of=now) == "sent"
    assert send_by_mail(dead, as_of=now) == "dropped"
    assert OutboundMail.objects.count() == 1
    assert statuses(channel) == ["sent"]


def test_who_has_stopped_such_mails_gets_none(acme: Tenant, bob: User, now: datetime) -> None:
    member = Membership.objects.get(user=bob)
    channel = make_channel(acme, now, ChannelType.MAIL, membership=member)
    set_member_mails(membership=member, wishes={CHANNEL_MAIL: False}, actor=SYSTEM, as_of=now)
    tell(acme, now)
    send_channels(clock=lambda: now, outbound=Wire())
    assert statuses(channel) == ["dropped"]
    assert not OutboundMail.objects.exists()
