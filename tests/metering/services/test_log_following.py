"""Following a log: each line once, over rotations, cuts and restarts."""

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.models import AuditEntry, Tenant
from metering.gateways.log_stores import LocalLogs
from metering.models import Event, LogFile, LogSource
from metering.selectors.catalog import forget_catalog
from metering.services import log_following, log_requests
from metering.services.log_following import FollowedLines, Follower, start_following
from metering.services.log_requests import AccessLog
from metering.services.partitions import forget_seen_partitions
from tests.metering.ledger_world import ledger_of, make_tenant

pytestmark = pytest.mark.django_db

AT = datetime(2014, 3, 30, tzinfo=UTC)


@pytest.fixture
def acme(db: None) -> Tenant:
    forget_catalog()
    forget_seen_partitions()
    return make_tenant("acme")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def line(number: int, path: str = "/a") -> str:
    at = AT + timedelta(seconds=number)
    return f'192.0.2.1 - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "GET {path} HTTP/1.1" 200 10\n'


def add(path: Path, *lines: str) -> None:
    with path.open("a") as log:
        log.writelines(lines)


class Service:
    """A process that follows; `restart` is what kill -9 and a new start leave of it."""

    def __init__(self, tenant: Tenant, path: Path) -> None:
        self.log = AccessLog(ledger_of(tenant), str(path))
        self.path = path
        self.restart()

    def restart(self) -> None:
        source = start_following(log=self.log, actor=Actor.system("test"), as_of=timezone.now())
        self.follower = Follower(self.log, source, LocalLogs(self.path))

    def look(self, *, is_interrupted: Callable[[], bool] = lambda: False) -> FollowedLines:
        return self.follower.read_new(as_of=timezone.now(), is_interrupted=is_interrupted)


@pytest.fixture
def service(acme: Tenant, path: Path) -> Iterator[Service]:
    made = Service(acme, path)
    yield made
    made.follower.__exit__(None, None, None)


def paths_counted() -> list[str]:
    return sorted(event.properties["resource_path"] for event in Event.objects.all())


def test_a_growing_log_is_read_line_by_line_as_lines_are_finished(service: Service, path: Path) -> None:
    assert service.look() == FollowedLines()  # the log does not exist yet
    add(path, line(1, "/1"), line(2, "/2"), line(3, "/3")[:40])
    assert service.look().accepted == 2
    assert service.look().lines == 0
    add(path, line(3, "/3")[40:], "nonsense\n", line(4, "/4"))
    found = service.look()
    assert (found.lines, found.accepted, found.refused) == (3, 2, 1)
    assert found.refused_lines == [f"{path}, line 4: Not in the common or combined log format."]
    assert paths_counted() == ["/1", "/2", "/3", "/4"]
    file = LogFile.objects.get()
    assert (file.lines, file.accepted, file.refused, file.offset_bytes) == (5, 4, 1, path.stat().st_size)
    assert file.refused_lines == [[4, "Not in the common or combined log format."]]
    assert (file.last_line_at, file.format) == (AT + timedelta(seconds=4), "combined: common or combined log format")


def test_a_killed_service_goes_on_and_identical_lines_stay_requests_of_their_own(service: Service, path: Path) -> None:
    add(path, line(1), line(1), line(2))
    assert service.look().accepted == 3
    service.restart()
    add(path, line(1), line(2), line(3))
    assert service.look().accepted == 3
    assert Event.objects.count() == 6
    assert LogFile.objects.get().lines == 6
    assert AuditEntry.objects.filter(action="access_log.followed").count() == 2


