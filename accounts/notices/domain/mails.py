"""Kinds of mails, and what may become of a mail."""

from dataclasses import dataclass
from enum import StrEnum

from accounts.domain.roles import CAPABILITIES, Capability, Role


class MailStatus(StrEnum):
    """A mail whose sending was cut off is `unknown`: it may have gone out, so only a person sends it again."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class MailKind:
    """A kind of mail that members choose for themselves. The app that sends it declares it in its `domain/`.

    `wish` is the name of the choice in forms and in the audit log. A member may have the mail if their role has
    `capability`.
    """

    name: str
    wish: str
    capability: Capability
    roles_by_default: frozenset[Role]
    goes_to_billing_email: bool = False

    @property
    def roles_allowed(self) -> frozenset[Role]:
        """The roles that may have it. A wish does not outlive the right: a former admin gets no invoices any more."""
        return frozenset(role for role, capabilities in CAPABILITIES.items() if self.capability in capabilities)
