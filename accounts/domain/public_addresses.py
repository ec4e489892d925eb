"""Where the product may connect to on behalf of a customer: the rules for URLs and for addresses. Pure.

A URL is read strictly: what two programs could read differently is refused instead of interpreted. An address is public
if no registry reserves it. `ipaddress.is_global` alone is not enough: it takes NAT64 and 6to4 addresses for public,
though they lead to the IPv4 address inside of them. Sources: the IANA special-purpose address registries; RFC 6890;
WHATWG URL, section 3.5, and Fetch, section 2.9 (ports).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final
from urllib.parse import quote

import idna

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PORTS: Final = {"http": 80, "https": 443}
PORT_LOWEST: Final = 1024  # below are the well-known services, of which only the web is called
# Ports at which Fetch refuses to speak HTTP, since another protocol lives there, and those of common databases.
PORTS_REFUSED: Final = frozenset(
    {
        *(1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566),
        *(6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080),
        *(1433, 1521, 2375, 2376, 2379, 2380, 3306, 5432, 6379, 6443, 9200, 9300, 10250, 11211, 27017),
    }
)
PORT_HIGHEST: Final = 65535
URL_CHARACTERS_MAX: Final = 2000
_HOST_CHARACTERS_MAX: Final = 253

_URL: Final = re.compile(r"(?P<scheme>[a-zA-Z]+)://(?P<authority>[^/?#]*)(?P<rest>[/?][^#]*)?", re.DOTALL)
_REFUSED_CHARACTERS: Final = re.compile(r"[\x00-\x20\x7f-\x9f\\\"<>^`{|}\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]")
_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.ASCII)
# The last label of a host that a browser would read as an IPv4 address: decimal, octal or hexadecimal.
_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*", re.ASCII)
_IPV4: Final = re.compile(r"(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})", re.ASCII)
_LOCAL_ENDINGS: Final = frozenset(
    {"localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa", "invalid", "onion"}
)

_NOT_PUBLIC_4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3",
    )  # 168.63.129.16 is the host of a virtual machine in Azure
)  # fmt: skip
# Of IPv6 only this is given out at all. Mapped, NAT64, unique local, link-local and multicast addresses are outside.
_GIVEN_OUT_6: Final = IPv6Network("2000::/3")
_NOT_PUBLIC_6: Final = tuple(
    IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3ffe::/16", "3fff::/20")
)


class InvalidUrlError(ValueError):
    """The URL is refused. The message says why, to whoever wrote it."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that was read strictly. `host` is in ASCII; `address` is set if the host is an address."""

    url: str
    scheme: str
    host: str
    port: int
    address: Address | None = None


def is_public(address: Address) -> bool:
    """Return whether the address is in the public internet."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    if address.scope_id is not None or address not in _GIVEN_OUT_6:
        return False
    return not any(address in network for network in _NOT_PUBLIC_6)


def may_connect(address: Address, allowed: Sequence[Network] = ()) -> bool:
    """Return whether the address is public, or in a network that the operator allows during development."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return is_public(address) or any(one in network for network in allowed for one in (address, mapped) if one)


def read_target(url: str, allowed: Sequence[Network] = ()) -> Target:
    """Read a URL that a customer entered. Raises `InvalidUrlError`.

    A host that is a name is looked up at each connection, not here.
    """
    if len(url) > URL_CHARACTERS_MAX:
        raise InvalidUrlError(f"A URL has at most {URL_CHARACTERS_MAX} characters.")
    if _REFUSED_CHARACTERS.search(url):
        raise InvalidUrlError("The URL has a space, a backslash or another character that must be percent-encoded.")
    parts = _URL.fullmatch(url)
    if parts is None or parts["scheme"].lower() not in PORTS:
        raise InvalidUrlError("The URL must begin with https:// or http:// and have no fragment.")
    scheme = parts["scheme"].lower()
    host, port_text = _split(parts["authority"])
    bracketed = host.startswith("[")
    address: Address | None = _address(host[1:-1]) if bracketed else None
    if not bracketed:
        host = _ascii_host(host)
        address = _numeric_host(host)
    if address is not None and not may_connect(address, allowed):
        raise InvalidUrlError("The host is not a public address.")
    if address is None and not allowed:
        _refuse_local_name(host)
    host = host if address is None else str(address)
    port = _port(port_text, PORTS[scheme], is_any_allowed=bool(allowed))
    shown = f"[{host}]" if isinstance(address, IPv6Address) else host
    shown += "" if port == PORTS[scheme] else f":{port}"
    rest = quote(parts["rest"] or "/", safe="/?%:@!$&'()*+,;=-._~[]")
    rest = rest if rest.startswith("/") else f"/{rest}"
    return Target(f"{scheme}://{shown}{rest}", scheme, host, port, address)


