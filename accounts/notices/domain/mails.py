"""Kinds of mails, and the statuses of a mail."""

from dataclasses import dataclass
from enum import StrEnum

from accounts.domain.roles import CAPABILITIES, Capability, Role


class MailStatus(StrEnum):
    """A mail is `unknown` if its sending was interrupted: it may have been sent, so only staff send it again."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MailKind:
    """A kind of mail that members choose for themselves. The app that sends it declares it in its `domain/`.

    `wish` is the name of the choice in forms and in the audit log. A member may get the mail if their role has
    `capability`.
    """

    name: str
    wish: str
    capability: Capability
    roles_by_default: frozenset[Role]
    goes_to_billing_email: bool = False

    @property
    def roles_allowed(self) -> frozenset[Role]:
        """Return the roles that may get it. A former admin gets no invoices, whatever they chose before."""
        return frozenset(role for role, capabilities in CAPABILITIES.items() if self.capability in capabilities)
