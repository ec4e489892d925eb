"""The response headers in the OpenAPI document: they follow from an operation's statuses and parameters."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

DESCRIPTIONS: Final = {
    "X-Request-ID": "The id of the request: the one that was sent, or a new one.",
    "WWW-Authenticate": "How to authenticate.",
    "Retry-After": "Seconds to wait before the next try.",
    "Idempotency-Replayed": "`true` if this replays the first response under the Idempotency-Key.",
    "RateLimit-Policy": "Each limit, as in draft-ietf-httpapi-ratelimit-headers.",
    "RateLimit": "What is left of each limit, as in draft-ietf-httpapi-ratelimit-headers.",
}
OF_EVERY_STATUS: Final = ("X-Request-ID",)
OF_STATUS: Final[Mapping[str, tuple[str, ...]]] = {
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}
OF_METERED_CALLS: Final = ("RateLimit-Policy", "RateLimit")
OF_REPLAYS: Final = ("Idempotency-Replayed",)
ALWAYS_SENT: Final = frozenset({*OF_EVERY_STATUS, *(name for names in OF_STATUS.values() for name in names)})


def describe_headers(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add the headers to the finished document. A hook of drf-spectacular, which passes more than this."""
    result["components"]["headers"] = {
        name: {"description": description, "required": name in ALWAYS_SENT, "schema": {"type": "string"}}
        for name, description in DESCRIPTIONS.items()
    }
    for methods in result["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                references = {name: {"$ref": f"#/components/headers/{name}"} for name in _names(operation, status)}
                response["headers"] = references | response.get("headers", {})
    return result


def _names(operation: Mapping[str, Any], status: str) -> Iterator[str]:
    """Yield the headers that a response of this status may have."""
    yield from OF_EVERY_STATUS
    yield from OF_STATUS.get(status, ())
    if "429" in operation["responses"]:
        yield from OF_METERED_CALLS
    parameters = {parameter["name"] for parameter in operation.get("parameters", ())}
    if "Idempotency-Key" in parameters and status.startswith("2"):
        yield from OF_REPLAYS
