"""Statuses of channels and messages."""

from accounts.channels.domain.statuses import WAITING, MessageStatus


def test_two_statuses_wait_and_the_others_have_ended() -> None:
    assert set(MessageStatus) - set(WAITING) == {"sent", "digested", "failed", "unknown", "dropped"}
