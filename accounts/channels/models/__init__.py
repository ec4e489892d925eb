"""The tables of the channels app."""

from accounts.channels.models.channel import Channel
from accounts.channels.models.message import ChannelMessage

__all__ = ["Channel", "ChannelMessage"]
