"""The types of channels, and which addresses each takes. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class ChannelType(StrEnum):
    """Where a channel sends to."""

    SLACK = "slack"
    DISCORD = "discord"
    TEAMS = "teams"
    GOOGLE_CHAT = "google_chat"
    MATTERMOST = "mattermost"
    NTFY = "ntfy"
    WEBHOOK = "webhook"
    MAIL = "mail"


@dataclass(frozen=True, slots=True)
class TypeTerms:
    """What is known of a type. `hosts` are the endings of the hosts that it takes; none means any public host.

    `is_repeatable` says that the receiver recognizes a message that comes again, by its id.
    """

    label: str
    hint: str
    hosts: tuple[str, ...] = ()
    has_url: bool = True
    is_https_only: bool = True
    is_repeatable: bool = False


TYPES: Final = MappingProxyType(
    {
        ChannelType.SLACK: TypeTerms(
            "Slack",
            "An incoming webhook of a Slack app: https://hooks.slack.com/services/…",
            ("hooks.slack.com", "hooks.slack-gov.com"),
        ),
        ChannelType.DISCORD: TypeTerms(
            "Discord",
            "Server settings → Integrations → Webhooks: https://discord.com/api/webhooks/…",
            ("discord.com", "discordapp.com"),
        ),
        ChannelType.TEAMS: TypeTerms(
            "Microsoft Teams",
            "A workflow “Post to a channel when a webhook request is received”: https://….api.powerplatform.com/…",
            ("webhook.office.com", "logic.azure.com", "api.powerplatform.com"),
        ),
        ChannelType.GOOGLE_CHAT: TypeTerms(
            "Google Chat",
            "A webhook of a space: https://chat.googleapis.com/v1/spaces/…",
            ("chat.googleapis.com",),
        ),
        ChannelType.MATTERMOST: TypeTerms(
            "Mattermost", "An incoming webhook of your server: https://mattermost.example.com/hooks/…"
        ),
        ChannelType.NTFY: TypeTerms("ntfy", "The address of a topic: https://ntfy.sh/your-topic"),
        ChannelType.WEBHOOK: TypeTerms(
            "Webhook",
            "A URL of yours that takes a signed POST request with JSON.",
            is_https_only=False,
            is_repeatable=True,
        ),
        ChannelType.MAIL: TypeTerms("E-mail", "Your own address: for a daily digest or quiet hours.", has_url=False),
    }
)


def takes_host(channel_type: ChannelType, host: str) -> bool:
    """Return whether a channel of the type may send to the host."""
    endings = TYPES[channel_type].hosts
    return not endings or any(host == ending or host.endswith(f".{ending}") for ending in endings)
