"""`manage.py import_access_log`, with logs made here: every line once, however often and however far it is imported."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from accounts.domain.api_key import KeyKind
from accounts.models import AuditEntry, JobOutcome, JobRun, Tenant
from metering.domain.ledger import Ledger
from metering.domain.periods import Span, YearMonth
from metering.domain.windows import Window
from metering.management.commands import import_access_log as command
from metering.models import Event
from metering.selectors.catalog import forget_catalog
from metering.selectors.events import event_by_id
from metering.selectors.usage import daily_usage, meter_named, monthly_usage
from metering.selectors.usage_query import UsageQuestion, query_usage
from metering.services import access_log_import, log_requests
from metering.services.partitions import forget_seen_partitions
from tests.metering.ledger_world import ledger_of, make_key, make_tenant

pytestmark = pytest.mark.django_db

START = datetime(2014, 3, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    forget_catalog()
    forget_seen_partitions()


@pytest.fixture
def acme(db: None) -> Tenant:
    return make_tenant("acme", time_zone="Europe/Berlin")


@pytest.fixture
def ledger(acme: Tenant) -> Ledger:
    return ledger_of(acme)


def line(
    number: int, *, at: datetime | None = None, path: str | None = None, status: int = 200, length: int | str = 100
) -> str:
    at = at or START + timedelta(minutes=7 * number)
    request = f"GET {path or f'/page/{number % 5}?q={number}'} HTTP/1.1"
    return (
        f'192.0.2.{number % 250} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "{request}" {status} {length} "-" "agent/1.0 '
        f'(x; \\"y\\")"'
    )


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def to_file(lines: list[str], *, name: str = "access.log", end: str = "\n") -> Path:
        path = tmp_path / name
        data = ("\n".join(lines) + end).encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return to_file


def run(path: Path | str, *options: str, tenant: str = "acme") -> tuple[int, dict[str, str], str]:
    """Run the import. Return the exit status, the totals, and the messages."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    try:
        call_command("import_access_log", str(path), "--tenant", tenant, *options, stdout=out, stderr=err)
    except SystemExit as end:
        status = int(end.code or 0)
    totals = dict(row.split(maxsplit=1) for row in out.getvalue().splitlines())
    return status, totals, err.getvalue()


def counted(totals: dict[str, str]) -> tuple[str, str, str]:
    return totals["accepted"], totals["duplicates"], totals["bad"]


def test_every_figure_agrees_with_the_lines(write: Callable[..., Path], ledger: Ledger) -> None:
    lines = [line(n, status=(200, 404, 500)[n % 3], length=n * 11 if n % 4 else "-") for n in range(600)]
    status, totals, said = run(write(lines, name="access.log.gz"))
    assert (status, counted(totals), said) == (0, ("600", "0", "0"), "")
    assert totals["lines"] == "600"
    assert totals["bytes"] == f"{sum(n * 11 for n in range(600) if n % 4):,}"
    assert totals["span"] == "2014-03-30T00:00:00Z to 2014-04-01T21:53:00Z"
    first, end = START.date(), START.date() + timedelta(days=4)
    days = {
        row.date: row.events
        for row in daily_usage(ledger=ledger, meter=meter_named("api_requests"), start=first, end=end)
    }
    in_berlin = Counter((START + timedelta(minutes=7 * n, hours=1 if n < 9 else 2)).date() for n in range(600))
    assert {day: events for day, events in days.items() if events} == in_berlin
    for names, key_of in (
        (("status",), lambda n: (str((200, 404, 500)[n % 3]),)),
        (("resource_path", "http_method"), lambda n: (f"/page/{n % 5}", "GET")),
    ):
        expected: dict[tuple[str, ...], tuple[int, int]] = {}
        for n in range(600):
            requests, served = expected.get(key_of(n), (0, 0))
            expected[key_of(n)] = (requests + 1, served + (n * 11 if n % 4 else 0))
        span = Span(START - timedelta(days=2), START + timedelta(days=9))
        found = []
        for meter in ("api_requests", "api_bytes"):
            question = UsageQuestion(meter_named(meter), span, Window.MONTH, names)
            sums: Counter[tuple[str | None, ...]] = Counter()
            for row in query_usage(ledger=ledger, question=question):
                sums[tuple(row.group.values())] += int(row.quantity)
            found.append(sums)
        assert {group: (found[0][group], found[1][group]) for group in found[0]} == expected


