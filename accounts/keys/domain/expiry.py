"""The notice that a key expires soon."""

from typing import Final

from accounts.domain.roles import Capability, Role
from accounts.notices.domain.mails import MailKind

KEY_EXPIRY: Final = MailKind(
    name="key_expiry",
    wish="wants_key_expiries",
    capability=Capability.MANAGE_KEYS,
    roles_by_default=frozenset({Role.OWNER, Role.ADMIN, Role.DEVELOPER}),
    title="Keys that expire",
    page="keys/",
)
