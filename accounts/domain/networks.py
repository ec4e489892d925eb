"""From where a key may be used, and from where a request really came.

`X-Forwarded-For` is written by whoever likes to: only the hops that our own proxies added count.
"""

import re
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

_WITH_PORT: Final = re.compile(r"\[(?P<six>[^\]]+)\](?::\d+)?|(?P<four>[\d.]+):\d+", re.ASCII)
_MAPPED_PREFIX_BITS: Final = 96
_ADDRESS_CHARACTERS_MAX: Final = 80


def is_allowed(ip: str, cidrs: tuple[str, ...]) -> bool:
    """Tell whether `ip` lies in one of `cidrs`; no CIDRs allow every address."""
    if not cidrs:
        return True
    address = _address(ip)
    if address is None:
        return False
    return any(address in _network(cidr) for cidr in cidrs)


def canonical_cidr(text: str) -> str | None:
    """Return a CIDR in its one spelling, or None where it is none; host bits are refused."""
    try:
        return str(_network(text))
    except ValueError:
        return None


def client_ip(remote_addr: str, forwarded_for: str, trusted_proxy_count: int) -> str:
    """Return the address from which the outermost trusted proxy was called.

    Each of `trusted_proxy_count` proxies appends its caller to `forwarded_for`, so the client
    stands that many places from the right. Where the list is shorter, or holds no address at
    that place, somebody came past the proxies and only `remote_addr` is certain.
    """
    if trusted_proxy_count == 0:
        return remote_addr
    hops = forwarded_for.split(",")
    if len(hops) < trusted_proxy_count:
        return remote_addr
    address = _address(hops[-trusted_proxy_count].strip())
    return remote_addr if address is None else str(address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address that may carry a port or a zone; an IPv4-mapped one is IPv4."""
    if len(text) > _ADDRESS_CHARACTERS_MAX:
        return None
    with_port = _WITH_PORT.fullmatch(text)
    if with_port is not None:
        text = with_port["six"] or with_port["four"]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return _unmapped(address)


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _network(cidr: str) -> IPv4Network | IPv6Network:
    """Read a CIDR; a network of IPv4-mapped addresses is the IPv4 network that it maps."""
    network = ip_network(cidr)
    base = _unmapped(network.network_address)
    if isinstance(base, IPv4Address) and network.prefixlen >= _MAPPED_PREFIX_BITS:
        return IPv4Network((base, network.prefixlen - _MAPPED_PREFIX_BITS))
    return network
