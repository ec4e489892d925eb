"""Refusals about channels, with the codes of the public contract."""

from accounts.errors import ConflictError, ProblemError


class TooManyChannelsError(ProblemError):
    """A tenant and a member may each have a limited number of channels."""

    code = "too_many_channels"
    title = "There are too many channels"


class ChannelStatusError(ConflictError):
    """A channel that is paused or stopped sends nothing, and only such a one is resumed."""

    code = "channel_status"
    title = "The channel's status does not allow this"
