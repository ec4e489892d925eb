"""Receive traces of an OpenTelemetry Collector, and report each request that a service responded to as an event.

    COUNTINGHOUSE_URL=... COUNTINGHOUSE_API_KEY=... python countinghouse_otlp.py 4319

It speaks OTLP/HTTP in JSON (`POST /v1/traces`) on the loopback interface. A span of kind SERVER is one event of type
`http_request`, whose id is the span's: what the collector sends again counts once. `countinghouse.py` is beside it.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from countinghouse import Client, Event, SpoolFullError

KIND_SERVER: Final = 2
# The names of the semantic conventions, the older ones too.
PROPERTIES: Final = {
    "http_method": ("http.request.method", "http.method"),
    "resource_path": ("http.route", "url.path", "http.target"),
    "status": ("http.response.status_code", "http.status_code"),
    "response_length": ("http.response.body.size", "http.response_content_length"),
}


def events_of(traces: Event) -> Iterator[Event]:
    """Yield an event for each span of a server; others are calls within or out of it."""
    for resource in traces.get("resourceSpans", ()):
        service = _values(resource.get("resource", {})).get("service.name")
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                if span.get("kind") == KIND_SERVER:
                    yield _event(span, service)


def _event(span: Event, service: Any) -> Event:
    values = _values(span)
    found = {ours: next((values[name] for name in names if name in values), None) for ours, names in PROPERTIES.items()}
    found["service"] = service
    if found["resource_path"]:
        found["resource_path"] = str(found["resource_path"]).partition("?")[0][:1024]
    ended = datetime.fromtimestamp(int(span["endTimeUnixNano"]) / 1e9, timezone.utc)  # noqa: UP017 - 3.9
    return {
        "id": f"{span['traceId']}-{span['spanId']}".lower(),
        "type": "http_request",
        "timestamp": ended.isoformat(timespec="milliseconds"),
        "properties": {name: value for name, value in found.items() if value is not None},
    }


def _values(owner: Event) -> Event:
    """Return attributes by their names. Integers are texts in OTLP's JSON."""
    values: Event = {}
    for attribute in owner.get("attributes", ()):
        value = attribute["value"]
        values[attribute["key"]] = int(value["intValue"]) if "intValue" in value else value.get("stringValue")
    return values


def server_for(client: Client, port: int) -> ThreadingHTTPServer:
    """Return a server that records what it receives. It responds with 200 once all of it is in the client's files."""

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            try:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                events = list(events_of(json.loads(body)))
            except (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError):
                self.respond(400)
                return
            try:
                for event in events:
                    client.record(**event)
            except SpoolFullError:
                self.respond(503)  # the collector sends it again
                return
            self.respond(200)

        def respond(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """Write nothing for a request."""

    return ThreadingHTTPServer(("127.0.0.1", port), Receiver)


if __name__ == "__main__":
    server_for(Client.from_environment(), int(sys.argv[1]) if sys.argv[1:] else 4319).serve_forever()
