"""How the environment wires Paddle: to itself, to its sandbox, to a fake, or to nothing."""

import pytest
from pytest_django import Settings

from billing.collection.gateways.paddle.settings import (
    LIVE_HOST,
    SANDBOX_HOST,
    api_host,
    check_settings,
    read_settings,
    webhook_secrets,
)

LIVE, SANDBOX, FAKE = "pdl_live_apikey_1", "pdl_sdbx_apikey_1", "http://127.0.0.1:12211"


class Given:
    """An environment with these variables."""

    def __init__(self, **variables: str) -> None:
        self.variables = variables

    def text(self, name: str, default: str = "") -> str:
        return self.variables.get(name) or default

    def uuid(self, name: str, default: str = "") -> str:
        raise AssertionError(f"{name} ({default}) is no setting of Paddle's")


@pytest.mark.parametrize(
    ("key", "host", "used"),
    [
        (LIVE, "", LIVE_HOST),
        (SANDBOX, "", SANDBOX_HOST),
        (SANDBOX, f"{FAKE}/", FAKE),
        (LIVE, FAKE, LIVE_HOST),  # a live key is sent to Paddle alone
        ("a_key_from_before_prefixes", SANDBOX_HOST, SANDBOX_HOST),
    ],
)
def test_a_key_is_sent_to_its_own_host(settings: Settings, key: str, host: str, used: str) -> None:
    for name, value in read_settings(Given(PADDLE_API_KEY=key, PADDLE_API_HOST=host), is_production=True).items():
        setattr(settings, name, value)
    assert api_host() == used


@pytest.mark.parametrize(
    ("key", "secret", "host", "found"),
    [
        ("", "", "", []),
        (SANDBOX, "pdl_ntfset_1", FAKE, []),
        (LIVE, "pdl_ntfset_1", SANDBOX_HOST, []),
        (LIVE, "pdl_ntfset_1", FAKE, ["countinghouse.E021"]),
        (LIVE, " , ", "", ["countinghouse.W021"]),
        ("", "pdl_ntfset_1", "", ["countinghouse.W022"]),
    ],
)
def test_settings_that_contradict_each_other_are_told(
    settings: Settings, key: str, secret: str, host: str, found: list[str]
) -> None:
    settings.PADDLE_API_KEY, settings.PADDLE_WEBHOOK_SECRET, settings.PADDLE_API_HOST = key, secret, host
    assert [message.id for message in check_settings()] == found


def test_several_secrets_are_separated_by_commas(settings: Settings) -> None:
    settings.PADDLE_WEBHOOK_SECRET = " one ,two,, "
    assert webhook_secrets() == ("one", "two")
