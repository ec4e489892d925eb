"""The test button: one message to a channel at once, and what came of it."""

import asyncio
from datetime import datetime
from typing import Final

from cryptography.fernet import InvalidToken

from accounts.channels.domain.rendering import OutgoingRequest
from accounts.channels.domain.types import ChannelType
from accounts.channels.models import Channel
from accounts.channels.selectors.texts import test_text_of
from accounts.channels.services.channels import note_test
from accounts.channels.services.claiming import ClaimedMessage
from accounts.channels.services.mailing import queue_channel_mail
from accounts.channels.services.recording import record_test
from accounts.channels.services.sending import KEY_LOST, Clock, WayOut, outcome_of, request_of, way_out
from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.gateways.outbound import Outbound, Reply
from accounts.webhooks.domain.schedule import AttemptOutcome

# A person waits for it.
TEST_SECONDS_MAX: Final = 5
STOPPED_MAILS: Final = "You have stopped mails of this kind by the link in one."


def _quick() -> Outbound:
    return way_out(TEST_SECONDS_MAX)


def send_test_message(
    *, channel: Channel, actor: Actor, as_of: datetime, clock: Clock, outbound: WayOut = _quick
) -> AttemptOutcome:
    """Send a test to a channel, also to one that is paused, and return what came of it.

    The request is made outside of a transaction. Raises `PermissionMissingError`, `NotFoundError`.
    """
    current = note_test(channel=channel, actor=actor, as_of=as_of)
    text, message_id = test_text_of(current, as_of=as_of), uuid7(as_of)
    if current.type == ChannelType.MAIL:
        is_queued = queue_channel_mail(current, text, key=str(message_id), as_of=as_of)
        return AttemptOutcome(202) if is_queued else AttemptOutcome(None, STOPPED_MAILS)
    kind = ChannelType(current.type)
    one = ClaimedMessage(message_id, 1, current.pk, kind, current.sealed_url, current.sealed_secret, message_id)
    try:
        request = request_of(one, text, message_id=str(message_id), at=as_of)
    except InvalidToken:
        answer = AttemptOutcome(None, KEY_LOST)
    else:
        answer = outcome_of(asyncio.run(_post(request, outbound)), clock())
    record_test(channel=current, answer=answer, ended_at=clock())
    return answer


async def _post(request: OutgoingRequest, outbound: WayOut) -> Reply:
    async with outbound() as client:
        return await client.post(request.url, body=request.body, headers=request.headers)
