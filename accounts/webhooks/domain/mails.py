"""The mail that tells a tenant that an endpoint was disabled."""

from typing import Final

from accounts.domain.roles import Capability, Role
from accounts.notices.domain.mails import MailKind

ENDPOINT_DISABLED: Final = MailKind(
    name="webhook_disabled",
    wish="wants_webhook_problems",
    capability=Capability.MANAGE_WEBHOOKS,
    roles_by_default=frozenset({Role.OWNER, Role.ADMIN, Role.DEVELOPER}),
    title="Webhooks",
    page="webhooks/",
)
