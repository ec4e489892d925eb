"""The kinds of mails of this app: a channel was stopped, and messages of a channel that sends mails."""

from typing import Final

from accounts.domain.roles import Capability, Role
from accounts.notices.domain.mails import MailKind

CHANNEL_STOPPED: Final = MailKind(
    name="channel_stopped",
    wish="wants_channel_problems",
    capability=Capability.MANAGE_TENANT,
    roles_by_default=frozenset({Role.OWNER, Role.ADMIN}),
    title="Channels",
    page="settings/channels/",
)
CHANNEL_MAIL: Final = MailKind(
    name="channel_mail",
    wish="wants_channel_mails",
    capability=Capability.READ_USAGE,
    roles_by_default=frozenset(Role),
    title="Your channel for e-mail",
    page="settings/channels/",
)