def origin_of(url: str) -> str:
    """Return the scheme, host and port of a URL that was accepted, without path and query, which may hold a secret."""
    parts = _URL.match(url)
    assert parts is not None, "an accepted URL has this form"
    return f"{parts['scheme'].lower()}://{parts['authority']}"


def _split(authority: str) -> tuple[str, str | None]:
    """Split an authority into host and port."""
    if "@" in authority:
        raise InvalidUrlError("The URL must have no user name or password.")
    if authority.startswith("["):
        inside, bracket, after = authority.partition("]")
        if not bracket or (after and not after.startswith(":")):
            raise InvalidUrlError("The host cannot be read.")
        return f"{inside}]", after[1:] if after else None
    host, colon, port = authority.partition(":")
    if not host:
        raise InvalidUrlError("The URL has no host.")
    return host, port if colon else None


def _address(text: str) -> IPv6Address:
    try:
        address = IPv6Address(text)
    except AddressValueError as error:
        raise InvalidUrlError("The host is in brackets and is not an IPv6 address.") from error
    if address.scope_id is not None:
        raise InvalidUrlError("An address with a zone is not public.")
    return address


def _ascii_host(host: str) -> str:
    """Return the host in ASCII and lower case: what programs that map other forms of letters would connect to."""
    if "%" in host:
        raise InvalidUrlError("The host must not be percent-encoded.")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True, std3_rules=True).decode()
        except (idna.IDNAError, UnicodeError) as error:
            raise InvalidUrlError("The host is not a valid international name.") from error
    host = host.lower()
    if len(host) > _HOST_CHARACTERS_MAX or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise InvalidUrlError("The host is not a valid name.")
    return host


def _numeric_host(host: str) -> IPv4Address | None:
    """Return the address that the host is, or None if it is a name. Only the usual form with four numbers is taken."""
    if not _NUMBER.fullmatch(host.rpartition(".")[2]):
        return None
    if not _IPV4.fullmatch(host):
        raise InvalidUrlError("An IPv4 address has four decimal numbers with points between them.")
    try:
        return IPv4Address(host)
    except AddressValueError as error:
        raise InvalidUrlError("The host is not an IPv4 address.") from error


def _refuse_local_name(host: str) -> None:
    ending = host.rpartition(".")[2]
    if "." not in host or ending in _LOCAL_ENDINGS:
        raise InvalidUrlError("The host is a name of a private network.")


def _port(text: str | None, default: int, *, is_any_allowed: bool) -> int:
    if text is None or text == "":
        return default
    if (
        not (text.isascii() and text.isdigit())
        or len(text) > len(str(PORT_HIGHEST))
        or not 1 <= int(text) <= PORT_HIGHEST
    ):
        raise InvalidUrlError("The port is not a number from 1 to 65535.")
    port = int(text)
    is_web = port in PORTS.values() or (port >= PORT_LOWEST and port not in PORTS_REFUSED)
    if not is_web and not is_any_allowed:
        raise InvalidUrlError(f"Port {port} belongs to another service: choose 80, 443, or one from {PORT_LOWEST}.")
    return port


def read_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Read CIDRs. Raises ValueError."""
    return tuple(ip_network(text) for text in texts)


def read_address(text: str) -> Address:
    """Read an address that a name was resolved to. Raises ValueError."""
    return ip_address(text)
