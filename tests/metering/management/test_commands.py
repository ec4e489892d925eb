"""The commands `reconcile`, which compares rollups with events, and `rebuild_usage`, which repairs them."""

from collections.abc import Callable
from datetime import datetime
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import JobOutcome, JobRun, Tenant
from metering.domain.events import ParsedEvent
from metering.domain.ledger import Ledger
from metering.models import UsageHour
from metering.services.ingest import ingest_events

pytestmark = pytest.mark.django_db


@pytest.fixture
def tenant(ledger: Ledger, events: Callable[..., list[ParsedEvent]], now: datetime) -> Tenant:
    made: Tenant = Tenant.objects.create(
        id=ledger.tenant_id, slug="alice", name="Alice", time_zone=ledger.time_zone, created_at=now
    )
    ingest_events(ledger=ledger, events=events({"id": "a"}, {"id": "b"}), api_key_id=None, as_of=now)
    return made


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_reconcile_prints_how_much_it_compared(tenant: Tenant) -> None:
    assert run("reconcile") == "2 ledgers compared, 0 drifts\n"
    assert JobRun.objects.get(name="reconciliation").outcome == JobOutcome.SUCCEEDED


def test_reconcile_names_a_drift_and_fails_and_rebuild_repairs_it(tenant: Tenant) -> None:
    UsageHour.objects.filter(tenant_id=tenant.pk).update(quantity=99)
    out = StringIO()
    with pytest.raises(SystemExit) as failed:
        call_command("reconcile", stdout=out)
    assert failed.value.code == 1
    assert f"drift: usage_hour of tenant {tenant.pk} (live)" in out.getvalue()
    assert "ledger 2 in 2 events, rollup 99 in 2" in out.getvalue()
    assert JobRun.objects.get(name="reconciliation").outcome == JobOutcome.ATTENTION
    assert "1/2" in run("rebuild_usage", "--tenant", "alice")
    assert "0 drifts" in run("reconcile")


@pytest.mark.parametrize("command", ["reconcile", "rebuild_usage"])
def test_an_unknown_tenant_is_refused_with_a_message(command: str, tenant: Tenant) -> None:
    with pytest.raises(CommandError, match="does not exist"):
        run(command, "--tenant", "alice", "--tenant", "unknown")


def test_rebuilding_all_tenants_needs_an_option(tenant: Tenant) -> None:
    with pytest.raises(CommandError, match="--all or --tenant"):
        run("rebuild_usage")
    assert "2/2" in run("rebuild_usage", "--all")
