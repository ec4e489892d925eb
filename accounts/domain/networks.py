"""The networks a key may be used from, and the address a request really came from.

Any client can write `X-Forwarded-For`: only the hops that our own proxies added count.
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
    """Return whether `ip` is in one of `cidrs`. No CIDRs allow every address."""
    if not cidrs:
        return True
    address = _address(ip)
    if address is None:
        return False
    return any(address in _network(cidr) for cidr in cidrs)


def canonical_cidr(text: str) -> str | None:
    """Return a CIDR in its canonical spelling, or None if it is none. Host bits are refused."""
    try:
        return str(_network(text))
    except ValueError:
        return None


def client_ip(remote_addr: str, forwarded_for: str, trusted_proxy_count: int) -> str:
    """Return the address from which the outermost trusted proxy was called.

    Each of `trusted_proxy_count` proxies appends its caller to `forwarded_for`, so the client is that many places from
    the right. If the list is shorter, or has no address at that place, the request bypassed the proxies and only
    `remote_addr` is certain.
    """
    if trusted_proxy_count == 0:
        return remote_addr
    hops = forwarded_for.split(",")
    if len(hops) < trusted_proxy_count:
        return remote_addr
    address = _address(hops[-trusted_proxy_count].strip())
    return remote_addr if address is None else str(address)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address that may have a port or a zone. An IPv4-mapped address becomes IPv4."""
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
    """Parse a CIDR. A network of IPv4-mapped addresses becomes the IPv4 network that it maps."""
    network = ip_network(cidr)
    base = _unmapped(network.network_address)
    if isinstance(base, IPv4Address) and network.prefixlen >= _MAPPED_PREFIX_BITS:
        return IPv4Network((base, network.prefixlen - _MAPPED_PREFIX_BITS))
    return network
