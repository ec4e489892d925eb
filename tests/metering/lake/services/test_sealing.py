"""Months in the lake: equal to the ledger's to the digit, each row once, whatever dies in between."""

import signal
import subprocess
import sys
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from metering.lake.domain.parts import Part, PartContent, parts_of
from metering.lake.errors import LakeMismatchError
from metering.lake.gateways import part_files
from metering.lake.gateways.iceberg import Lake, LakeQuestion, lake_of_settings
from metering.lake.models import LakeMonth, LakePart
from metering.lake.selectors.ledger_tables import EVENTS, USAGE_DAY, lake_tables
from metering.lake.selectors.parts import ledger_content
from metering.lake.services import sealing
from metering.lake.services.sealing import SealedPart, seal_month, unseal_month
from metering.models import EventMonth, MonthStep
from tests.metering.lake.lake_world import NOON, request_event
from tests.metering.ledger_world import ledger_of, make_tenant, send

# The lake's catalogue has connections of its own, so what it is asked about is committed.
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("lake_place"),
    pytest.mark.takes_long("it writes and compares Iceberg tables"),
]
MARCH = date(2026, 3, 1)
ODD = {"id": 'a\n"b",|-', "type": "http_request", "quantity": "12345678901.123456789", "subject": ""}


def use(*slugs: str) -> None:
    for slug in slugs:
        ledger = ledger_of(make_tenant(slug))
        events = [request_event(f"{slug}-{number}", NOON + timedelta(hours=number)) for number in range(30)]
        send(ledger, [*events, ODD | {"properties": {"x": "ä", "n": Decimal("1.50")}}], as_of=NOON)


def seal() -> list[str]:
    """Seal March, and return the parts that were written."""
    parts: list[SealedPart] = []
    seal_month(month=MARCH, as_of=NOON, progress=parts.append)
    assert len(parts) == 31 + 3
    return [part.name for part in parts if part.is_written]


def part_of(day: date) -> Part:
    return Part(EVENTS, day, day + timedelta(days=1))


def rows_in_lake(lake: Lake, file: Path, **question: Any) -> int:
    return lake.copy("events", file, LakeQuestion(("id",), "timestamp", None, None, 10**6, **question))


def test_a_month_is_in_the_lake_once_and_equal(tmp_path: Path) -> None:
    use("acme", "rival")
    assert seal() == ["events 2026-03-10", "events 2026-03-11", "usage_hour 2026-03", "usage_day 2026-03"]
    lake = lake_of_settings()
    for part in parts_of(MARCH, lake_tables()):
        assert lake.content(part) == ledger_content(part)
    assert lake.content(part_of(date(2026, 3, 10))).rows == 26
    assert rows_in_lake(lake, tmp_path / "all.parquet") == 62
    acme = str(make_tenant_id("acme"))
    assert rows_in_lake(lake, tmp_path / "own.parquet", tenant_id=acme) == 31
    assert LakeMonth.objects.get().events == 62
    assert seal() == []
    lake.close()


def make_tenant_id(slug: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM accounts_tenant WHERE slug = %s", [slug])
        return cursor.fetchone()[0]


def test_what_changed_since_is_written_again(tmp_path: Path) -> None:
    use("acme")
    seal()
    send(ledger_of(make_tenant("late")), [request_event("late", NOON + timedelta(days=1))], as_of=NOON)
    assert "events 2026-03-11" in seal()
    lake = lake_of_settings()
    assert rows_in_lake(lake, tmp_path / "all.parquet") == 32
    lake.close()


def test_a_lake_that_holds_something_else_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    use("acme")
    monkeypatch.setattr(part_files, "content_of", lambda _table, _files, _part: PartContent(1))
    with pytest.raises(LakeMismatchError, match="events 2026-03-01: the ledger has 0 rows"):
        seal()
    assert not LakeMonth.objects.exists()
    assert not LakePart.objects.exists()
    lake = lake_of_settings()
    assert lake.files("events") == []
    lake.close()


def test_a_month_that_the_lake_alone_holds_is_not_deleted(tmp_path: Path) -> None:
    use("acme")
    seal()
    assert unseal_month(month=MARCH) == 34
    lake = lake_of_settings()
    assert rows_in_lake(lake, tmp_path / "all.parquet") == 0
    lake.close()
    assert not LakePart.objects.exists()
    seal()
    EventMonth.objects.create(month=MARCH, step=MonthStep.DELETED, at=NOON)
    with pytest.raises(LakeMismatchError, match="only in the lake"):
        unseal_month(month=MARCH)
    with pytest.raises(LakeMismatchError, match="only in the lake"):
        seal()


def test_a_month_that_is_deleted_while_it_is_read_replaces_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use("acme")
    seal()

    def delete_then_read(_part: Part, _write: Any) -> int:
        EventMonth.objects.get_or_create(month=MARCH, step=MonthStep.DELETED, defaults={"at": NOON})
        return 0

    monkeypatch.setattr(sealing, "copy_part", delete_then_read)
    send(ledger_of(make_tenant("late")), [request_event("late", NOON)], as_of=NOON)
    with pytest.raises(LakeMismatchError, match="only in the lake"):
        seal()
    lake = lake_of_settings()
    assert rows_in_lake(lake, tmp_path / "all.parquet") == 31
    lake.close()


@pytest.mark.parametrize("step", ["begun", "written", "committed"])
def test_a_process_that_is_killed_leaves_no_double_and_no_gap(
    step: str, process_environment: dict[str, str], lake_place: Path, tmp_path: Path
) -> None:
    use("acme", "rival")
    environment = process_environment | {"LAKE_URL": f"file://{lake_place}"}
    program = [sys.executable, "-m", "tests.metering.lake.killed_sealing", step]
    assert subprocess.run(program, env=environment, check=False, timeout=60).returncode == -signal.SIGKILL
    lake = lake_of_settings()
    assert rows_in_lake(lake, tmp_path / "before.parquet") == (62 if step == "committed" else 0)
    seal()
    assert rows_in_lake(lake, tmp_path / "after.parquet") == 62
    for part in parts_of(MARCH, lake_tables()):
        assert lake.content(part) == ledger_content(part)
    assert lake.content(Part(USAGE_DAY, MARCH, date(2026, 4, 1))).rows > 0
    lake.close()
