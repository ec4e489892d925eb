"""The tables of the channels app."""

from accounts.channels.models.channel import Channel
from accounts.channels.models.message import ChannelMessage
from accounts.channels.models.staff_notice import StaffNotice

__all__ = ["Channel", "ChannelMessage", "StaffNotice"]