def test_the_same_file_twice_is_all_duplicates_packed_or_not(write: Callable[..., Path], ledger: Ledger) -> None:
    lines = [line(n) for n in range(50)]
    assert counted(run(write(lines))[1]) == ("50", "0", "0")
    assert counted(run(write(lines))[1]) == ("0", "50", "0")
    assert counted(run(write(lines, name="access.log.1.gz"))[1]) == ("0", "50", "0")
    crlf = write([text + "\r" for text in lines], name="windows.log")
    assert counted(run(crlf)[1]) == ("0", "50", "0")


def test_identical_lines_in_a_file_are_so_many_requests(
    write: Callable[..., Path], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_requests, "BATCH_LINES", 4)  # repetitions must be told apart across batches too
    lines = [line(1), line(2), line(1), line(1), *(line(n) for n in range(3, 9)), line(1)]
    assert counted(run(write(lines))[1]) == ("11", "0", "0")
    assert counted(run(write(lines))[1]) == ("0", "11", "0")
    assert counted(run(write([*lines, line(1), line(9)]))[1]) == ("2", "11", "0")


def test_a_grown_file_and_a_rotated_one_add_only_their_new_lines(write: Callable[..., Path], ledger: Ledger) -> None:
    assert counted(run(write([line(n) for n in range(30)]))[1]) == ("30", "0", "0")
    assert counted(run(write([line(n) for n in range(40)]))[1]) == ("10", "30", "0")
    assert counted(run(write([line(n) for n in range(35, 45)], name="rotated.log"))[1]) == ("5", "5", "0")


@pytest.mark.parametrize("cut", range(1, 140, 6))
def test_a_line_that_is_still_being_written_is_left_for_the_next_import(
    write: Callable[..., Path], ledger: Ledger, cut: int
) -> None:
    lines = [line(n) for n in range(5)]
    whole = "\n".join(lines) + "\n"
    path = write([])
    path.write_text(whole[: len(whole) - cut])
    status, totals, said = run(path)
    assert (status, totals["bad"]) == (0, "0")
    assert cut == 1 or totals["unfinished"] == "1" or whole[len(whole) - cut - 1] == "\n", said
    path.write_text(whole)
    assert run(path)[0] == 0
    assert Event.objects.of_ledger(ledger.tenant_id, is_live=True).count() == 5


def test_bad_lines_are_named_by_number_and_the_others_metered(write: Callable[..., Path], ledger: Ledger) -> None:
    future = datetime.now(UTC) + timedelta(days=2)
    lines = [
        line(0),
        "nonsense",
        "",
        line(1),
        line(2, at=future),
        line(3).replace("[", "[99"),
        "x" * 70_000,
        line(4),
        '{"a": 1}',
    ]
    status, totals, said = run(write(lines))
    assert (status, counted(totals), totals["blank"]) == (1, ("3", "0", "5"), "1")
    assert [text.split(":")[0] for text in said.splitlines()] == ["line 2", "line 5", "line 6", "line 7", "line 9"]
    run_of_job = JobRun.objects.latest("pk")
    assert (run_of_job.outcome, run_of_job.summary["bad"]) == (JobOutcome.ATTENTION, 5)


def test_only_the_first_bad_lines_are_shown_and_all_are_counted(write: Callable[..., Path], ledger: Ledger) -> None:
    status, totals, said = run(write(["nonsense"] * 130))
    assert "format" not in totals
    assert (status, totals["bad"]) == (1, "130")
    assert said.splitlines()[-1] == "… and 110 more bad lines"
    assert len(said.splitlines()) == 21


def gateway_record(number: int, **more: Any) -> dict[str, Any]:
    return {
        "requestId": f"r-{number}",
        "extendedRequestId": f"x-{number}=",
        "ip": "192.0.2.1",
        "requestTime": "30/Mar/2014:10:00:00 +0200",
        "httpMethod": "POST",
        "resourcePath": "/orders",
        "status": "201",
        "protocol": "HTTP/1.1",
        "responseLength": "64",
    } | more


