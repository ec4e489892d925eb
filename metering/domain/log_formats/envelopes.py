"""What containers, journals and syslog put around a line, or before it.

An envelope returns the line inside, or None if the text is not in it. Which envelopes a log has is detected once, and
then only these are opened: the beginning of a line may be a text that a client chose.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from accounts.errors import MalformedBodyError
from metering.domain.exact_json import decode_object

_MONTHS: Final = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
_ISO: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]{1,9})?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_PRIORITY: Final = r"(?:<[0-9]{1,3}>)?"
_TAG: Final = r"[^\s:\[\]]{1,128}(?:\[[0-9]{1,10}\])?: ?"
_CRI: Final = re.compile(rf"{_ISO} (?:stdout|stderr) F (?P<line>.*)", re.ASCII | re.DOTALL)
_SYSLOG: Final = re.compile(
    rf"{_PRIORITY}(?:(?:{_MONTHS}) [ 0-9][0-9] [0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]{{1,9}})?|{_ISO})"
    rf" [^\s:]{{1,255}} {_TAG}(?P<line>.*)",
    re.ASCII | re.DOTALL,
)
_SYSLOG_5424: Final = re.compile(
    rf"<[0-9]{{1,3}}>1 (?:{_ISO}|-) \S+ \S+ \S+ \S+ (?:-|(?:\[[^\]]*\])+) ?(?:\ufeff)?(?P<line>.*)",
    re.ASCII | re.DOTALL,
)
_TIMESTAMP: Final = re.compile(rf"{_ISO} (?P<line>.*)", re.ASCII | re.DOTALL)
_COMPOSE: Final = re.compile(r"[A-Za-z0-9._-]{1,128} +\| (?P<line>.*)", re.ASCII | re.DOTALL)
_POD: Final = re.compile(r"\[pod/[A-Za-z0-9./-]{1,255}\] (?P<line>.*)", re.ASCII | re.DOTALL)


class Envelope(NamedTuple):
    """A name for people, and what takes a line out of it."""

    name: str
    open: Callable[[str], str | None]


def _by_expression(expression: re.Pattern[str]) -> Callable[[str], str | None]:
    def opened(text: str) -> str | None:
        shape = expression.fullmatch(text)
        return None if shape is None else shape["line"]

    return opened


def _by_member(name: str) -> Callable[[str], str | None]:
    """Return the function that takes a line out of the member of a JSON object; a line that was split is none."""

    def opened(text: str) -> str | None:
        members = _object(text) if name in text else {}
        line = members.get(name)
        if not isinstance(line, str) or (name == "log" and not line.endswith("\n")):
            return None
        return line.rstrip("\r\n")

    return opened


def _object(text: str) -> dict[str, Any]:
    try:
        return decode_object(text.encode()) if text.startswith("{") else {}
    except MalformedBodyError:
        return {}


def _unquoted(text: str) -> str | None:
    """Return what a line says that is in quotes as a whole: with backslashes, or with doubled quotes as in CSV."""
    inside = text[1:-1]
    if len(text) <= len('""') or text[0] != '"' or text[-1] != '"':
        return None
    if '""' in inside and '"' not in inside.replace('""', ""):
        return inside.replace('""', '"')
    if '\\"' in inside and '"' not in inside.replace('\\"', ""):
        return inside.replace('\\"', '"').replace("\\\\", "\\")
    return None


ENVELOPES: Final = (
    Envelope("Docker's json-file", _by_member("log")),
    Envelope("journalctl -o json", _by_member("MESSAGE")),
    Envelope("CRI", _by_expression(_CRI)),
    Envelope("syslog, RFC 5424", _by_expression(_SYSLOG_5424)),
    Envelope("syslog", _by_expression(_SYSLOG)),
    Envelope("Docker Compose", _by_expression(_COMPOSE)),
    Envelope("kubectl --prefix", _by_expression(_POD)),
    Envelope("a time before each line", _by_expression(_TIMESTAMP)),
    Envelope("quotes around each line", _unquoted),
)
