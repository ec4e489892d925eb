"""The WSGI environment of a request, built from what granian read."""

import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import IO, Any, Final, Protocol

_CGI_NAMES: Final = frozenset({"content-type", "content-length"})


class Headers(Protocol):
    """The headers of a request as granian passes them; `items` skips values that are not ASCII."""

    def __len__(self) -> int: ...
    def get(self, key: str, default: Any = None) -> Any: ...
    def items(self) -> list[tuple[str, str]]: ...


class RequestScope(Protocol):
    """A request without its body, as granian passes it. `path` is decoded, `client` is an address and a port."""

    method: str
    path: str
    query_string: str
    scheme: str
    http_version: str
    client: str
    server: str
    headers: Headers


class HeaderError(Exception):
    """A header with an invalid value. The message is for the caller."""


def environ_of(scope: RequestScope, body: IO[bytes], length: int | None) -> dict[str, Any]:
    """Return the environment for PEP 3333. `length` is that of the body, or None if the request has none.

    Raises `HeaderError`.
    """
    server, _, port = scope.server.rpartition(":")
    environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": scope.path.encode().decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": server,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.0" if scope.http_version == "1" else f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0].strip("[]"),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **_variables_of(scope.headers),
    }
    if length is not None:
        environ["CONTENT_LENGTH"] = str(length)
    return environ


def _variables_of(headers: Headers) -> Mapping[str, str]:
    """Return headers as variables. Lines of one name are joined, and a name with an underscore is ignored.

    `X_Forwarded_For` would else become the same variable as the proxy's `X-Forwarded-For`. Source: RFC 9110, 5.3;
    RFC 9113, 8.2.3 for cookies.
    """
    items = headers.items()
    if len(items) != len(headers):
        raise HeaderError("The value of a header is not ASCII.")
    return dict(_joined(items))


@lru_cache(maxsize=512)
def _variable_of(name: str) -> str:
    variable = name.upper().replace("-", "_")
    return variable if name in _CGI_NAMES else f"HTTP_{variable}"


def _joined(items: Iterable[tuple[str, str]]) -> dict[str, str]:
    variables: dict[str, str] = {}
    for name, value in items:
        if "_" in name:
            continue
        variable = _variable_of(name)
        before = variables.get(variable)
        separator = "; " if name == "cookie" else ", "
        variables[variable] = value if before is None else f"{before}{separator}{value}"
    return variables
