"""A channel that nothing reached for days, or that is gone, is stopped, and whose it is gets a mail."""

from datetime import datetime
from typing import Final

from django.conf import settings
from django.template.loader import render_to_string

from accounts.channels.domain.mails import CHANNEL_STOPPED
from accounts.channels.domain.statuses import WAITING, ChannelStatus, MessageStatus
from accounts.channels.models import Channel, ChannelMessage
from accounts.domain.actor import Actor
from accounts.models import Tenant
from accounts.notices.selectors.recipients import recipients_of
from accounts.notices.services.mails import NewMail, add_mails, queue_mails
from accounts.services.audit import AuditTarget, record_audit

CHANNEL_PATH: Final = "/t/{slug}/{page}"


def stop_and_tell(*, channel: Channel, as_of: datetime) -> None:
    """Stop an active channel that the caller has locked. What waits for it has failed."""
    if channel.status != ChannelStatus.ACTIVE:
        return
    channel.status, channel.stopped_at = ChannelStatus.STOPPED, as_of
    channel.save(update_fields=["status", "stopped_at"])
    waiting = ChannelMessage.objects.filter(channel=channel, status__in=WAITING, lease=None)
    waiting.update(status=MessageStatus.FAILED, next_attempt_at=None, ended_at=as_of)
    record_audit(
        actor=Actor.system(),
        action="channel.stopped",
        tenant_id=channel.tenant_id,
        target=AuditTarget("channel", channel.pk, channel.name),
        before={"status": ChannelStatus.ACTIVE.value},
        after={"status": channel.status, "reason": channel.last_error},
        as_of=as_of,
    )
    if channel.tenant is not None:
        _notify(channel, channel.tenant, as_of)


def _notify(channel: Channel, tenant: Tenant, as_of: datetime) -> None:
    """Queue the mail: to the member alone whose channel it is, else as a notice to those who manage the tenant."""
    mail = _mail(channel, tenant, as_of)
    if channel.membership is None:
        queue_mails([mail], as_of=as_of)
    else:
        add_mails([mail], as_of=as_of)


def _mail(channel: Channel, tenant: Tenant, as_of: datetime) -> NewMail:
    member = channel.membership
    page = f"settings/channels/{channel.pk}/"
    context = {
        "tenant": tenant,
        "channel": channel,
        "url": f"{settings.PUBLIC_URL}{CHANNEL_PATH.format(slug=tenant.slug, page=page)}",
    }
    return NewMail(
        tenant_id=tenant.pk,
        kind=CHANNEL_STOPPED.name,
        dedupe_key=f"{CHANNEL_STOPPED.name}:{channel.pk}:{as_of.isoformat()}",
        recipients=recipients_of(tenant=tenant, kind=CHANNEL_STOPPED) if member is None else [member.user.email],
        subject=render_to_string("channels/email/channel_stopped_subject.txt", context).strip(),
        text=render_to_string("channels/email/channel_stopped.txt", context),
        html=render_to_string("channels/email/channel_stopped.html", context),
        page=page,
    )
