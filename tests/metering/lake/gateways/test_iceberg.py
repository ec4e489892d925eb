"""The lake on a store that speaks S3 (moto's server), and without its libraries. In a folder: `services.sealing`."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.management import CommandError, call_command
from moto import settings as moto_settings
from moto.server import ThreadedMotoServer

from metering.lake.domain.parts import parts_of
from metering.lake.errors import LakeUnavailableError
from metering.lake.gateways import iceberg
from metering.lake.gateways.iceberg import LakeQuestion, lake_of_settings
from metering.lake.models import LakeMonth, LakePart
from metering.lake.selectors.ledger_tables import lake_tables
from metering.lake.selectors.parts import ledger_content
from metering.lake.services.sealing import seal_month
from tests.metering.lake.lake_world import NOON, request_event
from tests.metering.ledger_world import ledger_of, make_tenant, send

MARCH = date(2026, 3, 1)
on_s3 = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("lake_place"),
    pytest.mark.takes_long("it writes Iceberg tables to a server of S3"),
]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iceberg, "pa", None)
    with pytest.raises(LakeUnavailableError, match="make lake"):
        iceberg.lake_of_settings()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    started = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    yield f"http://{host}:{port}"
    started.stop()


@pytest.fixture
def bucket(
    server: str, lake_place: Path, settings: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> str:
    """Create a bucket for the lake, with an event of two tenants in the ledger."""
    name = f"lake-{abs(hash(request.node.name))}"
    requests.put(f"{server}/{name}", timeout=10).raise_for_status()
    settings.LAKE_URL, settings.LAKE_S3_ENDPOINT = f"s3://{name}/years", server
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "test")
    for slug in ("acme", "rival"):
        send(ledger_of(make_tenant(slug)), [request_event(f"{slug}-one", NOON)], as_of=NOON)
    return name


def seal() -> None:
    seal_month(month=MARCH, as_of=NOON, progress=lambda _part: None)


def require_equal(folder: Path) -> None:
    """Fail unless the bucket holds each event once, and each part as the ledger has it."""
    lake = lake_of_settings()
    assert lake.copy("events", folder / "all.parquet", LakeQuestion(("id",), "timestamp", None, None, 100)) == 2
    for part in parts_of(MARCH, lake_tables()):
        assert lake.content(part) == ledger_content(part)
    assert all(file.startswith("s3://") for file in lake.files("events"))
    lake.close()


class TestS3:
    """A month on S3."""

    pytestmark = on_s3

    @pytest.mark.parametrize("step", ["begun", "written", "committed"])
    def test_a_process_that_is_killed_leaves_no_double_and_no_gap(
        self, step: str, bucket: str, server: str, process_environment: dict[str, str], tmp_path: Path
    ) -> None:
        environment = process_environment | {"LAKE_URL": f"s3://{bucket}/years", "LAKE_S3_ENDPOINT": server}
        environment |= {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        program = [sys.executable, "-m", "tests.metering.lake.killed_sealing", step]
        assert subprocess.run(program, env=environment, check=False, timeout=120).returncode == -signal.SIGKILL
        seal()
        require_equal(tmp_path)

    def test_wrong_credentials_are_a_sentence_and_nothing_is_lost(
        self, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        with monkeypatch.context() as locked:
            locked.setattr(moto_settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0)
            with pytest.raises(
                CommandError, match=f"The lake at s3://{bucket}/years cannot be used: .*ACCESS_DENIED|403"
            ):
                call_command("seal_month", "2026-03")
        assert not LakeMonth.objects.exists()
        seal()
        require_equal(tmp_path)

    def test_a_dead_endpoint_is_a_sentence_and_nothing_is_lost(
        self, bucket: str, server: str, settings: Any, tmp_path: Path
    ) -> None:
        seal()
        before = list(LakePart.objects.values_list())
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            settings.LAKE_S3_ENDPOINT = f"http://127.0.0.1:{taken.getsockname()[1]}"
            send(ledger_of(make_tenant("late")), [request_event("late", NOON)], as_of=NOON)
            with pytest.raises(CommandError, match=f"The lake at s3://{bucket}/years cannot be used"):
                call_command("seal_month", "2026-03")
        assert list(LakePart.objects.values_list()) == before
        settings.LAKE_S3_ENDPOINT = server
        lake = lake_of_settings()
        assert lake.copy("events", tmp_path / "all.parquet", LakeQuestion(("id",), "timestamp", None, None, 100)) == 2
        lake.close()

    @pytest.mark.usefixtures("bucket")
    def test_a_bucket_that_is_not_there_is_a_sentence(self, settings: Any) -> None:
        settings.LAKE_URL = "s3://no-such-bucket/years"
        with pytest.raises(LakeUnavailableError, match=r"s3://no-such-bucket/years cannot be used: .*NO_SUCH_BUCKET"):
            seal()
