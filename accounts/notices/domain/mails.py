"""Kinds of notices, and the statuses of a mail."""

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
    """A kind of notice, and of the mail about it. The app that sends it declares it in its `domain/`.

    `settings.NOTICE_KINDS` names all of them. `wish` is the name of the choice in forms and in the audit log. A member
    may get the notice if their role has `capability`. `title` names the kind for people, `page` is what it links to
    below the pages of the tenant. A mail of a kind that is not `is_optional` has no link that stops it. One that
    `is_urgent` is told at once, also in quiet hours.
    """

    name: str
    wish: str
    capability: Capability
    roles_by_default: frozenset[Role]
    goes_to_billing_email: bool = False
    title: str = ""
    page: str = ""
    is_optional: bool = True
    is_urgent: bool = False

    @property
    def label(self) -> str:
        """Return the name of the kind for people."""
        return self.title or self.name.replace("_", " ").capitalize()

    @property
    def roles_allowed(self) -> frozenset[Role]:
        """Return the roles that may get it. A former admin gets no invoices, whatever they chose before."""
        return frozenset(role for role, capabilities in CAPABILITIES.items() if self.capability in capabilities)
