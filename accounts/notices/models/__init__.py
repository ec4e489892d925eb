"""The tables of the notices app."""

from accounts.notices.models.mail import MailPreference, OutboundMail
from accounts.notices.models.outbox import OutboxEvent

__all__ = ["MailPreference", "OutboundMail", "OutboxEvent"]
