"""The files in `deploy/gateways/` can be read, and so can a line of the log that each of them sets up."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from metering.domain.access_log import AccessRecord
from metering.domain.log_formats.reading import Context
from metering.domain.log_formats.registry import FORMATS, LogFormat, detect, format_named, with_places
from tests.bench.rig import CHECKOUT

GATEWAYS = CHECKOUT / "deploy/gateways"
AUTHORIZER_LINES_MAX = 40
# One line of each log, as the gateway's documentation has it.
LINES = {
    "traefik.yml": (
        b'{"ClientHost":"203.0.113.9","DownstreamContentSize":21,"DownstreamStatus":200,"RequestMethod":"GET",'
        b'"RequestPath":"/orders?x=1","RequestProtocol":"HTTP/1.1","StartUTC":"2026-11-30T14:50:38.123456789Z",'
        b'"request_X-Request-Id":"r-1"}'
    ),
    "Caddyfile": (
        b'{"level":"info","ts":"2026-11-30T14:50:38.123456789Z","request":{"client_ip":"203.0.113.9","proto":"HTTP/1.1",'
        b'"method":"GET","uri":"/orders?x=1"},"size":21,"status":200,"requestId":"r-1"}'
    ),
    "envoy.yaml": (
        b'{"request_id":"r-1","ip":"203.0.113.9","request_time":"2026-11-30T14:50:38.123Z","http_method":"GET",'
        b'"resource_path":"/orders?x=1","status":200,"protocol":"HTTP/1.1","response_length":21}'
    ),
    "kong.yml": (
        b'{"request_id":"r-1","ip":"203.0.113.9","request_time":1796050238123,"http_method":"GET",'
        b'"resource_path":"/orders","status":200,"protocol":"HTTP/1.1","response_length":21}'
    ),
}


def format_in(path: Path, line_of_log: bytes) -> LogFormat:
    """Return the format by the `--map` in the file's comments, or else the one that is detected."""
    command = re.sub(r"\\\n\s*#", " ", path.read_text())
    line = next((line for line in command.splitlines() if "import_access_log" in line and "--map" in line), "")
    words = shlex.split(line.strip().removeprefix("#"))
    mapped = dict(word.split("=", 1) for word in words if "=" in word)
    if mapped:
        return with_places(format_named("jsonl"), mapped)
    detected = detect([line_of_log], FORMATS.values())
    assert detected is not None
    return detected.format


@pytest.mark.parametrize("name", ["traefik.yml", "envoy.yaml", "kong.yml"])
def test_a_file_in_yaml_can_be_read_and_asks_at_the_address(name: str) -> None:
    assert yaml.safe_load((GATEWAYS / name).read_text())
    assert "/api/v1/authorize/forward" in (GATEWAYS / name).read_text()


@pytest.mark.parametrize("name", list(LINES))
def test_a_line_of_the_gateways_log_is_read_with_the_id_of_the_request(name: str) -> None:
    record = format_in(GATEWAYS / name, LINES[name]).read(LINES[name].decode(), Context())
    assert isinstance(record, AccessRecord), record
    assert (record.request_id, record.http_method, record.resource_path, record.status, record.response_length) == (
        "r-1",
        "GET",
        "/orders",
        200,
        21,
    )


def test_the_lambda_authorizer_is_short() -> None:
    assert len((GATEWAYS / "aws/authorizer.py").read_text().splitlines()) <= AUTHORIZER_LINES_MAX
