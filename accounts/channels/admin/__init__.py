"""The staff admin of channels: channels and their messages."""

from accounts.channels.admin import records

__all__ = ["records"]
