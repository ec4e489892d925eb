"""The W3C's extended log format, by which CloudFront and IIS write: a line of `#Fields:` names the columns of the next.

Columns are separated by tabs or by spaces, the time is UTC. CloudFront's `x-edge-request-id` is made by CloudFront, so
it identifies the request.
"""

from functools import lru_cache
from typing import Final

from metering.domain.access_log import BadLine, InvalidRecordError
from metering.domain.log_formats.reading import Context, Header, Row, row_of, user_of_text

_FIELDS: Final = "#Fields:"
# Field of a record -> the columns that hold it, the first of which that is there is read.
_COLUMNS: Final = {
    "request_id": ("x-edge-request-id",),
    "ip": ("c-ip",),
    "user": ("cs-username",),
    "http_method": ("cs-method",),
    "resource_path": ("cs-uri-stem", "cs-uri"),
    "status": ("sc-status",),
    "protocol": ("cs-protocol-version", "cs-version"),
    "response_length": ("sc-bytes",),
}


def read_w3c(text: str, context: Context) -> Row:
    """Read a line of the extended log format."""
    if text.startswith("#"):
        return Header(text.removeprefix(_FIELDS).strip()) if text.startswith(_FIELDS) else Header(context.header)
    if not context.header:
        return BadLine("No line of #Fields: stands before this one.", is_other_format=True)
    names = _names(context.header)
    values = text.split("\t") if "\t" in text else text.split(" ")
    if len(values) != len(names):
        return BadLine("Not as many columns as #Fields: names.")
    row = dict(zip(names, values, strict=True))
    found: dict[str, object] = {
        field: next((row[column] for column in columns if column in row), None) for field, columns in _COLUMNS.items()
    }
    if "date" in row and "time" in row:
        found["request_time"] = f"{row['date']}T{row['time']}Z"
    try:
        user_of_text(row.get("cs-username", ""))
    except InvalidRecordError as error:
        return BadLine(error.detail)
    return row_of(found, context)


@lru_cache(maxsize=16)
def _names(header: str) -> tuple[str, ...]:
    return tuple(header.split())
