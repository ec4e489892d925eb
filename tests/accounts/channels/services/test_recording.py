"""What came of a message, and what it says about its channel."""

from datetime import datetime, timedelta

from accounts.channels.domain.types import ChannelType
from accounts.channels.models import Channel, ChannelMessage
from accounts.channels.services.channels import pause_channel
from accounts.channels.services.claiming import LEASE, ClaimedMessage, claim_messages
from accounts.channels.services.recording import MadeMessage, record_message, record_test
from accounts.channels.services.routing import route_notices
from accounts.models import Tenant
from accounts.webhooks.domain.schedule import AttemptOutcome
from tests.accounts.channels.world import SYSTEM, make_channel, tell

OK = AttemptOutcome(200)
DOWN = AttemptOutcome(500, "HTTP 500")


def claimed(tenant: Tenant, at: datetime, kind: ChannelType = ChannelType.SLACK) -> ClaimedMessage:
    make_channel(tenant, at, kind)
    tell(tenant, at)
    route_notices(as_of=at)
    [one] = claim_messages(limit=1, as_of=at)
    return one


def record(one: ClaimedMessage, answer: AttemptOutcome, at: datetime, *, may_have_arrived: bool = True) -> str | None:
    return record_message(MadeMessage(one, answer, may_have_arrived, at), draw=lambda _: 0)


def test_a_success_ends_the_message_and_a_failure_waits(acme: Tenant, now: datetime) -> None:
    one = claimed(acme, now)
    assert record(one, DOWN, now) == "pending"
    message, channel = ChannelMessage.objects.get(), Channel.objects.get()
    assert (message.error, message.next_attempt_at) == ("HTTP 500", now + timedelta(seconds=5))
    assert (channel.failures, channel.last_error) == (1, "HTTP 500")
    at = now + timedelta(seconds=5)
    [again] = claim_messages(limit=1, as_of=at)
    assert record(again, OK, at) == "sent"
    channel.refresh_from_db()
    assert (channel.failures, channel.last_error, channel.last_succeeded_at) == (0, "", at)


def test_without_a_connection_a_message_is_tried_again_and_after_one_it_is_unknown(acme: Tenant, now: datetime) -> None:
    none = AttemptOutcome(None, "No connection could be made.")
    one = claimed(acme, now)
    assert record(one, none, now, may_have_arrived=False) == "pending"
    at = now + timedelta(seconds=5)
    [again] = claim_messages(limit=1, as_of=at)
    assert record(again, none, at) == "unknown"


def test_the_sender_whose_lease_ended_knows_better_but_not_than_the_next_one(acme: Tenant, now: datetime) -> None:
    one = claimed(acme, now)
    claim_messages(limit=1, as_of=now + LEASE)
    assert record(one, OK, now + LEASE) == "sent"
    Channel.objects.all().delete()
    repeatable = claimed(acme, now, ChannelType.WEBHOOK)
    [second] = claim_messages(limit=1, as_of=now + LEASE)
    record(repeatable, OK, now + LEASE)
    assert ChannelMessage.objects.get().lease == second.lease


def test_a_message_of_a_channel_that_was_paused_meanwhile_is_not_tried_again(acme: Tenant, now: datetime) -> None:
    one = claimed(acme, now)
    pause_channel(channel=Channel.objects.get(), actor=SYSTEM, as_of=now)
    assert record(one, DOWN, now) == "dropped"
    Channel.objects.all().delete()
    assert record(one, OK, now) is None


def test_a_test_says_something_about_its_channel_alone(acme: Tenant, now: datetime) -> None:
    channel = make_channel(acme, now)
    record_test(channel=channel, answer=DOWN, ended_at=now)
    assert Channel.objects.get().last_error == "HTTP 500"
    Channel.objects.all().delete()
    record_test(channel=channel, answer=DOWN, ended_at=now)
