"""The staff admin of notices: the outbox and the mails."""

from accounts.notices.admin import records

__all__ = ["records"]
