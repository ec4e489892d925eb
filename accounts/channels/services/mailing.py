"""Messages of a channel that sends mails: queued with our own mails, in the transaction that ends the message."""

from datetime import datetime

from django.db import transaction

from accounts.channels.domain.mails import CHANNEL_MAIL
from accounts.channels.domain.messages import ChannelText
from accounts.channels.domain.statuses import MessageStatus
from accounts.channels.models import Channel, ChannelMessage
from accounts.channels.selectors.texts import text_of
from accounts.channels.services.claiming import ClaimedMessage
from accounts.domain.mail_form import html_of_text
from accounts.notices.selectors.preferences import tenant_wants, wishes_of
from accounts.notices.services.mails import NewMail, add_mails


@transaction.atomic
def send_by_mail(claimed: ClaimedMessage, *, as_of: datetime) -> MessageStatus:
    """Queue the mail of a claimed message and end the message, together: so it is queued once. Return its status.

    It is dropped if the member has stopped such mails by the link in one, or is no longer active.
    """
    found = ChannelMessage.objects.select_for_update(no_key=True, of=("self",))
    related = ("channel__tenant", "channel__membership__user", "notice")
    message = found.select_related(*related).filter(pk=claimed.id, lease=claimed.lease).first()
    if message is None:
        return MessageStatus.DROPPED  # its lease ended, and another sender has it
    is_sent = queue_channel_mail(message.channel, text_of(message), key=str(message.pk), as_of=as_of)
    message.status = MessageStatus.SENT if is_sent else MessageStatus.DROPPED
    message.ended_at, message.next_attempt_at, message.lease, message.leased_until = as_of, None, None, None
    message.save(update_fields=["status", "ended_at", "next_attempt_at", "lease", "leased_until"])
    Channel.objects.filter(pk=message.channel_id).update(last_succeeded_at=as_of)
    return message.status


def queue_channel_mail(channel: Channel, text: ChannelText, *, key: str, as_of: datetime) -> bool:
    """Queue a mail of a channel to its member, once for each `key`. Return whether the member wants it."""
    member = channel.membership
    assert member is not None, "a mail channel is a member's"
    is_wanted = wishes_of(membership=member, kinds=[CHANNEL_MAIL])[CHANNEL_MAIL]
    if not (member.user.is_active and is_wanted and tenant_wants(tenant_id=member.tenant_id, kind=CHANNEL_MAIL)):
        return False
    said = "\n\n".join(part for part in (text.title, text.text, text.url, text.about) if part)
    mail = NewMail(
        tenant_id=member.tenant_id,
        kind=CHANNEL_MAIL.name,
        dedupe_key=f"{CHANNEL_MAIL.name}:{key}",
        recipients=[member.user.email],
        subject=f"{text.title} ({text.about})",
        text=said,
        html=html_of_text(said),
    )
    add_mails([mail], as_of=as_of)
    return True
