"""The pages of a tenant that a search finds by name, each with what a member's role must allow."""

from dataclasses import dataclass
from typing import Final

from accounts.domain.roles import Capability, Role, has_capability

_USAGE: Final = Capability.READ_USAGE
_KEYS: Final = Capability.MANAGE_KEYS
_WEBHOOKS: Final = Capability.MANAGE_WEBHOOKS
_BILLING: Final = Capability.MANAGE_BILLING
_TENANT: Final = Capability.MANAGE_TENANT
_MEMBERS: Final = Capability.MANAGE_MEMBERS
_OWNER: Final = Capability.OWN_TENANT


@dataclass(frozen=True, slots=True)
class Place:
    """A page: its address by name, its title, its icon, and other words that people look for it by."""

    name: str
    title: str
    icon: str
    capability: Capability
    words: str = ""


PLACES: Final = (
    Place("overview", "Overview", "gauge", _USAGE, "home dashboard cost spend forecast quota"),
    Place("usage", "Usage", "chart-column", _USAGE, "cost meters requests chart csv refused quantity"),
    Place("events", "Events", "activity", _USAGE, "debugger log sent rejected duplicate refused"),
    Place("keys", "API keys", "key-round", _USAGE, "secret token credentials"),
    Place("key_new", "Create a key", "key-round", _KEYS, "new api key token add"),
    Place("first_steps", "First steps", "flag", _KEYS, "quickstart start begin onboarding"),
    Place("connect", "Connect your API", "terminal", _USAGE, "integrate sdk middleware client curl python"),
    Place("webhooks", "Webhooks", "webhook", _WEBHOOKS, "endpoints deliveries"),
    Place("webhook_new", "Add a webhook endpoint", "webhook", _WEBHOOKS, "new url"),
    Place("plan", "Plan", "credit-card", _USAGE, "subscription upgrade downgrade cancel price card"),
    Place("invoices", "Invoices", "receipt-text", _BILLING, "bills pdf tax billing"),
    Place("invoice_ahead", "Next invoice", "receipt-text", _BILLING, "upcoming projected bill"),
    Place("payments", "Payments and receipts", "receipt-text", _BILLING, "refund paid card"),
    Place("statement", "Statement of account", "receipt-text", _BILLING, "balance credit"),
    Place("alerts", "Alerts", "bell", _USAGE, "threshold warning anomaly unusual"),
    Place("budgets", "Budgets", "gauge", _TENANT, "cap limit spend stop"),
    Place("budget_new", "Create a budget", "gauge", _TENANT, "new cap limit spend stop"),
    Place("notices", "Notices", "inbox", _USAGE, "notifications bell unread"),
    Place("team", "Team", "users", _USAGE, "members people roles invitations leave"),
    Place("invite", "Invite a member", "user-plus", _MEMBERS, "add person colleague team"),
    Place("settings", "Settings", "settings-2", _TENANT, "name address time zone language tax id billing e-mail"),
    Place("data", "Export all data", "download", _OWNER, "archive zip download gdpr settings"),
    Place("close", "Close the account", "trash-2", _OWNER, "delete organisation leave settings"),
    Place("audit", "Audit log", "scroll-text", _TENANT, "history who changed"),
    Place("security", "Security", "shield-check", _USAGE, "password second factor passkey sessions sign-in 2fa mfa"),
)


def places_of(role: Role) -> list[Place]:
    """Return the pages that a member of a role may open, in the order of the navigation."""
    return [place for place in PLACES if has_capability(role, place.capability)]