def test_json_lines_of_a_gateway_keep_the_ids_that_it_made(write: Callable[..., Path], ledger: Ledger) -> None:
    records = [json.dumps(gateway_record(n)) for n in range(3)]
    status, totals, said = run(write([*records, records[0]]))
    assert (status, counted(totals), totals["repeated"]) == (0, ("3", "1", "0"), "1")
    assert said == "line 4: Its id is that of an earlier line, so it counts once.\n"
    event = event_by_id(ledger=ledger, event_id="x-1=")
    assert event is not None
    assert event.occurred_at == datetime(2014, 3, 30, 8, tzinfo=UTC)
    assert json.loads(event.properties_json)["status"] == 201
    status, totals, said = run(write([json.dumps(gateway_record(1, status="500"))]))
    assert (status, counted(totals)) == (1, ("0", "0", "1"))
    assert said == "line 1: Its request id was used for another request.\n"


def test_an_id_that_a_client_may_choose_is_no_identity(write: Callable[..., Path], ledger: Ledger) -> None:
    chosen = [json.dumps(gateway_record(0, extendedRequestId="-", responseLength=n)) for n in (1, 2, 2)]
    status, totals, said = run(write(chosen))
    assert (status, counted(totals), totals["identical"], said) == (0, ("3", "0", "0"), "1", "")
    assert counted(run(write(chosen))[1]) == ("0", "3", "0")


def test_json_lines_without_ids_count_as_often_as_they_occur(write: Callable[..., Path], ledger: Ledger) -> None:
    record = json.dumps({"time": "2014-03-30T10:00:00Z", "res": {"code": 200, "bytes": 7}, "req.path": "/a"})
    places = ("request_time=time", "status=res.code", "response_length=res.bytes", "resource_path=req.path")
    mapping = [part for place in places for part in ("--map", place)]
    assert counted(run(write([record, record]), "--format", "jsonl", *mapping)[1]) == ("2", "0", "0")
    assert counted(run(write([record, record, record]), *mapping)[1]) == ("1", "2", "0")
    [served, requests] = monthly_usage(ledger=ledger, month=YearMonth(2014, 3), as_of=START).meters
    assert (served.quantity, requests.quantity) == (21, 3)


def test_a_json_line_that_is_still_being_written_is_left_too(write: Callable[..., Path], ledger: Ledger) -> None:
    whole, half = json.dumps(gateway_record(1)), json.dumps(gateway_record(2))[:40]
    assert run(write([whole, half], end=""))[1]["unfinished"] == "1"
    assert counted(run(write([whole, json.dumps(gateway_record(2))], end=""))[1]) == ("1", "1", "0")


def test_requests_may_be_attributed_to_a_key(write: Callable[..., Path], acme: Tenant, ledger: Ledger) -> None:
    key = make_key(acme)[0]
    run(write([line(1)]), "--key", key.prefix)
    [usage] = monthly_usage(ledger=ledger, month=YearMonth(2014, 3), as_of=START).keys
    assert (usage.api_key_id, usage.quantity) == (key.pk, 1)


def test_a_test_key_imports_into_the_test_ledger(write: Callable[..., Path], acme: Tenant, ledger: Ledger) -> None:
    run(write([line(1)]), "--key", make_key(acme, kind=KeyKind.TEST)[0].prefix)
    assert not Event.objects.of_ledger(acme.pk, is_live=True).exists()
    assert Event.objects.of_ledger(acme.pk, is_live=False).count() == 1


