"""The tables of the notices app."""

from accounts.notices.models.mail import MailPreference, OutboundMail
from accounts.notices.models.notice import MemberNotice, Notice, UnroutedNotice
from accounts.notices.models.outbox import OutboxEvent, UnsentEvent

__all__ = ["MailPreference", "MemberNotice", "Notice", "OutboundMail", "OutboxEvent", "UnroutedNotice", "UnsentEvent"]
