"""The notice that an export is ready."""

from typing import Final

from accounts.domain.roles import Capability, Role
from accounts.notices.domain.mails import MailKind

EXPORT_READY: Final = MailKind(
    name="export",
    wish="wants_exports",
    capability=Capability.OWN_TENANT,
    roles_by_default=frozenset({Role.OWNER}),
    title="Exports",
    page="settings/data/",
    is_optional=False,
)
