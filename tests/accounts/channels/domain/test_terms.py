"""What a person may enter for a channel."""

from datetime import time

import pytest

from accounts.channels.domain.quiet import QuietHours
from accounts.channels.domain.terms import ChannelTerms, checked_channel_url, checked_terms
from accounts.channels.domain.types import ChannelType
from accounts.errors import InvalidFieldsError
from tests.accounts.channels.world import URLS

HOSTILE = (
    *("file:///etc/passwd", "ftp://hooks.slack.com/x", "slack://T/B/X", "javascript:alert(1)", "//hooks.slack.com/x"),
    *("http://hooks.slack.com/x", "https://hooks.slack.com@evil.example/x", "https://evil.example/hooks.slack.com"),
    *("https://hooks.slack.com.evil.example/", "https://127.0.0.1/", "https://[::1]/", "https://0x7f000001/"),
    *("https://2130706433/", "https://localhost/", "https://169.254.169.254/latest/", "https://hooks.slack.com:22/x"),
    *(
        "https://hooks.slack.com/\r\nHost: evil",
        "https://hooks.slack.com\\@evil.example/",
        "https://ho\u200boks.slack.com",
    ),
)


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_address_of_slack_is_refused(url: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        checked_channel_url(ChannelType.SLACK, url, ())
    assert refused.value.field_errors[0].pointer == "/url"


@pytest.mark.parametrize("kind", [kind for kind in ChannelType if URLS[kind]])
def test_an_address_of_the_service_is_taken(kind: ChannelType) -> None:
    checked_channel_url(kind, URLS[kind], ())


def test_a_topic_is_one_part_of_a_path() -> None:
    for url in ("https://ntfy.sh/", "https://ntfy.sh/a/b"):
        with pytest.raises(InvalidFieldsError, match="one topic"):
            checked_channel_url(ChannelType.NTFY, url, ())


@pytest.mark.parametrize(
    ("terms", "pointer"),
    [
        (ChannelTerms(""), "/name"),
        (ChannelTerms("x" * 81), "/name"),
        (ChannelTerms("a\nb"), "/name"),
        (ChannelTerms("a", kinds=("horoscope",)), "/kinds"),
        (ChannelTerms("a", quiet=QuietHours(time(7), time(7))), "/quiet_ends"),
        (ChannelTerms("a", time_zone="Mars/Olympus"), "/time_zone"),
    ],
)
def test_terms_that_cannot_be_stored_are_refused_at_their_field(terms: ChannelTerms, pointer: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        checked_terms(terms, known_kinds={"invoice"})
    assert [error.pointer for error in refused.value.field_errors] == [pointer]


def test_fitting_terms_are_taken() -> None:
    checked_terms(ChannelTerms("a", kinds=("invoice",), time_zone="Europe/Paris"), known_kinds={"invoice"})
