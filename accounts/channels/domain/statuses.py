"""Statuses of channels and of their messages."""

from enum import StrEnum


class ChannelStatus(StrEnum):
    """A paused or stopped channel gets nothing: a person paused it, or the sender stopped it after long failure."""

    ACTIVE = "active"
    PAUSED = "paused"
    STOPPED = "stopped"


class MessageStatus(StrEnum):
    """A message waits for the digest (`held`) or for its time (`pending`), or it has ended.

    It is `unknown` if it may have arrived: the process or the connection ended while it was sent. It is not sent again,
    unless the receiver recognizes a repeated message.
    """

    HELD = "held"
    PENDING = "pending"
    SENT = "sent"
    DIGESTED = "digested"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DROPPED = "dropped"


WAITING = (MessageStatus.HELD, MessageStatus.PENDING)
