"""Files are known by their inode, whatever their names."""

import os
from datetime import UTC, datetime
from pathlib import Path

from metering.gateways.log_stores import LocalLogs, StoredLog

LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def names(logs: list[StoredLog]) -> list[str]:
    return [Path(log.name).name for log in logs]


def test_a_log_and_its_rotations_are_found_the_oldest_first(tmp_path: Path) -> None:
    for number, name in enumerate(("access.log-20150517", "access.log.1", "access.log", "access.logs", "error.log"), 1):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (number, number))
    (tmp_path / "access.log.d").mkdir()
    store = LocalLogs(tmp_path / "access.log")
    assert names(store.logs(LONG_AGO)) == ["access.log-20150517", "access.log.1", "access.log"]
    assert names(store.logs(datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC))) == ["access.log.1", "access.log"]


def test_a_file_is_opened_only_if_it_is_still_the_same(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    assert LocalLogs(path).logs(LONG_AGO) == []
    path.write_text("one")
    store = LocalLogs(path)
    [log] = store.logs(LONG_AGO)
    stream = store.open(log)
    assert stream is not None
    with stream:
        assert (stream.read(), log.size_bytes) == (b"one", 3)
        path.unlink()
        assert store.open(log) is None
        path.write_text("two")  # the open stream keeps the first file's inode in use
        assert store.open(log) is None
