"""The text formats of load balancers: AWS ALB and its classic predecessor, HAProxy, and Envoy's default.

Each is one expression whose parts are bounded by what separates them, so that a hostile line costs no more than its
length. The ids in them may be chosen by clients, so none is an identity.
"""

import re
from collections.abc import Callable
from typing import Final

from metering.domain.access_log import BadLine, parts_of_request
from metering.domain.log_formats.reading import Context, Row, row_of

_ALB: Final = re.compile(
    r"(?:(?:https?|h2|grpcs?|wss?) )?(?P<time>[0-9-]{10}T[0-9:.]{8,18}Z) \S+ (?P<client>\S+) \S+ "
    r'-?[0-9.]+ -?[0-9.]+ -?[0-9.]+ (?P<status>\S+) \S+ [0-9-]+ (?P<length>[0-9]+|-) "(?P<request>[^"]*)"(?: .*)?',
    re.ASCII | re.DOTALL,
)
_HAPROXY: Final = re.compile(
    r"(?P<client>\S+) \[(?P<time>[^\]]{1,40})\] \S+ [^\s/]+/\S+ [-+0-9/]{5,80} (?P<status>\S+) \+?(?P<length>[0-9]+|-) "
    r'\S+ \S+ \S{4} [0-9/+]{5,60} [0-9/]{3,40}(?: \{[^}"]*\}){0,2} "(?P<request>[^"]*)(?:"(?: .*)?)?',
    re.ASCII | re.DOTALL,
)
_ENVOY: Final = re.compile(
    r'\[(?P<time>[0-9-]{10}T[0-9:.]{8,18}Z)\] "(?P<request>[^"]*)" (?P<status>\S+) \S+ (?:\S+ )?(?:\S+ )?'
    r'(?:"[^"]*" )?[0-9-]+ (?P<length>[0-9]+|-) [0-9-]+ [0-9-]+ "(?P<client>[^"]*)" .*',
    re.ASCII | re.DOTALL,
)
# HAProxy's sign for a request to which there was no response.
_NO_RESPONSE: Final = "-1"


def _reader(line: re.Pattern[str], name: str, *, has_port: bool) -> Callable[[str, Context], Row]:
    other = BadLine(f"Not a line of {name}.", is_other_format=True)

    def read(text: str, context: Context) -> Row:
        shape = line.fullmatch(text)
        if shape is None:
            return other
        http_method, resource_path, protocol = parts_of_request(shape["request"])
        members = {
            "ip": _without_port(shape["client"]) if has_port else shape["client"],
            "request_time": shape["time"],
            "http_method": http_method,
            "resource_path": resource_path,
            "status": "-" if shape["status"] == _NO_RESPONSE else shape["status"],
            "protocol": protocol,
            "response_length": shape["length"],
        }
        return row_of(members, context)

    return read


def _without_port(client: str) -> str:
    """Return the client without the port, which these always write, also as in `::1:443`."""
    if client.startswith("["):
        return client
    return client.rpartition(":")[0] or client


read_alb: Final = _reader(_ALB, "an AWS load balancer", has_port=True)
read_haproxy: Final = _reader(_HAPROXY, "HAProxy", has_port=True)
read_envoy: Final = _reader(_ENVOY, "Envoy", has_port=False)
