"""`manage.py verify_invoices`: compute finalized invoices again from the raw ledger and name each difference.

Exits with 1 if there is one.
"""

import sys
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.domain.numbers import counted
from accounts.management.progress import progress
from accounts.models import Tenant
from billing.models import Invoice
from billing.verification.services.running import Chosen, run_verification

DIFFERENCES_SHOWN_MAX: Final = 200


class Command(BaseCommand):
    """Prove that invoices say what the ledger says."""

    help = (
        "Compute finalized invoices again from the raw ledger and name each difference; exits with 1 if there is one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Name tenants or an invoice to look at only theirs."""
        parser.add_argument(
            "--tenant", action="append", metavar="SLUG", help="Only this tenant; may be given several times."
        )
        parser.add_argument("--number", metavar="NUMBER", help="Only this invoice, as in INV-2026-000042.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Report, and fail if something does not agree."""
        chosen = chosen_of(options)
        with progress(self.stdout) as show:
            found = run_verification(
                started_by="command",
                as_of=timezone.now(),
                chosen=chosen,
                on_progress=lambda done: show(
                    f"{done.verified:,} of {done.total:,} invoices", done.verified, done.total
                ),
            )
        for difference in found.differences[:DIFFERENCES_SHOWN_MAX]:
            self.stdout.write(str(difference))
        if len(found.differences) > DIFFERENCES_SHOWN_MAX:
            self.stdout.write(f"… and {len(found.differences) - DIFFERENCES_SHOWN_MAX:,} more")
        self.stdout.write(
            f"{counted(found.verified, 'invoices')} verified, {counted(len(found.differences), 'differences')}"
        )
        if found.differences:
            sys.exit(1)


def chosen_of(options: dict[str, Any]) -> Chosen:
    """Return what the options choose. Raises `CommandError`."""
    number, slugs = options["number"], options["tenant"]
    if number is not None and not Invoice.objects.issued().filter(number=number).exists():
        raise CommandError(f"There is no invoice {number!r}.")
    if slugs is None:
        return Chosen(number=number)
    ids = dict(Tenant.objects.filter(slug__in=slugs).values_list("slug", "pk"))
    unknown = sorted(set(slugs) - set(ids))
    if unknown:
        raise CommandError(f"There is no tenant {unknown[0]!r}.")
    return Chosen(tenant_ids=sorted(ids.values()), number=number)