def test_the_import_is_in_the_jobs_and_in_the_audit_log(write: Callable[..., Path], acme: Tenant) -> None:
    run(write([line(n) for n in range(3)]))
    entry, job = AuditEntry.objects.latest("pk"), JobRun.objects.latest("pk")
    assert (entry.action, entry.tenant_id, entry.target_label) == ("access_log.imported", acme.pk, "access.log")
    assert (job.name, job.outcome) == ("import_access_log", JobOutcome.SUCCEEDED)
    assert entry.after["accepted"] == job.summary["accepted"] == 3


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["{log}", "--tenant", "nonesuch"], "There is no tenant 'nonesuch'"),
        (["/nonesuch/file", "--tenant", "acme"], "cannot be read: No such file"),
        (["{dir}", "--tenant", "acme", "--dry-run"], "--dry-run a single file"),
        (["-", "--tenant", "acme", "--follow"], "--follow takes a file or a folder"),
        (["{log}", "--tenant", "acme", "--key", "ch_live_none"], "There is no such API key"),
        (["{log}", "--tenant", "acme", "--map", "colour=x"], "is not FIELD=PLACE"),
        (["{log}", "--tenant", "acme", "--map", "status"], "is not FIELD=PLACE"),
        (["{log}", "--tenant", "acme", "--map", "status=x", "--format", "combined"], "--map applies to JSON lines"),
        (["{log}", "--tenant", "acme", "--zone", "Mars/Olympus"], "--zone 'Mars/Olympus' is no time zone"),
        (["{log}", "--tenant", "acme", "--zone", "../etc"], "is no time zone"),
        (["{log}", "--tenant", "acme", "--format", "xml"], "invalid choice: 'xml'"),
        (["{log}"], "arguments are required: --tenant"),
    ],
)
def test_an_impossible_import_prints_a_message(
    write: Callable[..., Path], acme: Tenant, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    log = write([line(1)])
    with pytest.raises(CommandError, match=sentence.replace("(", r"\(")):
        call_command("import_access_log", *(part.format(log=log, dir=tmp_path) for part in arguments))


def test_a_packed_file_that_breaks_off_is_imported_as_far_as_it_goes(
    write: Callable[..., Path], ledger: Ledger
) -> None:
    path = write([line(n, path=f"/{n * 7919 % 10_007}") for n in range(5000)], name="access.log.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    status, totals, said = run(path)
    assert status == 1
    assert "ends early or is corrupt" in said
    before = int(totals["accepted"].replace(",", ""))
    assert before > 1000
    path.write_bytes(whole)
    assert counted(run(path)[1]) == (f"{5000 - before:,}", f"{before:,}", "0")


def test_a_dry_run_shows_what_it_would_read_and_stores_nothing(write: Callable[..., Path], ledger: Ledger) -> None:
    future = line(8, at=datetime.now(UTC) + timedelta(days=2))
    log = write([*(line(n) for n in range(7)), "nonsense", "nonsense", line(1, status=999), future])
    out = io.StringIO()
    call_command("import_access_log", str(log), "--tenant", "acme", "--dry-run", stdout=out)
    rows = out.getvalue().splitlines()
    assert rows[0] == "format      combined: common or combined log format"
    assert [row.split()[:2] for row in rows[1:6]] == [["line", str(n)] for n in range(1, 6)]
    assert "  ip=192.0.2.1  user=-  request_time=2014-03-30T00:07:00+00:00  http_method=GET  " in rows[2]
    assert "  resource_path=/page/1  status=200  protocol=HTTP/1.1  response_length=100" in rows[2]
    assert rows[6:8] == ["lines       11", "bad         4"]
    assert rows[-4:-2] == [
        "refused     2  Not in the common or combined log format.",
        "refused     1  A status is a number from 100 to 599.",
    ]
    assert "the latest time accepted now." in rows[-2]
    assert rows[-1] == "Nothing was stored."
    assert not Event.objects.exists()
    assert not JobRun.objects.exists()


def test_a_dry_run_of_a_damaged_log_tells_it(write: Callable[..., Path], ledger: Ledger) -> None:
    path = write([line(n, path=f"/{n * 7919 % 10_007}") for n in range(3000)], name="access.log.gz")
    path.write_bytes(path.read_bytes()[:-50])
    out = io.StringIO()
    call_command("import_access_log", str(path), "--tenant", "acme", "--dry-run", stdout=out)
    assert "stopped     The gzip stream ends early or is corrupt" in out.getvalue()


def test_a_zone_is_that_of_times_without_an_offset(write: Callable[..., Path], ledger: Ledger) -> None:
    local = line(1).replace(" +0000", "")
    assert counted(run(write([local]))[1]) == ("0", "0", "1")
    status, totals, _ = run(write([local]), "--zone", "Europe/Berlin", "--format", "common")
    assert (status, totals["span"]) == (0, "2014-03-29T23:07:00Z to 2014-03-29T23:07:00Z")
    assert totals["format"] == "combined: common or combined log format"


def test_an_empty_file_imports_nothing_without_an_error(write: Callable[..., Path], acme: Tenant) -> None:
    status, totals, _ = run(write([], end=""))
    assert (status, totals["lines"], totals["span"]) == (0, "0", "-")


def test_lines_of_today_count_against_the_running_quota(write: Callable[..., Path], ledger: Ledger) -> None:
    now = datetime.now(UTC) - timedelta(minutes=1)
    assert counted(run(write([line(n, at=now) for n in range(3)]))[1]) == ("3", "0", "0")


def test_an_interrupted_import_ends_after_the_running_batch_and_can_be_continued(
    write: Callable[..., Path], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_requests, "BATCH_LINES", 10)
    store = access_log_import.store_requests
    before = signal.getsignal(signal.SIGINT)

    def store_and_interrupt(*args: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        store(*args)

    path = write([line(n) for n in range(35)])
    with monkeypatch.context() as patch:
        patch.setattr(access_log_import, "store_requests", store_and_interrupt)
        status, totals, said = run(path)
    assert (status, counted(totals)) == (command.INTERRUPTED_STATUS, ("10", "0", "0"))
    assert said == "Stopped after line 10: interrupted. Import the file again to continue.\n"
    assert JobRun.objects.latest("pk").outcome == JobOutcome.ATTENTION
    assert counted(run(path)[1]) == ("25", "10", "0")
    assert signal.getsignal(signal.SIGINT) is before


def test_a_folder_is_looked_through_once_and_tells_what_it_refused(write: Callable[..., Path], ledger: Ledger) -> None:
    log = write([line(1), "nonsense"], name="a.log")
    write([line(2), line(3)], name="b.log.gz")
    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("import_access_log", str(log.parent), "--tenant", "acme", stdout=out, stderr=err)
    assert ended.value.code == 1
    assert out.getvalue() == "4 lines: 3 accepted, 0 duplicates, 1 refused\n"
    assert err.getvalue() == f"{log}, line 2: Not in the common or combined log format.\n"
    call_command("import_access_log", str(log.parent), "--tenant", "acme", stdout=out)
    assert Event.objects.count() == 3


def test_a_log_is_followed_until_the_service_is_stopped(
    write: Callable[..., Path], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, waits = write([line(1)]), []

    def wait(seconds: float, is_interrupted: Callable[[], bool]) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            write([line(1), line(2)])
        else:
            os.kill(os.getpid(), signal.SIGTERM)
        real_wait(0.01, is_interrupted)

    real_wait = command.wait
    monkeypatch.setattr(command, "wait", wait)
    out = io.StringIO()
    call_command("import_access_log", str(path), "--tenant", "acme", "--follow", "--poll", "7", stdout=out)
    assert waits == [7, 7]
    assert out.getvalue() == "1 lines: 1 accepted, 0 duplicates, 0 refused\n" * 2


@pytest.mark.parametrize(
    ("error", "sentence"),
    [(OperationalError("gone"), "database stopped responding"), (PermissionError(13, "denied"), "could not be read")],
)
def test_a_log_that_cannot_be_followed_says_how_to_go_on(
    write: Callable[..., Path], ledger: Ledger, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(command.Follower, "read_new", fail)
    with pytest.raises(CommandError, match=f"{sentence}.*Start again to continue"):
        call_command("import_access_log", str(write([line(1)])), "--tenant", "acme", "--follow")


@pytest.mark.django_db(transaction=True)
@pytest.mark.takes_long("it starts a process")
def test_an_import_reads_a_pipe(write: Callable[..., Path], process_environment: dict[str, str]) -> None:
    acme = make_tenant("acme")
    packed = gzip.compress("".join(line(n) + "\n" for n in range(3000)).encode())
    manage = Path(command.__file__).parents[3] / "manage.py"
    done = subprocess.run(
        [sys.executable, str(manage), "import_access_log", "-", "--tenant", "acme"],
        input=packed,
        capture_output=True,
        check=False,
        env=process_environment,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert b"accepted    3,000" in done.stdout
    assert Event.objects.of_ledger(acme.pk, is_live=True).count() == 3000
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT id) FROM event")
        assert cursor.fetchone() == (3000,)
