"""All formats of access logs, their detection, and the reading of a log's lines by what was detected."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final, NamedTuple

from metering.domain.access_log import LINE_BYTES_MAX, AccessRecord, BadLine
from metering.domain.log_formats import json_logs
from metering.domain.log_formats.common_log import read_common_log
from metering.domain.log_formats.envelopes import ENVELOPES, Envelope
from metering.domain.log_formats.proxies import read_alb, read_envoy, read_haproxy
from metering.domain.log_formats.reading import Context, Header, Row
from metering.domain.log_formats.w3c import read_w3c

SAMPLE_LINES: Final = 50
TOO_LONG: Final = BadLine("Longer than any request.")
NOT_AS_DETECTED: Final = BadLine("Not in the envelope of the log's first lines.")
UNKNOWN: Final = BadLine("In no known log format.")
_RECORD_WEIGHT: Final = 1000
_ENVELOPES_MAX: Final = 2


class LogFormat(NamedTuple):
    """A format: its name for `--format`, what writes it, how a line is read, and if it is JSON, by which places."""

    name: str
    title: str
    read: Callable[[str, Context], Row]
    places: json_logs.Places | None = None


def _json_format(name: str, title: str, places: json_logs.Places) -> LogFormat:
    return LogFormat(name, title, json_logs.json_reader(places, title), places)


# In the order of preference if several read a log's first lines equally well.
FORMATS: Final[Mapping[str, LogFormat]] = {
    one.name: one
    for one in (
        LogFormat("combined", "common or combined log format", read_common_log),
        LogFormat("alb", "AWS load balancers", read_alb),
        LogFormat("haproxy", "HAProxy", read_haproxy),
        LogFormat("envoy", "Envoy", read_envoy),
        LogFormat("w3c", "W3C extended log format: CloudFront, IIS", read_w3c),
        _json_format("records", "records of POST /access-logs", json_logs.RECORDS),
        _json_format("apigateway", "API Gateway (JSON)", json_logs.API_GATEWAY),
        _json_format("traefik", "Traefik (JSON)", json_logs.TRAEFIK),
        _json_format("caddy", "Caddy (JSON)", json_logs.CADDY),
        _json_format("kong", "Kong (JSON)", json_logs.KONG),
        _json_format("envoy-json", "Envoy (JSON)", json_logs.ENVOY),
        _json_format("nginx-json", "nginx (JSON)", json_logs.NGINX),
    )
}
# Other names under which people look for a format.
ALIASES: Final[Mapping[str, str]] = {
    "common": "combined",
    "vhost_combined": "combined",
    "cloudfront": "w3c",
    "jsonl": "apigateway",
}
NAMES: Final = (*FORMATS, *ALIASES)


@dataclass(frozen=True, slots=True)
class Detected:
    """A format and the envelopes around its lines, outermost first."""

    format: LogFormat
    envelopes: tuple[Envelope, ...] = ()

    @property
    def title(self) -> str:
        """Return what was detected, for people."""
        around = f", in {' in '.join(one.name for one in reversed(self.envelopes))}" if self.envelopes else ""
        return f"{self.format.name}: {self.format.title}{around}"


def format_named(name: str) -> LogFormat:
    """Return the format of that name, or of which it is another name."""
    return FORMATS[ALIASES.get(name, name)]


def with_places(log_format: LogFormat, places: Mapping[str, str]) -> LogFormat:
    """Return a JSON format that reads some fields from other places. It accepts any object with a status and a time."""
    assert log_format.places is not None, "only JSON has places"
    own = {field: names for field, names in log_format.places.items() if field != "mark"}
    moved = own | {field: (place,) for field, place in places.items()}
    return log_format._replace(read=json_logs.json_reader(moved, log_format.title), places=moved)


def detect(lines: Iterable[bytes], formats: Iterable[LogFormat], zone: tzinfo | None = None) -> Detected | None:
    """Return the format and the envelopes that read most of a log's first lines, or None if none knows any.

    A line of a format in which one value is wrong is known, too, so that its reason can be told.
    """
    candidates = tuple(formats)
    found: Counter[tuple[int, tuple[Envelope, ...]]] = Counter()
    headers: dict[tuple[int, tuple[Envelope, ...]], str] = {}
    for line in lines:
        for envelopes, text in _openings(decoded(line)):
            for number, candidate in enumerate(candidates):
                key = (number, envelopes)
                row = candidate.read(text, Context(zone, headers.get(key, "")))
                if isinstance(row, Header):
                    headers[key] = row.text
                if isinstance(row, AccessRecord):
                    found[key] += _RECORD_WEIGHT
                elif isinstance(row, BadLine) and not row.is_other_format:
                    found[key] += 1
    best = max(found, key=lambda key: (found[key], -len(key[1]), -key[0]), default=None)
    return None if best is None else Detected(candidates[best[0]], best[1])


def decoded(line: bytes) -> str:
    """Return a line as text that can be stored; a byte that is not UTF-8 shows as its hex escape."""
    return line.rstrip(b"\r\n ").decode("utf-8", "backslashreplace")


def _openings(text: str, before: tuple[Envelope, ...] = ()) -> Iterator[tuple[tuple[Envelope, ...], str]]:
    """Yield the text with no envelope opened, with one, and with two."""
    yield before, text
    if len(before) == _ENVELOPES_MAX:
        return
    for envelope in ENVELOPES:
        inside = envelope.open(text)
        if inside is not None:
            yield from _openings(inside, (*before, envelope))


@dataclass(slots=True)
class LineReader:
    """Reads the lines of one log, one after the other. `context` holds the last header."""

    detected: Detected
    context: Context

    def read(self, line: bytes) -> AccessRecord | BadLine | None:
        """Return the record of a line, or the reason why it is none, or None for a header."""
        if len(line) > LINE_BYTES_MAX:
            return TOO_LONG
        text: str | None = decoded(line)
        for envelope in self.detected.envelopes:
            text = None if text is None else envelope.open(text)
        if text is None:
            return NOT_AS_DETECTED
        row = self.detected.format.read(text, self.context)
        if isinstance(row, Header):
            self.context = self.context._replace(header=row.text)
            return None
        return row
