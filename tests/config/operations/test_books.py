"""The health of the books: each figure counts its rows, and each name in rules and docs exists."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Discrepancy, JobOutcome, JobRun
from billing.models import BillingException
from config.operations.books import BooksHealth, books_health
from config.operations.metrics import PREFIX, figures_at
from config.operations.schedules import PLANNED_JOBS, ensure_schedules
from tests.billing.world import make_plan, subscribe_tenant

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
NAME = re.compile(rf"{PREFIX}[a-z_]+")


def values(health: BooksHealth) -> dict[tuple[str, str], int]:
    return {(row.name, row.label[1] if row.label else ""): row.value for row in health.figures if row.value}


def run_all(at: datetime) -> None:
    JobRun.objects.bulk_create(
        JobRun(name=job.name, started_at=at, finished_at=at, outcome=JobOutcome.SUCCEEDED) for job in PLANNED_JOBS
    )


def test_the_figures_of_sound_books_are_zero() -> None:
    ensure_schedules(as_of=NOW)
    assert not books_health(NOW).is_proven
    run_all(NOW)
    health = books_health(NOW)
    assert (values(health), health.doubts, health.waiting, health.is_proven) == ({}, (), 0, True)
    assert all(link.is_good and link.succeeded_at == NOW for link in health.chain)


def test_each_fault_of_the_books_is_counted() -> None:
    run_all(NOW)
    subscription = subscribe_tenant()
    BillingException.objects.create(subscription=subscription, code="usage_drift", detail="?", occurred_at=NOW)
    seen = {"detail": "?", "opened_at": NOW, "seen_at": NOW}
    Discrepancy.objects.create(
        found_by="reconciliation", subject="a", code="drift", tenant=subscription.tenant, is_holding=True, **seen
    )
    Discrepancy.objects.create(found_by="verification", subject="INV-2026", code="numbers", **seen)
    Discrepancy.objects.create(found_by="verification", subject="tenant acme", code="ledger", **seen)
    Discrepancy.objects.create(found_by="limits", subject="gone", code="counter", closed_at=NOW, **seen)
    JobRun.objects.create(name="verification", started_at=NOW, finished_at=NOW, outcome=JobOutcome.FAILED)
    health = books_health(NOW + timedelta(minutes=1))
    assert values(health) == {
        ("books_differences", "reconciliation"): 1,
        ("books_differences", "verification"): 2,
        ("books_number_gaps", ""): 1,
        ("books_ledger_untied", ""): 1,
        ("books_exceptions_open", ""): 1,
        ("books_subscriptions_parked", ""): 1,
        ("books_tenants_held", ""): 1,
    }
    assert len(health.doubts) == 3
    assert [link.failures for link in health.chain if not link.is_good] == [1]
    samples = {figure.name: figure.samples for figure in figures_at(NOW + timedelta(minutes=1))}
    assert samples["books_in_order"][0].value == 0


def test_a_corrected_counter_is_counted_and_casts_no_doubt_on_the_books() -> None:
    ensure_schedules(as_of=NOW)
    run_all(NOW)
    Discrepancy.objects.create(found_by="limits", subject="a", code="counter", detail="?", opened_at=NOW, seen_at=NOW)
    health = books_health(NOW)
    assert (values(health), health.doubts) == ({("books_differences", "limits"): 1}, ())


def test_the_figures_take_as_many_queries_for_many_rows() -> None:
    with CaptureQueriesContext(connection) as few:
        books_health(NOW)
    plan = make_plan()
    for number in range(3):
        subscription = subscribe_tenant(f"t-{number}", plan=plan)
        BillingException.objects.create(subscription=subscription, code="usage_drift", detail="?", occurred_at=NOW)
    with CaptureQueriesContext(connection) as many:
        books_health(NOW)
    assert len(many) == len(few)


def test_rules_dashboards_and_docs_name_figures_that_exist() -> None:
    shown = {PREFIX + figure.name for figure in figures_at(NOW)}
    table = (ROOT / "docs/operations.md").read_text().partition("| figure | meaning |")[2].partition("\n\n")[0]
    described = set(NAME.findall(table))
    rules = yaml.safe_load((ROOT / "deploy/prometheus/rules.yaml").read_text())
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    asked = {name for rule in alerts for name in NAME.findall(rule["expr"])}
    assert len(alerts) == len({rule["alert"] for rule in alerts}) > 10
    assert asked <= shown
    assert described == shown, "each figure is described, and nothing else is"
    panels = json.loads((ROOT / "deploy/grafana/countinghouse.json").read_text())["panels"]
    drawn = {name for panel in panels for target in panel.get("targets", ()) for name in NAME.findall(target["expr"])}
    assert drawn == shown, "each figure is drawn, and nothing else is"
