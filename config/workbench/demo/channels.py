"""The demo's channels: a webhook to the small receiver that runs beside `make run`, and a digest for the owner.

The last notices are told to the first one, as the sender would have done.
"""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Final

from accounts.channels.domain.quiet import QuietHours
from accounts.channels.domain.statuses import MessageStatus
from accounts.channels.domain.terms import ChannelTerms
from accounts.channels.domain.types import ChannelType
from accounts.channels.models import Channel, ChannelMessage
from accounts.channels.services.channels import change_channel, create_channel
from accounts.domain.actor import Actor
from accounts.domain.identifiers import uuid7
from accounts.domain.public_addresses import origin_of
from accounts.models import Membership, Tenant
from accounts.notices.models import Notice
from config.workbench.demo.cast import MAIN_TENANT

NAME: Final = "Receiver of the demo"
ELSEWHERE: Final = "https://hooks.example.com/notices"
BEGAN: Final = timedelta(days=40)
TOLD_MAX: Final = 5


def add_channels(*, tenants: Iterable[Tenant], receiver_url: str, actor: Actor, as_of: datetime) -> None:
    """Create the channels once, and lead the first one to the receiver of this run."""
    tenant = next((tenant for tenant in tenants if tenant.slug == MAIN_TENANT), None)
    if tenant is None:
        return
    terms = ChannelTerms(NAME, f"{receiver_url}/notices" if receiver_url else ELSEWHERE)
    known = Channel.objects.filter(tenant=tenant, name=NAME).first()
    if known is not None:
        if known.origin != origin_of(terms.url):  # this run's receiver has another port
            change_channel(channel=known, terms=terms, actor=actor, as_of=as_of)
        return
    created = create_channel(
        tenant=tenant, membership=None, channel_type=ChannelType.WEBHOOK, terms=terms, actor=actor, as_of=as_of - BEGAN
    ).channel
    _record_past(created)
    owner = Membership.objects.filter(tenant=tenant, role="owner").order_by("pk").first()
    if owner is not None:
        digest = ChannelTerms("Every morning", quiet=QuietHours(time(22), time(7)), digest_at=time(8, 30))
        create_channel(
            tenant=tenant,
            membership=owner,
            channel_type=ChannelType.MAIL,
            terms=digest,
            actor=actor,
            as_of=as_of - BEGAN,
        )


def _record_past(channel: Channel) -> None:
    """Store the newest notices of the past as told."""
    past = Notice.objects.filter(tenant=channel.tenant, at__gte=channel.created_at).order_by("-at")[:TOLD_MAX]
    ChannelMessage.objects.bulk_create(
        ChannelMessage(
            id=uuid7(notice.at),
            tenant=channel.tenant,
            channel=channel,
            notice=notice,
            status=MessageStatus.SENT,
            attempts=1,
            created_at=notice.at,
            ended_at=notice.at,
        )
        for notice in past
    )
