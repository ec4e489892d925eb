"""`docs/clients/countinghouse.py`: nothing is lost, nothing is counted twice, and nothing is silent."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from tests.clients.scripted_server import HANG_UP, Answer, ScriptedServer
from tests.clients.sources import FOLDER, client_module
from tests.faults.durable import await_that

countinghouse = client_module()
Clients = Callable[..., Any]


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(countinghouse, "BACKOFF_SECONDS", (0.01, 0.02))


@pytest.fixture
def client_of(scripted: ScriptedServer, tmp_path: Path) -> Iterator[Clients]:
    opened = []

    def open_client(**options: Any) -> Any:
        given = {"url": scripted.url, "key": "ch_test_x", "spool": tmp_path / "spool", "flush_seconds": 0.01}
        opened.append(countinghouse.Client(**(given | options)))
        return opened[-1]

    yield open_client
    for client in opened:
        client.close(0)


def rejected(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "spool" / "rejected.jsonl").read_text().splitlines()]


def test_what_is_recorded_is_sent_in_batches_and_the_files_are_gone_at_the_end(
    scripted: ScriptedServer, client_of: Clients, tmp_path: Path
) -> None:
    client = client_of(flush_seconds=30)
    before = datetime.now(UTC)
    ids = [client.record("http_request", subject="ann", properties={"status": 200}) for _ in range(1200)]
    given = client.record(id="mine", quantity="0.5", timestamp=datetime(2026, 11, 21, tzinfo=UTC))
    assert client.close(30)
    assert list(scripted.stored) == [*ids, given]
    assert max(map(len, scripted.batches)) == countinghouse.BATCH_EVENTS_MAX
    first = scripted.stored[ids[0]]
    assert (first["type"], first["subject"], first["properties"]) == ("http_request", "ann", {"status": 200})
    assert datetime.fromisoformat(first["timestamp"]) >= before - timedelta(milliseconds=1)
    assert scripted.stored["mine"] == {
        "id": "mine", "type": "http_request", "timestamp": "2026-11-21T00:00:00+00:00", "quantity": "0.5",
    }  # fmt: skip
    assert scripted.headers[0]["Authorization"] == "Bearer ch_test_x"
    assert client.counts == {"recorded": 1201, "accepted": 1201, "duplicates": 0, "rejected": 0, "failures": 0}
    assert list((tmp_path / "spool").iterdir()) == []
    with pytest.raises(RuntimeError, match="closed"):
        client.record()


@pytest.mark.takes_long("it waits for a slow disk")
def test_closing_waits_for_a_slow_disk_so_that_no_file_is_left_of_what_was_sent(
    client_of: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force = os.fsync

    def force_slowly(descriptor: int) -> None:
        time.sleep(0.5)
        force(descriptor)

    client = client_of(fsync_seconds=0.001)
    monkeypatch.setattr(os, "fsync", force_slowly)
    client.record()
    assert client.close(30)
    assert list((tmp_path / "spool").iterdir()) == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(HANG_UP, is_stored=True),
        Answer(503, {"code": "unavailable"}, is_stored=True),
        Answer(429),
        Answer(500),
        Answer(401, {"code": "invalid_key"}),
        Answer(402),
        Answer(404),
        Answer(301, headers={"Location": "https://elsewhere.example"}),
        Answer(200, {"hello": "captive portal"}),
    ],
    ids=lambda answer: str(answer.status),
)
def test_what_has_no_answer_yet_is_sent_again_with_the_same_ids(
    scripted: ScriptedServer, client_of: Clients, answer: Answer
) -> None:
    scripted.script = [answer, answer]
    client = client_of()
    id_ = client.record()
    assert client.flush(20)
    assert [[event["id"] for event in batch] for batch in scripted.batches] == [[id_]] * 3
    assert client.counts["failures"] == 2
    assert client.counts["accepted"] + client.counts["duplicates"] == 1
    assert list(scripted.stored) == [id_]


@pytest.mark.takes_long("it waits for a second")
@pytest.mark.parametrize("is_date", [False, True])
def test_retry_after_is_waited_for(scripted: ScriptedServer, client_of: Clients, is_date: bool) -> None:
    until = datetime.now(UTC) + timedelta(seconds=2)
    scripted.script = [Answer(503, headers={"Retry-After": format_datetime(until, usegmt=True) if is_date else "1"})]
    client = client_of()
    client.record()
    started = time.monotonic()
    assert client.flush(20)
    assert time.monotonic() - started >= 0.9


def test_back_off_doubles_at_random_up_to_a_minute(client_of: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(countinghouse, "BACKOFF_SECONDS", (0.5, 60.0))
    client = client_of()
    pauses = [client._pause_after(OSError("refused"), attempt) for attempt in range(12)]
    for attempt, pause in enumerate(pauses):
        longest = min(60.0, 0.5 * 2**attempt)
        assert longest / 2 <= pause <= longest


def test_events_are_forced_to_disk_each_second_also_while_they_wait(
    scripted: ScriptedServer, client_of: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(countinghouse, "BACKOFF_SECONDS", (30, 60))
    forced: list[int] = []
    monkeypatch.setattr(countinghouse._Segment, "force", lambda segment: forced.append(segment.size))
    scripted.script = [Answer(503)]
    client = client_of(fsync_seconds=0.01)
    client.record()
    await_that(lambda: client.counts["failures"] == 1)
    size = len(json.dumps(scripted.batches[0][0], separators=(",", ":"))) + 1
    client.record()
    await_that(lambda: bool(forced) and forced[-1] > size)


def test_refused_events_are_told_and_kept_and_the_others_are_stored(
    scripted: ScriptedServer, client_of: Clients, tmp_path: Path
) -> None:
    told: list[tuple[str, str]] = []

    def on_rejected(event: dict[str, Any], code: str, detail: str) -> None:
        told.append((event["id"], code))
        raise ZeroDivisionError("a fault of the callback stops no sending")

    scripted.refuse = lambda event: "unknown_event_type" if event["type"] == "nonesuch" else ""
    client = client_of(on_rejected=on_rejected)
    for number in range(6):
        client.record("nonesuch" if number % 3 == 0 else "http_request", id=str(number))
    assert client.flush(20)
    client.record("nonesuch", id="alone")  # a batch of which nothing is stored has another status
    assert client.flush(20)
    assert told == [(id_, "unknown_event_type") for id_ in ("0", "3", "alone")]
    assert [(row["event"]["id"], row["code"]) for row in rejected(tmp_path)] == told
    assert sorted(scripted.stored) == ["1", "2", "4", "5"]


def test_a_batch_that_is_too_large_is_halved(scripted: ScriptedServer, client_of: Clients) -> None:
    scripted.events_max = 3
    client = client_of(flush_seconds=0.2)
    ids = [client.record() for _ in range(10)]
    assert client.flush(20)
    assert sorted(scripted.stored) == sorted(ids)


def test_one_event_that_is_refused_with_its_whole_batch_does_not_hold_up_the_others(
    scripted: ScriptedServer, client_of: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = scripted.answer
    bad = Answer(400, {"code": "malformed_body", "detail": "Not so."})
    monkeypatch.setattr(
        scripted, "answer", lambda events: bad if any(event["id"] == "bad" for event in events) else answer(events)
    )
    client = client_of(flush_seconds=0.2)
    for id_ in ("a", "b", "bad", "c"):
        client.record(id=id_)
    assert client.flush(20)
    assert sorted(scripted.stored) == ["a", "b", "c"]
    assert [(row["event"]["id"], row["code"], row["detail"]) for row in rejected(tmp_path)] == [
        ("bad", "refused", "400 malformed_body: Not so.")
    ]


def test_what_cannot_be_kept_is_refused_at_once(client_of: Clients, scripted: ScriptedServer) -> None:
    scripted.script = [Answer(503)] * 1000
    client = client_of(spool_bytes_max=1000)
    recorded: list[str] = []
    with pytest.raises(countinghouse.SpoolFullError):
        recorded.extend(client.record() for _ in range(20))
    assert 5 <= len(recorded) < 20
    scripted.script = []
    assert client.flush(20)
    assert sorted(scripted.stored) == sorted(recorded)
    client.record()  # there is room again
    for wrong in ({"quantity": float("nan")}, {"subject": "x" * 70_000}):
        with pytest.raises(ValueError, match=r"."):
            client.record(**wrong)


def test_a_full_disk_leaves_whole_lines(client_of: Clients, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    client = client_of(flush_seconds=30)
    client.record(id="a")
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, line: write(descriptor, line[:7]))
        with pytest.raises(countinghouse.SpoolFullError):
            client.record(id="b")
    client.record(id="c")
    [path] = (tmp_path / "spool").glob("*.events")
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["a", "c"]


KILLED = """
import signal, sys, countinghouse
client = countinghouse.Client("http://127.0.0.1:9", "ch_test_x", spool=sys.argv[1])
for number in range(300):
    client.record(id=f"e{number}")
