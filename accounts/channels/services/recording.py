"""What came of a message: recorded in one transaction with its channel's health, and the end of the lease."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction

from accounts.channels.domain.outcomes import step_after
from accounts.channels.domain.statuses import ChannelStatus, MessageStatus
from accounts.channels.domain.types import TYPES
from accounts.channels.models import Channel, ChannelMessage
from accounts.channels.services.claiming import ClaimedMessage
from accounts.channels.services.stopping import stop_and_tell
from accounts.webhooks.domain.schedule import JITTER_PERCENT_MAX, AttemptOutcome, Health, health_after

_ERROR_CHARACTERS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class MadeMessage:
    """An attempt to send a message. `may_have_arrived` is false if no connection could be made."""

    claimed: ClaimedMessage
    answer: AttemptOutcome
    may_have_arrived: bool
    ended_at: datetime


@transaction.atomic
def record_message(made: MadeMessage, *, draw: Callable[[int], int] = secrets.randbelow) -> MessageStatus | None:
    """Record the attempt and set what follows. Return the message's status; None if its channel was deleted.

    If the lease has ended meanwhile, the outcome is still that of the attempt, unless another sender has the message.
    """
    claimed = made.claimed
    found = Channel.objects.select_for_update(no_key=True, of=("self",)).select_related("tenant", "membership__user")
    channel = found.filter(pk=claimed.channel_id).first()
    if channel is None:
        return None
    step = step_after(
        made.answer,
        attempts=claimed.attempts,
        may_repeat=TYPES[claimed.channel_type].is_repeatable or not made.may_have_arrived,
        at=made.ended_at,
        jitter_percent=draw(JITTER_PERCENT_MAX + 1),
    )
    message = ChannelMessage.objects.select_for_update(no_key=True).get(pk=claimed.id)
    _record_health(channel, made.answer, made.ended_at)
    is_ours = message.lease == claimed.lease or (message.lease is None and message.status == MessageStatus.UNKNOWN)
    if is_ours:
        message.status, message.next_attempt_at = step.status, step.next_attempt_at
        message.error = made.answer.error[:_ERROR_CHARACTERS_MAX]
        message.ended_at = None if step.status is MessageStatus.PENDING else made.ended_at
        message.lease = message.leased_until = None
        message.save(update_fields=["status", "next_attempt_at", "error", "ended_at", "lease", "leased_until"])
    if step.stops_channel and (made.answer.is_gone or _nothing_arrived_since(channel, message.created_at)):
        stop_and_tell(channel=channel, as_of=made.ended_at)
    elif channel.status != ChannelStatus.ACTIVE and is_ours and step.status is MessageStatus.PENDING:
        _drop(message, made.ended_at)
    return MessageStatus(message.status)


@transaction.atomic
def record_test(*, channel: Channel, answer: AttemptOutcome, ended_at: datetime) -> None:
    """Record what a test says about a channel, unless the channel was deleted meanwhile."""
    current = Channel.objects.select_for_update(no_key=True).filter(pk=channel.pk).first()
    if current is not None:
        _record_health(current, answer, ended_at)


def _record_health(channel: Channel, answer: AttemptOutcome, ended_at: datetime) -> None:
    before = Health(channel.failures, channel.failing_since, channel.last_failed_at, rests_until=channel.rests_until)
    health = health_after(before, answer, ended_at)
    channel.failures, channel.failing_since = health.failures, health.failing_since
    channel.last_failed_at, channel.rests_until = health.last_failed_at, health.rests_until
    channel.last_error = answer.error[:_ERROR_CHARACTERS_MAX]
    if answer.is_success:
        channel.last_succeeded_at = ended_at
    channel.save(
        update_fields=[
            *("failures", "failing_since", "last_failed_at", "rests_until", "last_error", "last_succeeded_at"),
        ]
    )


def _nothing_arrived_since(channel: Channel, at: datetime) -> bool:
    return channel.last_succeeded_at is None or channel.last_succeeded_at < at


def _drop(message: ChannelMessage, at: datetime) -> None:
    """End a message whose channel was paused while it was sent."""
    message.status, message.next_attempt_at, message.ended_at = MessageStatus.DROPPED, None, at
    message.save(update_fields=["status", "next_attempt_at", "ended_at"])
