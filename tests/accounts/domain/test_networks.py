"""The address of a request, and whether its key may be used from there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.domain.networks import canonical_cidr, client_ip, is_allowed


@pytest.mark.parametrize(
    ("ip", "cidrs", "expected"),
    [
        ("203.0.113.9", (), True),
        ("nonsense", (), True),
        ("203.0.113.9", ("203.0.113.0/24",), True),
        ("203.0.114.9", ("203.0.113.0/24",), False),
        ("203.0.114.9", ("203.0.113.0/24", "203.0.114.9"), True),
        ("::ffff:203.0.113.9", ("203.0.113.0/24",), True),
        ("203.0.113.9", ("::ffff:203.0.113.0/120",), True),
        ("203.0.113.9", ("::/0",), False),
        ("2001:db8::1", ("2001:db8::/32",), True),
        ("2001:db9::1", ("2001:db8::/32",), False),
        ("2001:db8::1", ("0.0.0.0/0",), False),
        ("fe80::1%eth0", ("fe80::/10",), True),
        ("", ("0.0.0.0/0",), False),
        ("nonsense", ("0.0.0.0/0", "::/0"), False),
        ("203.0.113.9, 1.2.3.4", ("0.0.0.0/0",), False),
    ],
)
def test_an_address_is_allowed_if_a_network_contains_it(ip: str, cidrs: tuple[str, ...], expected: bool) -> None:
    assert is_allowed(ip, cidrs) is expected


@given(ip=st.ip_addresses())
def test_every_address_is_in_its_own_network(ip: object) -> None:
    assert is_allowed(str(ip), (str(ip),))


@given(ip=st.text())
def test_text_that_is_no_address_is_never_allowed_if_networks_are_named(ip: str) -> None:
    assert not is_allowed(ip, ("198.51.100.77/32",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.113.9", "203.0.113.9/32"),
        ("2001:DB8:0::/32", "2001:db8::/32"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("203.0.113.9/24", None),
        ("203.0.113.0/33", None),
        ("example.com", None),
        ("", None),
    ],
)
def test_a_network_has_one_spelling(text: str, expected: str | None) -> None:
    assert canonical_cidr(text) == expected


@pytest.mark.parametrize(
    ("forwarded_for", "proxies", "expected"),
    [
        ("", 0, "10.0.0.1"),
        ("203.0.113.9", 0, "10.0.0.1"),
        ("203.0.113.9", 1, "203.0.113.9"),
        ("198.51.100.1, 203.0.113.9", 1, "203.0.113.9"),
        ("198.51.100.1,203.0.113.9 , 10.0.0.2", 2, "203.0.113.9"),
        ("203.0.113.9:4711", 1, "203.0.113.9"),
        ("[2001:db8::1]:4711", 1, "2001:db8::1"),
        ("[2001:db8::1]", 1, "2001:db8::1"),
        ("::ffff:203.0.113.9", 1, "203.0.113.9"),
        ("", 1, "10.0.0.1"),
        ("203.0.113.9", 2, "10.0.0.1"),
        ("unknown", 1, "10.0.0.1"),
        ("203.0.113.9, unknown", 1, "10.0.0.1"),
        ("203.0.113.9, " + "9" * 1000, 1, "10.0.0.1"),
    ],
)
def test_only_the_hops_of_trusted_proxies_count(forwarded_for: str, proxies: int, expected: str) -> None:
    assert client_ip("10.0.0.1", forwarded_for, proxies) == expected


@given(lie=st.text(), proxies=st.integers(1, 3))
def test_forwarded_headers_of_a_client_are_never_believed(lie: str, proxies: int) -> None:
    appended = ["203.0.113.9", "10.0.0.3", "10.0.0.2"][:proxies]
    assert client_ip("10.0.0.1", ", ".join([lie, *appended]), proxies) == "203.0.113.9"