print("recorded", flush=True)
signal.pause()
"""


def test_a_killed_process_loses_nothing_and_the_next_one_sends_it(
    scripted: ScriptedServer, client_of: Clients, tmp_path: Path
) -> None:
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "spool")]
    with subprocess.Popen(arguments, cwd=FOLDER, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "recorded\n"
        living = client_of()  # while the other lives, its file is left to it
        living.record(id="mine")
        assert living.close(20)
        assert list(scripted.stored) == ["mine"]
        process.send_signal(signal.SIGKILL)
    [path] = (tmp_path / "spool").glob("*.events")
    with path.open("a") as file:
        file.write('{"id": "half a li')  # was never recorded
    client = client_of()
    await_that(lambda: len(scripted.stored) == 301)
    assert client.flush(20)
    assert sorted(scripted.stored) == sorted([*(f"e{number}" for number in range(300)), "mine"])
    assert client.counts["rejected"] == 0


def test_lost_positions_mean_repeats_and_ruined_lines_are_kept_aside(
    scripted: ScriptedServer, client_of: Clients, tmp_path: Path
) -> None:
    (tmp_path / "spool").mkdir()
    lines = [b'{"id":"a","type":"t"}\n', b"\0" * 40 + b"\n", b'{"id":"b", ruined\n', b'{"id":"c","type":"t"}\n']
    (tmp_path / "spool" / "1-1-x.events").write_bytes(b"".join(lines))
    (tmp_path / "spool" / "1-1-x.sent").write_text("not a number")
    client = client_of()
    await_that(lambda: len(scripted.stored) == 2)
    assert client.flush(20)
    assert sorted(scripted.stored) == ["a", "c"]
    assert [(row["code"], row["event"]) for row in rejected(tmp_path)] == [
        ("unreadable", {"line": '{"id":"b", ruined'})
    ]


def test_a_long_life_uses_many_files_and_deletes_them(
    scripted: ScriptedServer, client_of: Clients, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(countinghouse, "SEGMENT_BYTES_MAX", 1000)
    client = client_of(fsync_seconds=0)
    ids = [client.record() for _ in range(100)]
    assert client.flush(20)
    assert sorted(scripted.stored) == sorted(ids)
    assert len(list((tmp_path / "spool").glob("*.events"))) <= 1


FORKING = """
import os, sys, countinghouse
client = countinghouse.Client(sys.argv[1], "ch_test_x", spool=sys.argv[2])
client.record(id="parent")
child = os.fork()
if not child:
    client.record(id="child")
    os._exit(not client.close(20))
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(status)
"""


def test_a_forked_process_has_a_file_and_a_thread_of_its_own(scripted: ScriptedServer, tmp_path: Path) -> None:
    arguments = [sys.executable, "-W", "ignore", "-c", FORKING, scripted.url, str(tmp_path / "spool")]
    subprocess.run(arguments, cwd=FOLDER, check=True, timeout=60)  # the parent's exit sends what it has
    assert sorted(event["id"] for batch in scripted.batches for event in batch) == ["child", "parent"]


def test_a_wrong_address_and_a_missing_variable_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="http"):
        countinghouse.Client("billing.example.com", "k", spool=tmp_path)
    monkeypatch.setenv("COUNTINGHOUSE_URL", "http://127.0.0.1:9")
    monkeypatch.delenv("COUNTINGHOUSE_API_KEY", raising=False)
    with pytest.raises(ValueError, match="COUNTINGHOUSE_API_KEY"):
        countinghouse.Client.from_environment()
