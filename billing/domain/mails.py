"""Mails about money that members may want."""

from dataclasses import replace
from typing import Final

from accounts.domain.roles import Capability, Role
from accounts.notices.domain.mails import MailKind

INVOICE: Final = MailKind(
    name="invoice",
    wish="wants_invoices",
    capability=Capability.MANAGE_BILLING,
    roles_by_default=frozenset({Role.OWNER, Role.ADMIN, Role.BILLING}),
    goes_to_billing_email=True,
    title="Invoices",
    page="invoices/",
    is_optional=False,
)
# A member who wants invoices gets the notes that correct them, too.
CREDIT_NOTE: Final = replace(INVOICE, name="credit_note", title="Credit notes")
TRIAL_END: Final = MailKind(
    name="trial_end",
    wish="wants_trial_ends",
    capability=Capability.MANAGE_BILLING,
    roles_by_default=frozenset({Role.OWNER, Role.ADMIN, Role.BILLING}),
    goes_to_billing_email=True,
    title="End of a trial",
    page="plan/",
)
CLOSED: Final = MailKind(
    name="closed",
    wish="wants_closing",
    capability=Capability.OWN_TENANT,
    roles_by_default=frozenset({Role.OWNER}),
    title="Closing of the organisation",
    page="settings/data/",
    is_optional=False,
)
