"""The sender of channels: adds messages of new notices, makes digests, claims what is due, sends it, records it.

Nothing is sent inside of a transaction. A message is leased before it is sent and released by the record of it.
Requests go through `accounts.gateways.outbound`, as those of webhooks do: only to the public internet.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from cryptography.fernet import InvalidToken
from django.conf import settings

from accounts.at_rest import CHANNEL_SECRET, unseal_text
from accounts.channels.domain.messages import ChannelText
from accounts.channels.domain.rendering import OutgoingRequest, rendered, webhook_data
from accounts.channels.domain.statuses import MessageStatus
from accounts.channels.domain.types import ChannelType
from accounts.channels.models import ChannelMessage
from accounts.channels.selectors.texts import text_of
from accounts.channels.services.claiming import ClaimedMessage, claim_messages
from accounts.channels.services.digests import make_digests
from accounts.channels.services.mailing import send_by_mail
from accounts.channels.services.recording import MadeMessage, record_message
from accounts.channels.services.routing import NOTICES_AT_ONCE, route_notices
from accounts.channels.services.staff_routing import route_staff_notices
from accounts.domain.job_report import JobReport
from accounts.gateways.outbound import Outbound, Reply
from accounts.models import JobRun
from accounts.services.jobs import run_job
from accounts.sql import as_json
from accounts.webhooks.domain.schedule import AttemptOutcome, read_retry_after
from accounts.webhooks.domain.signing import message_body, signed_headers

CHANNELS_JOB: Final = "channels"
MESSAGES_AT_ONCE: Final = 200
NOTICE_TYPE: Final = "notice"
KEY_LOST: Final = "The stored address cannot be read: enter it again."

Clock = Callable[[], datetime]
WayOut = Callable[[], Outbound]


@dataclass(frozen=True, slots=True)
class SentMessages:
    """Counts of messages by what came of an attempt."""

    sent: int = 0
    failed: int = 0
    unknown: int = 0
    retried: int = 0

    def plus(self, status: MessageStatus | None) -> "SentMessages":
        """Return the counts with one more attempt that left a message with this status."""
        names = {
            MessageStatus.SENT: "sent",
            MessageStatus.FAILED: "failed",
            MessageStatus.UNKNOWN: "unknown",
            MessageStatus.PENDING: "retried",
        }
        name = None if status is None else names.get(status)
        return self if name is None else replace(self, **{name: getattr(self, name) + 1})


def way_out(seconds_max: int = 15) -> Outbound:
    """Return the client of channels: it has the address rules of webhooks."""
    return Outbound(allowed=settings.WEBHOOK_ALLOWED_NETWORKS, seconds_max=seconds_max)


def send_channels(
    *, clock: Clock, is_over: Callable[[], bool] = lambda: False, outbound: WayOut = way_out
) -> SentMessages:
    """Send what is due until nothing is, or until `is_over`. Any number of senders may run at once."""
    total = SentMessages()
    while not is_over():
        taken = route_notices(as_of=clock())
        route_staff_notices(as_of=clock())
        make_digests(as_of=clock())
        claimed = claim_messages(limit=MESSAGES_AT_ONCE, as_of=clock())
        if not claimed and taken < NOTICES_AT_ONCE:
            break
        for status in _send_claimed(claimed, clock, outbound):
            total = total.plus(status)
    return total


def run_channels(*, started_by: str, as_of: datetime, clock: Clock, is_over: Callable[[], bool]) -> JobRun:
    """Send what is due as a recorded job. It needs attention if a message failed in all of its attempts."""

    def work() -> JobReport:
        sent = send_channels(clock=clock, is_over=is_over)
        summary = {"sent": sent.sent, "failed": sent.failed, "unknown": sent.unknown, "retried": sent.retried}
        return JobReport(summary, needs_attention=bool(sent.failed))

    return run_job(name=CHANNELS_JOB, started_by=started_by, as_of=as_of, work=work)


def request_of(claimed: ClaimedMessage, text: ChannelText, *, message_id: str, at: datetime) -> OutgoingRequest:
    """Return the request that tells a text. Raises `InvalidToken` if a secret cannot be read any more."""
    url = unseal_text(claimed.sealed_url, purpose=CHANNEL_SECRET)
    if claimed.channel_type is not ChannelType.WEBHOOK:
        return rendered(claimed.channel_type, url, text)
    secret = unseal_text(claimed.sealed_secret, purpose=CHANNEL_SECRET)
    body = message_body(event_type=NOTICE_TYPE, occurred_at=text.at, data=as_json(webhook_data(text)))
    return OutgoingRequest(url, body, signed_headers(message_id=message_id, body=body, sent_at=at, secrets=[secret]))


def outcome_of(reply: Reply, at: datetime) -> AttemptOutcome:
    """Return the outcome of a reply. Its text stays out: it is the receiver's, and may repeat a secret."""
    retry_after = read_retry_after(reply.retry_after, at) if reply.retry_after else None
    return AttemptOutcome(reply.status_code, reply.error, "", reply.milliseconds, retry_after)


def _send_claimed(
    claimed: Collection[ClaimedMessage], clock: Clock, outbound: WayOut
) -> Collection[MessageStatus | None]:
    """Send the messages at the same time, and record each. Return their statuses."""
    mails = [one for one in claimed if one.channel_type is ChannelType.MAIL]
    statuses: list[MessageStatus | None] = [send_by_mail(one, as_of=clock()) for one in mails]
    requests: list[tuple[ClaimedMessage, OutgoingRequest]] = []
    rest = {one.id: one for one in claimed if one.channel_type is not ChannelType.MAIL}
    found = ChannelMessage.objects.filter(pk__in=rest).select_related("channel__tenant", "notice", "staff_notice")
    for message in found:
        one = rest[message.pk]
        try:
            requests.append((one, request_of(one, text_of(message), message_id=str(message.pk), at=clock())))
        except InvalidToken:
            lost = MadeMessage(one, AttemptOutcome(None, KEY_LOST), may_have_arrived=False, ended_at=clock())
            statuses.append(record_message(lost))
    made = asyncio.run(_post_all(requests, clock, outbound)) if requests else []
    return [*statuses, *(record_message(one) for one in made)]


async def _post_all(
    requests: Collection[tuple[ClaimedMessage, OutgoingRequest]], clock: Clock, outbound: WayOut
) -> list[MadeMessage]:
    async with outbound() as client:
        return await asyncio.gather(*(_post(client, one, request, clock) for one, request in requests))


async def _post(client: Outbound, claimed: ClaimedMessage, request: OutgoingRequest, clock: Clock) -> MadeMessage:
    reply = await client.post(request.url, body=request.body, headers=request.headers)
    ended_at = clock()
    return MadeMessage(claimed, outcome_of(reply, ended_at), reply.may_have_arrived, ended_at)
