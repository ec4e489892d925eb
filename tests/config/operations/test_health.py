"""`/readyz` names what is down, and `/metrics` shows figures and no tenants."""

import os
import re
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import psycopg
import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import SignedPackage
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import JobOutcome, JobRun
from config.operations.queue import clusters_alive
from metering.services.partitions import ensure_partitions

pytestmark = pytest.mark.django_db


def publish_cluster(status: object, *, name: str = "one") -> None:
    """Publish what a cluster reports of itself twice a second."""
    key = f"{Conf.Q_STAT}:{name}"
    cache.set(key, SignedPackage.dumps(SimpleNamespace(status=status), compressed=True), 3)
    cache.set(Conf.Q_STAT, [*cache.get(Conf.Q_STAT, []), key], None)


@pytest.fixture(autouse=True)
def _no_cluster() -> None:
    cache.delete(Conf.Q_STAT)


def test_healthz_responds_without_a_query(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert client.get("/healthz").content == b"ok\n"


def test_readyz_is_200_when_everything_is_up(client: Client) -> None:
    publish_cluster(Conf.IDLE)
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json() == {
        "status": "ready",
        "checks": {"database": "up", "migrations": "up", "cache": "up", "queue": "up"},
    }


def test_readyz_reports_that_no_worker_runs(client: Client) -> None:
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["status"] == "not ready"
    assert response.json()["checks"] == {
        "database": "up", "migrations": "up", "cache": "up", "queue": "no worker is running",
    }  # fmt: skip


@pytest.mark.parametrize("status", [Conf.STARTING, Conf.STOPPING, Conf.STOPPED])
def test_a_cluster_that_is_not_working_does_not_count(status: object) -> None:
    publish_cluster(status)
    assert clusters_alive() == []


def test_a_forged_cluster_does_not_count() -> None:
    cache.set(f"{Conf.Q_STAT}:forged", "not signed by us", 3)
    cache.set(Conf.Q_STAT, [f"{Conf.Q_STAT}:forged"], None)
    assert clusters_alive() == []


def test_readyz_reports_a_missing_migration(client: Client) -> None:
    publish_cluster(Conf.WORKING)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'metering' AND name = '0001_initial'")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["checks"]["migrations"] == "1 not applied: run migrate"


@pytest.mark.django_db(transaction=True)
def test_readyz_reports_that_the_database_is_away(client: Client) -> None:
    host = connection.settings_dict["HOST"]
    connection.close()
    connection.settings_dict["HOST"] = "/nowhere"
    try:
        response = client.get("/readyz")
    finally:
        connection.close()
        connection.settings_dict["HOST"] = host
    assert response.status_code == 503
    assert response.json()["checks"]["database"] == "does not answer"


@pytest.mark.django_db(transaction=True)
def test_readyz_recovers_from_a_connection_that_died(client: Client) -> None:
    publish_cluster(Conf.IDLE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, connect_timeout=10) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert client.get("/readyz").status_code == 200


def samples(text: str) -> dict[str, str]:
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def test_metrics_show_queue_jobs_events_and_partitions(client: Client) -> None:
    now = timezone.now()
    JobRun.objects.create(
        name="reconciliation", started_at=now - timedelta(hours=2), finished_at=now, outcome=JobOutcome.SUCCEEDED
    )
    OrmQ.objects.create(key="countinghouse", payload="x", lock=now - timedelta(minutes=1))
    OrmQ.objects.create(key="countinghouse", payload="x", lock=now + timedelta(minutes=1))
    meter_id = 1
    ensure_partitions(first=now.date(), last=(now + timedelta(days=70)).date())
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO usage_hour (tenant_id, is_live, meter_id, hour, slot, quantity, events)"
            " SELECT %s, true, id, date_trunc('hour', %s::timestamptz, 'UTC'), 0, 5, 7 FROM metering_meter",
            [uuid4(), now],
        )
        cursor.execute("SELECT count(*) FROM metering_meter")
        assert cursor.fetchone()[0] > meter_id, "several meters see each event"
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    values = samples(response.text)
    assert values['countinghouse_events_metered{hour="running"}'] == "7"
    assert values['countinghouse_queue_tasks{state="waiting"}'] == "1"
    assert values['countinghouse_queue_tasks{state="running"}'] == "1"
    assert values['countinghouse_job_outcome{job="reconciliation",outcome="succeeded"}'] == "1"
    assert int(values["countinghouse_partition_days_ahead"]) > 60
    assert values["countinghouse_reservations_held"] == "0"
    assert values["countinghouse_queue_clusters"] == "0"


def test_every_line_of_metrics_has_the_form_that_prometheus_reads(client: Client) -> None:
    for line in client.get("/metrics").text.splitlines():
        assert re.fullmatch(
            r'# (HELP|TYPE) countinghouse_[a-z_]+ .+|countinghouse_[a-z_]+(\{([a-z_]+="[^"]*",?)+\})? -?\d+', line
        )


def test_metrics_take_a_bounded_number_of_queries(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(29):  # two thirds of them for the health of the books
        client.get("/metrics")


def test_metrics_require_the_token(client: Client, settings: Settings) -> None:
    settings.METRICS_TOKEN = "sesame"
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer sesame"}).status_code == 200


def test_metrics_without_a_token_do_not_exist_in_production(client: Client, settings: Settings) -> None:
    settings.IS_PRODUCTION = True
    assert client.get("/metrics").status_code == 404


def test_health_pages_allow_reading_alone(client: Client) -> None:
    assert {client.post(path).status_code for path in ("/healthz", "/readyz", "/metrics")} == {405}