def test_a_kill_between_events_and_position_counts_nothing_twice(
    service: Service, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_requests, "BATCH_LINES", 2)
    add(path, *(line(n // 2) for n in range(7)))

    def killed(*_: Any) -> bool:
        raise SystemExit(9)

    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(Follower, "_store_position", killed)
            with pytest.raises(SystemExit):
                service.look()
        service.restart()
    found = service.look()
    assert (found.lines, found.accepted, found.duplicates) == (7, 5, 2)
    assert Event.objects.count() == 7


@pytest.mark.parametrize("restarts", [False, True])
def test_a_renamed_log_is_read_to_its_end_and_the_new_one_from_its_start(
    service: Service, path: Path, *, restarts: bool
) -> None:
    add(path, line(1, "/1"))
    service.look()
    if restarts:
        service.restart()
    add(path, line(2, "/2"))
    rotated = path.with_name("access.log.1")
    path.rename(rotated)
    add(path, line(4, "/4"))
    service.look()
    add(rotated, line(3, "/3"))  # a server writes on until it opens the new file
    service.look()
    assert paths_counted() == ["/1", "/2", "/3", "/4"]
    rotated.rename(path.with_name("access.log.2"))
    path.rename(rotated)
    service.look()
    assert Event.objects.count() == 4
    assert LogFile.objects.count() == 2


def test_identical_lines_before_and_after_a_rotation_are_two_requests(service: Service, path: Path) -> None:
    add(path, line(1))
    service.look()
    path.rename(path.with_name("access.log.1"))
    add(path, line(1))
    assert service.look().accepted == 1
    assert Event.objects.count() == 2


@pytest.mark.parametrize("regrown", [1, 5])
@pytest.mark.parametrize("restarts", [False, True])
def test_a_log_that_is_copied_and_cut_is_read_again_from_its_start(
    service: Service, path: Path, regrown: int, *, restarts: bool
) -> None:
    add(path, line(1, "/1"), line(2, "/2"))
    service.look()
    add(path, line(3, "/3"))  # only the copy has it when it is looked at
    shutil.copy(path, path.with_name("access.log.1"))
    os.truncate(path, 0)
    add(path, *(line(3 + n, f"/new{n}") for n in range(regrown)))
    if restarts:
        service.restart()
    service.look()
    assert paths_counted() == sorted(["/1", "/2", "/3", *(f"/new{n}" for n in range(regrown))])
    assert list(LogFile.objects.filter(name=str(path)).order_by("generation").values_list("generation", "lines")) == [
        (0, 2),
        (1, regrown),
    ]


def test_a_packed_rotation_is_read_once_and_adds_nothing(service: Service, path: Path) -> None:
    add(path, line(1, "/1"), line(1, "/1"))
    service.look()
    packed = path.with_name("access.log.2.gz")
    packed.write_bytes(gzip.compress(path.read_bytes() + line(2, "/2").encode()))
    found = service.look()
    assert (found.accepted, found.duplicates) == (1, 2)
    assert service.look().lines == 0
    file = LogFile.objects.get(name=str(packed))
    assert (file.is_whole, file.lines, file.stopped) == (True, 3, "")


def test_a_packed_file_that_is_still_written_is_tried_again_when_it_has_changed(service: Service, path: Path) -> None:
    packed = path.with_name("access.log.1.gz")
    whole = gzip.compress("".join(line(n, f"/{n * 7919 % 10_007}") for n in range(300)).encode())
    packed.write_bytes(whole[:-100])
    service.look()
    assert "ends early" in LogFile.objects.get().stopped
    packed.write_bytes(whole)
    service.look()
    file = LogFile.objects.get()
    assert (file.is_whole, file.lines, file.accepted, file.stopped) == (True, 300, 300, "")
    assert Event.objects.count() == 300


def test_rotations_from_before_the_start_are_left_alone(acme: Tenant, path: Path) -> None:
    old = path.with_name("access.log.1")
    add(old, line(1))
    os.utime(old, (0, 0))
    add(path, line(2))
    os.utime(path, (0, 0))
    add(path.with_name("other.log"), line(3))
    with Service(acme, path).follower as follower:
        assert follower.read_new(as_of=timezone.now(), is_interrupted=lambda: False).accepted == 1


def test_each_file_of_a_folder_is_read_once(acme: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_following, "READINGS_MAX", 2)
    (tmp_path / "deep").mkdir()
    for number in range(4):
        add(tmp_path / "deep" / f"{number}.log", line(number, f"/{number}"))
    add(tmp_path / ".hidden.log", line(9))
    (tmp_path / "old.gz").write_bytes(gzip.compress(line(5, "/5").encode()))
    service = Service(acme, tmp_path)
    assert (service.look().accepted, service.look().lines) == (5, 0)
    add(tmp_path / "deep" / "0.log", line(0, "/0"))
    assert service.look().accepted == 1
    service.restart()
    assert service.look().lines == 0
    assert Event.objects.count() == 6


def test_two_followers_of_one_source_count_each_line_once(acme: Tenant, path: Path) -> None:
    one, other = Service(acme, path), Service(acme, path)
    add(path, line(1), line(1))
    assert one.look().accepted == 2
    assert other.look().lines == 0
    add(path, line(1), line(2))
    assert other.look().accepted == 2
    add(path, line(3))
    assert one.look().accepted == 1
    assert Event.objects.count() == 5
    assert LogSource.objects.count() == LogFile.objects.count() == 1


def test_the_slower_of_two_followers_yields_its_position(
    acme: Tenant, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = Service(acme, path), Service(acme, path)
    add(path, line(1), line(2))
    store = log_following.store_requests

    def overtaken(*args: Any) -> None:
        monkeypatch.setattr(log_following, "store_requests", store)
        other.look()
        store(*args)

    monkeypatch.setattr(log_following, "store_requests", overtaken)
    assert one.look().duplicates == 2
    add(path, line(3))
    assert one.look().accepted == 1
    assert (LogFile.objects.get().lines, Event.objects.count()) == (3, 3)


def test_a_stop_ends_after_the_running_batch(service: Service, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_requests, "BATCH_LINES", 2)
    add(path, *(line(n) for n in range(6)))
    asked = iter([False, True, True])
    assert service.look(is_interrupted=lambda: next(asked)).lines == 2
    assert service.look().lines == 4
    packed = path.with_name("access.log.1.gz")
    packed.write_bytes(gzip.compress("".join(line(n, "/p") for n in range(6)).encode()))
    os.utime(packed, (path.stat().st_mtime - 1,) * 2)  # so that it is read first
    service.look(is_interrupted=lambda: True)
    assert service.look().duplicates == 2
    assert Event.objects.count() == 12


def test_a_file_that_another_replaced_while_it_was_listed_waits_for_the_next_look(
    service: Service, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(path, line(1))
    with monkeypatch.context() as patch:
        patch.setattr(LocalLogs, "open", lambda *_: None)
        assert service.look().lines == 0
    assert service.look().accepted == 1


def test_a_log_in_utf_16_says_why_it_is_not_read(service: Service, path: Path) -> None:
    path.write_text(line(1), encoding="utf-16")
    assert service.look().lines == 0
    assert "UTF-16" in LogFile.objects.get().stopped


def test_what_the_database_refuses(service: Service, path: Path) -> None:
    add(path, line(1))
    service.look()
    source, file = LogSource.objects.get(), LogFile.objects.get()
    again = {"name": file.name, "identity": file.identity, "read_at": file.read_at, "source": source}
    for change, constraint in (
        (lambda: LogFile.objects.create(**again), "log_file_once"),
        (lambda: LogFile.objects.create(**again, generation=1, offset_bytes=-1), "log_file_not_negative"),
        (
            lambda: LogSource.objects.create(tenant=source.tenant, location=source.location, started_at=AT, read_at=AT),
            "log_source_once",
        ),
    ):
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            change()  # type: ignore[no-untyped-call]
