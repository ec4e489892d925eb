"""What tests of channels share: channels, notices, and a receiver that keeps what it was sent."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from accounts.channels.domain.quiet import QuietHours
from accounts.channels.domain.terms import ChannelTerms
from accounts.channels.domain.types import ChannelType
from accounts.channels.models import Channel, ChannelMessage
from accounts.channels.services.channels import create_channel
from accounts.domain.actor import Actor
from accounts.gateways.outbound import Outbound, Reply
from accounts.models import Membership, Tenant
from accounts.notices.services.telling import NewNotice, notify_members

_LATER = count()  # each notice is later than the one before
SYSTEM = Actor.system("test")
SLACK_URL = "https://hooks.slack.com/services/T0/B0/sealed-part"
URLS = {
    ChannelType.SLACK: SLACK_URL,
    ChannelType.DISCORD: "https://discord.com/api/webhooks/1/sealed-part",
    ChannelType.TEAMS: "https://x.api.powerplatform.com/sealed-part",
    ChannelType.GOOGLE_CHAT: "https://chat.googleapis.com/v1/spaces/sealed-part",
    ChannelType.MATTERMOST: "https://chat.example.com/hooks/sealed-part",
    ChannelType.NTFY: "https://ntfy.sh/sealed-part",
    ChannelType.WEBHOOK: "https://hooks.example.com/sealed-part",
    ChannelType.MAIL: "",
}
OK = Reply(200, "", milliseconds=3)
DOWN = Reply(500, "HTTP 500", milliseconds=3)
UNREACHABLE = Reply(None, "No connection could be made.", may_have_arrived=False)
CUT_OFF = Reply(None, "The connection was closed before a response came.")


def make_channel(
    tenant: Tenant | None,
    as_of: datetime,
    channel_type: ChannelType = ChannelType.SLACK,
    *,
    membership: Membership | None = None,
    kinds: tuple[str, ...] = (),
    quiet: QuietHours | None = None,
    digest_at: time | None = None,
    zone: str = "",
) -> Channel:
    terms = ChannelTerms("#billing", URLS[channel_type], kinds, quiet, digest_at, zone)
    return create_channel(
        tenant=tenant, membership=membership, channel_type=channel_type, terms=terms, actor=SYSTEM, as_of=as_of
    ).channel


def tell(tenant: Tenant, as_of: datetime, kind: str = "usage_alert", title: str = "80 % is used") -> None:
    notice = NewNotice(tenant.pk, kind, f"{kind}:{uuid4()}", title, text="Much of it.", page="alerts/")
    notify_members([notice], as_of=as_of + timedelta(microseconds=next(_LATER)))


def statuses(channel: Channel) -> list[str]:
    found = ChannelMessage.objects.filter(channel=channel)
    return list(found.order_by("created_at", "pk").values_list("status", flat=True))


@dataclass
class Wire:
    """Stands for the network: keeps each request, and replies as it is told."""

    reply: Reply | Callable[[str], Reply] = OK
    sent: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)

    def __call__(self, *_: object) -> Outbound:
        return self  # type: ignore[return-value] # has the methods that senders use

    async def __aenter__(self) -> "Wire":
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def post(self, url: str, *, body: bytes, headers: Any) -> Reply:
        self.sent.append((url, body, dict(headers)))
        return self.reply(url) if callable(self.reply) else self.reply
