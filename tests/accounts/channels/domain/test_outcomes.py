"""What follows an attempt: once for services that would not recognize a repeated message."""

from datetime import UTC, datetime, timedelta

from accounts.channels.domain.outcomes import MessageStep, step_after
from accounts.channels.domain.statuses import MessageStatus
from accounts.webhooks.domain.schedule import ATTEMPTS_MAX, AttemptOutcome

AT = datetime(2026, 3, 10, 8, tzinfo=UTC)
NONE = AttemptOutcome(None, "No response within 15 seconds.")


def after(answer: AttemptOutcome, *, attempts: int = 1, may_repeat: bool = True) -> MessageStep:
    return step_after(answer, attempts=attempts, may_repeat=may_repeat, at=AT, jitter_percent=0)


def test_what_may_have_arrived_is_not_sent_again() -> None:
    assert after(NONE, may_repeat=False) == MessageStep(MessageStatus.UNKNOWN, None, stops_channel=False)
    assert after(NONE).status is MessageStatus.PENDING


def test_a_refusal_is_tried_again_after_what_the_receiver_asks_for() -> None:
    busy = AttemptOutcome(429, "HTTP 429", retry_after=timedelta(minutes=3))
    assert after(busy, may_repeat=False).next_attempt_at == AT + timedelta(minutes=3)
    assert after(AttemptOutcome(204)).status is MessageStatus.SENT


def test_a_channel_that_is_gone_or_failed_in_all_attempts_stops() -> None:
    assert after(AttemptOutcome(410, "HTTP 410")).stops_channel
    assert after(AttemptOutcome(500, "HTTP 500"), attempts=ATTEMPTS_MAX).stops_channel
    assert not after(AttemptOutcome(500, "HTTP 500"), attempts=ATTEMPTS_MAX - 1).stops_channel
