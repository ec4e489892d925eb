"""The request that a gateway asks about: its method and its path, as the gateway's headers tell them.

Whatever a client may have put into a header, the result is texts that an event can hold, or nothing.
"""

import re
from collections.abc import Mapping
from typing import Final

from metering.domain.http_requests import HTTP_METHOD, RESOURCE_PATH
from metering.domain.texts import is_storable

# As nginx is configured to send them, and as Traefik and Caddy send them by themselves.
URI_HEADERS: Final = ("X-Original-URI", "X-Forwarded-Uri")
METHOD_HEADERS: Final = ("X-Original-Method", "X-Forwarded-Method")
_METHOD: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,40}", re.ASCII)
_ORIGIN: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]{0,20}://[^/?#]*", re.ASCII)


class ContradictingHeadersError(ValueError):
    """Two headers tell different requests, so one of them was written by the client."""


def forwarded_properties(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the properties of the request that was forwarded; what cannot be kept is left out.

    Raises `ContradictingHeadersError`.
    """
    method, uri = _told(headers, METHOD_HEADERS), _told(headers, URI_HEADERS)
    properties = {}
    if _METHOD.fullmatch(method):
        properties[HTTP_METHOD] = method
    path = path_of(uri)
    if path is not None:
        properties[RESOURCE_PATH] = path
    return properties


def path_of(uri: str) -> str | None:
    """Return the path of a request's target, without the query; None if it has none that can be kept."""
    try:
        # Servers read header bytes as Latin-1.
        text = uri.encode("latin-1").decode()
    except (UnicodeEncodeError, UnicodeDecodeError):
        return None
    origin = _ORIGIN.match(text)
    rest = text[origin.end() :] if origin else text
    path = re.split(r"[?#]", rest, maxsplit=1)[0] or ("/" if origin else "")
    return path if path.startswith("/") and is_storable(path) else None


def _told(headers: Mapping[str, str], names: tuple[str, ...]) -> str:
    told = {value for name in names if (value := headers.get(name, "").strip())}
    if len(told) > 1:
        raise ContradictingHeadersError(f"{names[0]} and {names[1]} contradict each other.")
    return next(iter(told), "")
