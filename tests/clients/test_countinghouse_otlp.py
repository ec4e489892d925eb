"""`docs/clients/countinghouse_otlp.py`: what an OpenTelemetry Collector sends, in the form of OTLP's JSON."""

import gzip
import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.clients.scripted_server import ScriptedServer
from tests.clients.sources import client_module

otlp = client_module("countinghouse_otlp")
TRACE = "5B8EFFF798038103D269B633813FC60C"


def span(id_: str, kind: int = 2, **attributes: Any) -> dict[str, Any]:
    values = [
        {
            "key": name.replace("_", "."),
            "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
        }
        for name, value in attributes.items()
    ]
    times = {"startTimeUnixNano": "1795258799000000000", "endTimeUnixNano": "1795258800123456789"}
    return {"traceId": TRACE, "spanId": id_, "name": "GET", "kind": kind, **times, "attributes": values}


def traces(*spans: dict[str, Any]) -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}


@pytest.fixture
def receiver(scripted: ScriptedServer, tmp_path: Path) -> Iterator[tuple[Any, int]]:
    client = client_module().Client(scripted.url, "k", spool=tmp_path, flush_seconds=0.01, spool_bytes_max=5000)
    server = otlp.server_for(client, 0)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield client, server.server_address[1]
    server.shutdown()
    server.server_close()
    client.close(0)


def post(port: int, body: bytes, **headers: str) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as line:
        line.request("POST", "/v1/traces", body, headers)
        return line.getresponse().status


def test_each_span_of_a_server_is_one_event_however_often_it_is_sent(
    scripted: ScriptedServer, receiver: tuple[Any, int]
) -> None:
    client, port = receiver
    new = span("EEE19B7EC3C1B174", http_request_method="GET", http_route="/orders/{id}", http_response_status__code=200)
    new["attributes"][2]["key"] = "http.response.status_code"
    old = span("0000000000000002", http_method="POST", http_target="/orders?secret=1")
    body = json.dumps(traces(new, old, span("0000000000000003", kind=3))).encode()
    assert post(port, body) == 200
    assert post(port, gzip.compress(body), **{"Content-Encoding": "gzip"}) == 200
    assert client.flush(20)
    assert (client.counts["accepted"], client.counts["duplicates"]) == (2, 2)
    first, second = scripted.stored.values()
    assert first == {
        "id": "5b8efff798038103d269b633813fc60c-eee19b7ec3c1b174",
        "type": "http_request",
        "timestamp": "2026-11-21T11:00:00.123+00:00",
        "properties": {"http_method": "GET", "resource_path": "/orders/{id}", "status": 200, "service": "shop"},
    }
    assert second["properties"] == {"http_method": "POST", "resource_path": "/orders", "service": "shop"}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"resourceSpans": 1}', json.dumps(traces({"kind": 2})).encode()])
def test_what_is_no_trace_is_refused(receiver: tuple[Any, int], body: bytes) -> None:
    assert post(receiver[1], body) == 400


def test_what_cannot_be_kept_is_sent_again(scripted: ScriptedServer, receiver: tuple[Any, int]) -> None:
    many = [span(f"{number:016}") for number in range(100)]
    assert post(receiver[1], json.dumps(traces(*many)).encode()) == 503
