"""Objects of a bucket, on moto's server: each is read once, in the layouts in which API Gateway's logs come."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from io import StringIO

import obstore
import pytest
import requests
from django.core.management import CommandError, call_command
from moto.server import ThreadedMotoServer
from obstore.store import S3Store

from metering.gateways import s3_logs
from metering.gateways.s3_logs import MissingLibraryError, S3Logs
from metering.models import Event, LogFile
from metering.selectors.catalog import forget_catalog
from metering.services.partitions import forget_seen_partitions
from tests.metering.ledger_world import make_tenant
from tests.metering.log_lines.shapes import REST

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
TASK = "exported/9f6d4a1e-7c1b/gateway-stream"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    started = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    yield f"http://{host}:{port}"
    started.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> S3Store:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    create_bucket(server)
    return S3Store("logs", prefix=request.node.name)


def create_bucket(server: str) -> None:
    requests.put(f"{server}/logs", timeout=10)


def record(number: int) -> str:
    return json.dumps(REST | {"extendedRequestId": f"x{number}="})


def subscription(*lines: str) -> bytes:
    events = [{"id": str(n), "timestamp": 1431857103000, "message": line} for n, line in enumerate(lines)]
    return gzip.compress(json.dumps({"messageType": "DATA_MESSAGE", "logEvents": events}).encode())


def run(url: str) -> str:
    out = StringIO()
    call_command("import_access_log", url, "--tenant", "acme", stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_both_layouts_of_cloudwatch_are_read_and_each_object_once(
    bucket: S3Store, request: pytest.FixtureRequest
) -> None:
    forget_catalog()
    forget_seen_partitions()
    make_tenant("acme")
    url = f"s3://logs/{request.node.name}"
    exported = "".join(f"2015-05-17T10:05:0{n}.123Z {record(n)}\n" for n in range(3))
    obstore.put(bucket, "exported/aws-logs-write-test", b"Permission Check Successful")
    obstore.put(bucket, f"{TASK}/000000.gz", gzip.compress(exported.encode()))
    obstore.put(bucket, "2015/05/17/10/gateway-1-2015-05-17-10-05-03", subscription(record(2), record(3)))
    obstore.put(bucket, "empty", b"")
    assert run(url) == "5 lines: 4 accepted, 1 duplicates, 0 refused\n"
    assert run(url) == ""
    obstore.put(bucket, f"{TASK}/000001.gz", gzip.compress(record(4).encode() + b"\n"))
    assert run(url) == "1 lines: 1 accepted, 0 duplicates, 0 refused\n"
    assert Event.objects.count() == 5
    assert set(LogFile.objects.values_list("is_whole", flat=True)) == {True}
    names = set(LogFile.objects.values_list("name", flat=True))
    assert f"{url}/{TASK}/000000.gz" in names
    assert len(names) == 3


def test_an_object_that_is_gone_is_none(bucket: S3Store, request: pytest.FixtureRequest) -> None:
    obstore.put(bucket, "one.log", b"one\n")
    store = S3Logs(f"s3://logs/{request.node.name}/")
    [log] = store.logs(LONG_AGO)
    stream = store.open(log)
    assert stream is not None
    with stream:
        assert stream.read() == b"one\n"
    obstore.delete(bucket, "one.log")
    assert store.open(log) is None


def test_a_bucket_that_cannot_be_read_says_so(bucket: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match="s3://nowhere/x could not be listed"):
        S3Logs("s3://nowhere/x").logs(LONG_AGO)


@pytest.mark.django_db
def test_without_the_library_the_command_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    make_tenant("acme")
    monkeypatch.setattr(s3_logs, "obstore", None)
    with pytest.raises(MissingLibraryError):
        S3Logs("s3://logs")
    with pytest.raises(CommandError, match="pip install obstore"):
        run("s3://logs")
