"""Access logs of one JSON object a line: each gateway by the names that it writes.

Each field has places, the first of which that has a value is read. A place is a member's name, or names joined by
points: `request.method`. An id that clients may choose is no identity, so only a gateway's own one has a place:
API Gateway's `requestId` may be set by the caller, its `extendedRequestId` may not.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from accounts.errors import MalformedBodyError
from metering.domain.access_log import AccessRecord, BadLine, is_absent, parts_of_request
from metering.domain.exact_json import decode_object
from metering.domain.log_formats.reading import Context, Row, row_of

Places = Mapping[str, tuple[str, ...]]

# Field of a record -> its places. `mark` is what a line of this gateway always has, and `route` and `request` are texts
# that hold several fields.
API_GATEWAY: Final[Places] = {
    "mark": ("requestTime", "requestTimeEpoch"),
    "request_id": ("extendedRequestId",),
    "ip": ("ip", "sourceIp"),
    "user": ("user",),
    "request_time": ("requestTimeEpoch", "requestTime"),
    "http_method": ("httpMethod",),
    "resource_path": ("resourcePath", "path"),
    "route": ("routeKey",),
    "status": ("status",),
    "protocol": ("protocol",),
    "response_length": ("responseLength",),
}
TRAEFIK: Final[Places] = {
    "mark": ("DownstreamStatus",),
    "ip": ("ClientHost", "ClientAddr"),
    "user": ("ClientUsername",),
    "request_time": ("StartUTC", "StartLocal", "time"),
    "http_method": ("RequestMethod",),
    "resource_path": ("RequestPath",),
    "status": ("DownstreamStatus",),
    "protocol": ("RequestProtocol",),
    "response_length": ("DownstreamContentSize",),
}
CADDY: Final[Places] = {
    "mark": ("request.uri",),
    "ip": ("request.client_ip", "request.remote_ip", "request.remote_addr"),
    "user": ("user_id",),
    "request_time": ("ts",),
    "http_method": ("request.method",),
    "resource_path": ("request.uri",),
    "status": ("status",),
    "protocol": ("request.proto",),
    "response_length": ("size",),
}
KONG: Final[Places] = {
    "mark": ("started_at",),
    "ip": ("client_ip",),
    "user": ("consumer.username", "authenticated_entity.consumer_id"),
    "request_time": ("started_at",),
    "http_method": ("request.method",),
    "resource_path": ("request.uri",),
    "status": ("response.status",),
    "response_length": ("response.size",),
}
ENVOY: Final[Places] = {
    "mark": ("response_code",),
    "ip": ("x_forwarded_for", "downstream_remote_address"),
    "request_time": ("start_time",),
    "http_method": ("method",),
    "resource_path": ("path", "x-envoy-original-path"),
    "status": ("response_code",),
    "protocol": ("protocol",),
    "response_length": ("bytes_sent",),
}
_NGINX_CLIENT: Final = ("remote_addr", "client_ip", "remote_ip", "clientip", "client", "ip")
# The records of `POST /access-logs`: the gateway that is set up to write these names makes the id itself.
RECORDS: Final[Places] = {"mark": ("response_length",)} | {field: (field,) for field in AccessRecord._fields}
# The names of nginx's variables, and those that people usually give them. Its request_time is a duration.
NGINX: Final[Places] = {
    "mark": _NGINX_CLIENT,
    "ip": _NGINX_CLIENT,
    "user": ("remote_user", "user"),
    "request_time": ("time_iso8601", "msec", "time_local", "timestamp", "@timestamp", "time", "ts"),
    "request": ("request",),
    "http_method": ("request_method", "method"),
    "resource_path": ("request_uri", "uri", "path", "url"),
    "status": ("status",),
    "protocol": ("server_protocol", "protocol"),
    "response_length": ("body_bytes_sent", "bytes_sent", "body_bytes", "bytes", "size"),
}


def json_reader(places: Places, name: str) -> Callable[[str, Context], Row]:
    """Return the function that reads a line by these places."""
    other = BadLine(f"Not a line of {name}.", is_other_format=True)

    def read(text: str, context: Context) -> Row:
        try:
            members = decode_object(text.encode())
        except MalformedBodyError as error:
            reason = error.detail.replace("The body", "The line").partition(":")[0].rstrip(".")
            return BadLine(f"{reason}.") if text.startswith("{") else other
        if "mark" in places and is_absent(value_at(members, places["mark"])):
            return other
        return _record(members, places, context)

    return read


def value_at(members: Mapping[str, Any], places: tuple[str, ...]) -> object:
    """Return the first value that is there, of the members that `places` name."""
    values = (_member(members, place) for place in places)
    return next((value for value in values if not is_absent(value)), None)


def _record(members: Mapping[str, Any], places: Places, context: Context) -> AccessRecord | BadLine:
    found = {field: value_at(members, names) for field, names in places.items()}
    request = found.pop("request", None)
    if isinstance(request, str):
        for field, value in zip(("http_method", "resource_path", "protocol"), parts_of_request(request), strict=True):
            found[field] = value if found.get(field) is None else found[field]
    route = found.pop("route", None)
    if isinstance(route, str) and found.get("resource_path") is None:
        found["resource_path"] = route.partition(" ")[2]  # `GET /pets`; `$default` has no path
    return row_of(found, context)


def _member(members: Mapping[str, Any], place: str) -> object:
    """Return a member by its name, or else by the names that points join."""
    if place in members:
        return members[place]
    value: object = members
    for name in place.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
