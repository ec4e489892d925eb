"""URLs of customers: what is read, and every spelling of what is not public."""

from ipaddress import IPv6Address, ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.public_addresses import (
    InvalidUrlError,
    is_public,
    may_connect,
    origin_of,
    read_networks,
    read_target,
)

# One URL a line; below, those with invisible characters.
HOSTILE = Path(__file__).with_name("hostile_urls.txt").read_text().split()
HOSTILE += [
    "http://exa\u200bmple.com/",
    "http://example\u2024com\u2028/",
    "http://exa mple.com/",
    " http://example.com/",
    "",
]
HOSTILE += ["http://example.com/\r\nHost: x", "http://example.com/\t", "http://example.com/" + "x" * 2000]
HOSTILE += ["http://" + "a" * 64 + ".com/", "http://" + "a." * 130 + "com/"]

FINE = {
    "https://example.com/in": "https://example.com/in",
    "HTTPS://Example.COM": "https://example.com/",
    "http://example.com?token=1": "http://example.com/?token=1",
    "https://example.com:443/": "https://example.com/",
    "https://hooks.example.com:8443/a%20b": "https://hooks.example.com:8443/a%20b",
    "https://example.com/ü": "https://example.com/%C3%BC",
    "https://münchen.example/": "https://xn--mnchen-3ya.example/",
    "http://8.8.8.8:8080/": "http://8.8.8.8:8080/",
    "http://[2606:4700:4700::1111]/": "http://[2606:4700:4700::1111]/",
    "http://[2606:4700:4700:0:0:0:0:1111]:9000/": "http://[2606:4700:4700::1111]:9000/",
    "https://my_app.example.com/": "https://my_app.example.com/",
    "https://1e100.example/": "https://1e100.example/",
}


def is_accepted(url: str) -> bool:
    try:
        read_target(url)
    except InvalidUrlError:
        return False
    return True


def test_every_hostile_url_is_refused() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) >= 100
    assert [url for url in HOSTILE if is_accepted(url)] == []


@pytest.mark.parametrize(("url", "read"), FINE.items())
def test_a_public_url_is_read_in_one_form(url: str, read: str) -> None:
    assert read_target(url).url == read
    assert read_target(read).url == read


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"http://{text}/", f"https://[{text}]:1/"):
        try:
            target = read_target(url)
        except InvalidUrlError:
            continue
        assert target.host.isascii()
        assert read_target(target.url) == target


@given(st.ip_addresses(v=4))
def test_no_special_address_of_ipv4_is_public(address: object) -> None:
    found = ip_address(str(address))
    assert not is_public(found) or found.is_global


@given(st.ip_addresses(v=6))
def test_no_special_address_of_ipv6_is_public(address: object) -> None:
    found = ip_address(str(address))
    assert not is_public(found) or (found.is_global and not found.is_multicast)


@given(st.ip_addresses(v=4))
def test_no_ipv6_address_that_holds_an_ipv4_address_is_public(address: object) -> None:
    number = int(ip_address(str(address)))
    for prefix in (0xFFFF << 32, 0xFFFF << 48, 0x64FF9B << 96, 0x2002 << 112):  # mapped, translated, NAT64, 6to4
        held = number << 80 if prefix == 0x2002 << 112 else number
        assert not is_public(IPv6Address(prefix | held))


def test_an_allowed_network_is_reached_in_each_spelling_and_no_other() -> None:
    allowed = read_networks(["127.0.0.0/8", "::1/128"])
    for url in ("http://127.0.0.1:5001/", "http://[::1]:5001/", "http://[::ffff:127.0.0.1]/", "http://localhost:5001/"):
        assert read_target(url, allowed)
    for url in ("http://10.0.0.1/", "http://0x7f.1/", "http://user@127.0.0.1/"):
        with pytest.raises(InvalidUrlError):
            read_target(url, allowed)
    assert may_connect(ip_address("127.9.9.9"), allowed)
    assert not may_connect(ip_address("127.9.9.9"))


def test_an_origin_has_neither_path_nor_query() -> None:
    assert origin_of("https://hooks.example.com:8443/services/T0/secret?token=1") == "https://hooks.example.com:8443"
