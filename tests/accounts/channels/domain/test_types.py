"""Which hosts each type of channel takes."""

from accounts.channels.domain.types import TYPES, ChannelType, takes_host


def test_a_host_of_another_service_is_not_taken() -> None:
    assert takes_host(ChannelType.SLACK, "hooks.slack.com")
    assert takes_host(ChannelType.DISCORD, "ptb.discord.com")
    assert not takes_host(ChannelType.SLACK, "hooks.slack.com.evil.example")
    assert not takes_host(ChannelType.SLACK, "evilhooks.slack.com")
    assert takes_host(ChannelType.WEBHOOK, "anything.example")


def test_every_type_has_its_terms() -> None:
    assert TYPES.keys() == set(ChannelType)
