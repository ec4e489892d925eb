"""What follows an attempt to send a message. Pure.

The waits and the breaker are those of webhooks, whose reasons hold here too. What differs: most services do not
recognize a message that comes again, so one that may have arrived is not repeated.
"""

from dataclasses import dataclass
from datetime import datetime

from accounts.channels.domain.statuses import MessageStatus
from accounts.webhooks.domain.schedule import AttemptOutcome, next_step
from accounts.webhooks.domain.statuses import DeliveryStatus


@dataclass(frozen=True, slots=True)
class MessageStep:
    """The status of a message after an attempt, the time of the next one if there is one, and if the channel stops."""

    status: MessageStatus
    next_attempt_at: datetime | None
    stops_channel: bool


def step_after(
    answer: AttemptOutcome, *, attempts: int, may_repeat: bool, at: datetime, jitter_percent: int
) -> MessageStep:
    """Return what follows the attempt with number `attempts`, which ended at `at`.

    `may_repeat` is false if the message may have arrived and the receiver would not recognize it a second time. A
    channel stops if it says that it is gone, or if nothing reached it in all attempts of a message.
    """
    if answer.status_code is None and not may_repeat:
        return MessageStep(MessageStatus.UNKNOWN, None, stops_channel=False)
    step = next_step(attempts=attempts, answer=answer, at=at, jitter_percent=jitter_percent)
    if step.status is DeliveryStatus.SUCCEEDED:
        return MessageStep(MessageStatus.SENT, None, stops_channel=False)
    if step.status is DeliveryStatus.FAILED:
        return MessageStep(MessageStatus.FAILED, None, stops_channel=True)
    return MessageStep(MessageStatus.PENDING, step.next_attempt_at, stops_channel=False)
