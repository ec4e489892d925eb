"""`manage.py run_invoicing` and the scheduled task."""

from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import JobRun
from billing import tasks
from billing.domain.prices import PerUnit
from billing.domain.statuses import SubscriptionStatus
from billing.models import Invoice
from tests.billing.world import GRACE, MARCH, first_invoice, make_plan, subscribe_tenant, use

pytestmark = pytest.mark.django_db

APRIL = MARCH.replace(month=4)


def command(*options: str) -> str:
    out = StringIO()
    call_command("run_invoicing", *options, stdout=out, stderr=out)
    return out.getvalue()


def test_run_invoicing_prints_what_it_did_and_what_it_would_do() -> None:
    use(subscribe_tenant().tenant, 1000, at=MARCH + timedelta(days=1))
    late = ["--as-of", (APRIL + GRACE).isoformat()]
    planned = command("--dry-run", *late)
    assert "acme  2026-03-01 to 2026-03-31  1 line  49.00 EUR" in planned
    assert "acme  2026-03-01 to 2026-03-31  2 lines  50.00 EUR" in planned
    assert "2 invoices, 0 cannot be billed; nothing was written" in planned
    assert not Invoice.objects.exists()
    assert command("--month", "2026-03", "--tenant", "acme", *late) == "2 drafted, 2 finalized, 0 parked\n"
    assert command(*late) == "0 drafted, 0 finalized, 0 parked\n"
    assert JobRun.objects.filter(name="invoicing", started_by="command").count() == 1


def test_an_exception_is_named_and_fails_the_command() -> None:
    million = make_plan("million", fee="0", usage=None)
    million = make_plan("million", fee="0", usage={"calls": PerUnit(Decimal(10_000_000))})
    use(subscribe_tenant(plan=million).tenant, 20_000, at=MARCH + timedelta(days=1))
    late = ["--as-of", (APRIL + GRACE).isoformat()]
    for options in (["--dry-run"], []):
        out = StringIO()
        with pytest.raises(SystemExit):
            call_command("run_invoicing", *options, *late, stdout=out, stderr=out)
        assert "absurd_amount: The invoice would come to" in out.getvalue()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--month", "March"], "no month"),
        (["--tenant", "unknown"], "no tenant"),
        (["--as-of", "tomorrow"], "with its offset"),
        (["--as-of", "2026-13-01T00:00Z"], "--as-of"),
        (["--as-of", "2026-03-01T00:00"], "with its offset"),
    ],
)
def test_contradictory_options_are_refused_with_a_message(options: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        command(*options)


def test_run_invoicing_does_not_move_the_clock_in_production(settings: Settings) -> None:
    settings.IS_PRODUCTION = True
    with pytest.raises(CommandError, match="production"):
        command("--as-of", "2026-03-01T00:00Z")


def test_the_scheduled_task_runs_and_marks_overdue_invoices() -> None:
    subscription = subscribe_tenant()
    first_invoice(subscription)
    assert tasks.run_invoicing().endswith("0 parked")
    assert tasks.refresh_overdue() == "succeeded"
    subscription.refresh_from_db()
    assert subscription.status == SubscriptionStatus.PAST_DUE
    assert set(JobRun.objects.values_list("name", flat=True)) == {"invoicing", "overdue"}
