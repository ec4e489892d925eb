"""The client and the user of a line."""

import pytest

from metering.domain.access_log import InvalidRecordError
from metering.domain.log_formats.reading import client_address, user_of_text, without_port


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("192.0.2.1:80", "192.0.2.1"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]x", "[2001:db8::1]x"),
        ("[2001", "[2001"),
        ("example.com:80", "example.com:80"),
        ("192.0.2.1:http", "192.0.2.1:http"),
    ],
)
def test_a_port_is_taken_off_an_address(text: str, bare: str) -> None:
    assert without_port(text) == bare


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1, 198.51.100.1", "192.0.2.1"),
        ("unknown, _hidden, [2001:db8::1]:80, 198.51.100.1", "2001:db8::1"),
        ("unix:", None),
        ("-", "-"),
        ("junk", "junk"),
        (7, 7),
    ],
)
def test_the_client_is_the_first_address(value: object, address: object) -> None:
    assert client_address(value) == address


@pytest.mark.parametrize("user", ["a b", "a\tb", "a\u00a0b"])
def test_a_user_of_several_words_is_refused(user: str) -> None:
    assert user_of_text("frank") == "frank"
    with pytest.raises(InvalidRecordError):
        user_of_text(user)
