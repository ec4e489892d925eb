"""Mails about money that members may want."""

from typing import Final

from accounts.domain.roles import Capability, Role
from accounts.notices.domain.mails import MailKind

INVOICE: Final = MailKind(
    name="invoice",
    wish="wants_invoices",
    capability=Capability.MANAGE_BILLING,
    roles_by_default=frozenset({Role.OWNER, Role.ADMIN}),
    goes_to_billing_email=True,
)
TRIAL_END: Final = MailKind(
    name="trial_end",
    wish="wants_trial_ends",
    capability=Capability.MANAGE_BILLING,
    roles_by_default=frozenset({Role.OWNER, Role.ADMIN}),
    goes_to_billing_email=True,
)
