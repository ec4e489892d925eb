"""The style of mails."""

from accounts.models import MailStyle


def mail_style() -> MailStyle:
    """Return what staff have set, or the defaults."""
    return MailStyle.objects.filter(pk=1).first() or MailStyle()
