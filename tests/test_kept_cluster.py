"""A cluster kept between runs is used only if the present sources would make the same one."""

import os
from pathlib import Path

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from config.workbench.embedded_postgres.account import ServerAccount
from tests import kept_cluster
from tests.kept_cluster import KeptCluster, digest_of_sources

MAJOR = 18


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COUNTINGHOUSE_TEST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def stopped_cluster(tmp_path: Path) -> Path:
    data_dir = tmp_path / "postgres"
    (data_dir / "base").mkdir(parents=True)
    (data_dir / "base" / "1").write_text("rows")
    return data_dir


def unpacked(tmp_path: Path) -> bool:
    account = ServerAccount(os.geteuid(), os.getegid())
    return KeptCluster(postgres_major=MAJOR).unpack(tmp_path / "again", account)


@pytest.mark.django_db
def test_the_database_of_a_test_has_every_migration() -> None:
    executor = MigrationExecutor(connection)
    assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []


def test_a_kept_cluster_is_unpacked(cache: Path, stopped_cluster: Path, tmp_path: Path) -> None:
    assert not unpacked(tmp_path)
    KeptCluster(postgres_major=MAJOR).keep(stopped_cluster)
    assert unpacked(tmp_path)
    assert (tmp_path / "again" / "base" / "1").read_text() == "rows"
    assert [path.suffix for path in cache.iterdir()] == [".tar"]


def test_a_file_is_kept_beside_the_cluster(cache: Path) -> None:
    kept = KeptCluster(postgres_major=MAJOR)
    assert kept.kept_beside("books") is None
    kept.keep_beside("books", b"rows")
    assert kept.kept_beside("books") == b"rows"
    assert KeptCluster(postgres_major=MAJOR + 1).kept_beside("books") is None


def test_a_changed_source_finds_nothing_kept(
    cache: Path, stopped_cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "0001_initial.py"
    source.write_text("tables")
    monkeypatch.setattr(kept_cluster, "ROOT", tmp_path)
    monkeypatch.setattr(kept_cluster, "sources", lambda: [source])
    KeptCluster(postgres_major=MAJOR).keep(stopped_cluster)
    source.write_text("tables and a column")
    assert not unpacked(tmp_path)
    source.write_text("tables")
    assert unpacked(tmp_path)


def test_migrations_models_sql_and_their_runtime_are_sources() -> None:
    sources = {str(path.relative_to(kept_cluster.ROOT)) for path in kept_cluster.sources()}
    assert sources >= {"requirements.txt", "config/settings.py", "metering/migrations/ledger.sql"}
    for directory, suffix in (("migrations", ".py"), ("models", ".py"), (".", ".sql")):
        for app in kept_cluster.APPS:
            present = {
                str(path.relative_to(kept_cluster.ROOT))
                for path in (kept_cluster.ROOT / app).glob(f"**/{directory}/**/*{suffix}")
            }
            assert present <= sources


def test_another_version_of_postgresql_finds_nothing_kept() -> None:
    assert digest_of_sources(MAJOR) != digest_of_sources(MAJOR + 1)


def test_an_archive_unused_for_a_week_is_removed(cache: Path, stopped_cluster: Path) -> None:
    cache.mkdir()
    old, recent = cache / "old.tar", cache / "recent.tar"
    for path, days in ((old, 8), (recent, 6)):
        path.touch()
        os.utime(path, (path.stat().st_mtime - days * 24 * 3600,) * 2)
    KeptCluster(postgres_major=MAJOR).keep(stopped_cluster)
    assert not old.exists()
    assert recent.exists()


def test_an_empty_directory_in_the_setting_keeps_nothing(
    stopped_cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUNTINGHOUSE_TEST_CACHE", "")
    KeptCluster(postgres_major=MAJOR).keep(stopped_cluster)
    assert not unpacked(tmp_path)
