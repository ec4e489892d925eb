"""`manage.py run_invoicing`: draft due invoices and finalize drafts whose grace is over; `--dry-run` only shows them.

It may run again at any time, also while the scheduled job runs. It exits with 1 if something could not be billed.
"""

import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from accounts.domain.numbers import counted
from accounts.management.progress import progress
from accounts.models import Tenant
from billing.domain.documents import days_of
from billing.domain.money import amount_text
from billing.selectors.invoicing.computation import Computation, Unbillable
from billing.selectors.invoicing.due import Due
from billing.selectors.invoicing.run_invoices import slugs_of
from billing.services.invoicing.running import (
    InvoicingRun,
    computed_only,
    count_waiting,
    plan_invoices,
    run_invoicing_job,
)
from metering.domain.periods import YearMonth

PARKED_SHOWN_MAX: Final = 50


class Command(BaseCommand):
    """Draft and finalize the invoices that are due."""

    help = (
        "Draft the invoices that are due and finalize those whose grace is over; exits with 1 if one cannot be billed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options: which invoices, whether to write, and at which moment."""
        parser.add_argument(
            "--tenant", action="append", metavar="SLUG", help="Only this tenant; may be given several times."
        )
        parser.add_argument("--month", metavar="YYYY-MM", help="Only what was due up to the end of this month.")
        parser.add_argument("--dry-run", action="store_true", help="Compute and show; write nothing.")
        parser.add_argument(
            "--as-of", metavar="TIME", help="Another moment than now, as in 2026-11-01T02:00Z; not in production."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run invoicing and print the numbers, or print the plan."""
        due, as_of = due_of(options), moment_of(options["as_of"])
        if options["dry_run"]:
            self._report_plan(plan_invoices(as_of=as_of, due=due))
            return
        waiting = count_waiting(as_of=as_of, due=due)
        with progress(self.stdout) as show:

            def show_run(run: InvoicingRun) -> None:
                done = run.drafted + run.finalized + len(run.parked)
                # What was drafted may be finalized in the same run, and so lead to more than was waiting.
                show(f"{run.drafted:,} drafted, {run.finalized:,} finalized", done, max(waiting, done))

            _, run = run_invoicing_job(started_by="command", as_of=as_of, due=due, on_progress=show_run)
        self._report_parked(run.parked)
        self.stdout.write(f"{run.drafted:,} drafted, {run.finalized:,} finalized, {len(run.parked):,} parked")
        if run.parked:
            sys.exit(1)

    def _report_plan(self, planned: Sequence[Computation]) -> None:
        billable = computed_only(planned)
        slugs = slugs_of(found.state.tenant_id for found in planned)
        for invoice in billable:
            state = invoice.state
            total = amount_text(invoice.total_minor, state.currency)
            first, last = days_of(state.covered, state.time_zone)
            lines = counted(len(invoice.lines), "lines")
            self.stdout.write(f"{slugs[state.tenant_id]}  {first} to {last}  {lines}  {total} {state.currency}")
        parked = [found for found in planned if isinstance(found, Unbillable)]
        self._report_parked(parked)
        self.stdout.write(
            f"{counted(len(billable), 'invoices')}, {len(parked):,} cannot be billed; nothing was written"
        )
        if parked:
            sys.exit(1)

    def _report_parked(self, parked: Sequence[Unbillable]) -> None:
        for found in parked[:PARKED_SHOWN_MAX]:
            self.stderr.write(f"{found.code}: {found.detail} (subscription {found.state.subscription_id})")
        if len(parked) > PARKED_SHOWN_MAX:
            self.stderr.write(f"… and {len(parked) - PARKED_SHOWN_MAX:,} more")


def due_of(options: dict[str, Any]) -> Due:
    """Return the month and tenants of the options. Raise `CommandError` for an unknown one."""
    month = None
    if options["month"] is not None:
        month = YearMonth.parse(options["month"])
        if month is None:
            raise CommandError(f"--month {options['month']!r} is no month such as 2026-10.")
    if options["tenant"] is None:
        return Due(month=month)
    ids = dict(Tenant.objects.filter(slug__in=options["tenant"]).values_list("slug", "pk"))
    unknown = sorted(set(options["tenant"]) - set(ids))
    if unknown:
        raise CommandError(f"There is no tenant {unknown[0]!r}.")
    return Due(tenant_ids=tuple(sorted(ids.values())), month=month)


def moment_of(text: str | None) -> datetime:
    """Return the moment of the run: now, or another one outside production. Raise `CommandError` if it is invalid."""
    if text is None:
        return timezone.now()
    if settings.IS_PRODUCTION:
        raise CommandError("--as-of moves the clock, which production does not allow.")
    try:
        moment = parse_datetime(text)
    except ValueError as error:
        raise CommandError(f"--as-of: {error}") from error
    if moment is None or moment.tzinfo is None:
        raise CommandError("--as-of is a moment with its offset, as in 2026-11-01T02:00Z.")
    return moment
