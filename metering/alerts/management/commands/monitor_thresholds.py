"""`manage.py monitor_thresholds`: raise the threshold alerts that are due now, as the schedule does."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.domain.numbers import counted
from accounts.domain.plain import plain_decimal
from accounts.errors import InvalidFieldsError
from accounts.selectors.tenants import tenants_named
from metering.alerts.services.monitoring import run_monitor


class Command(BaseCommand):
    """The command for operators, and for those who use their own scheduler."""

    help = "Raise the alerts that are due. It is safe to run twice, also at the same time."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add `--tenant`, which limits the check to the named tenants."""
        parser.add_argument(
            "--tenant", action="append", metavar="SLUG", help="Only this tenant; may be given several times."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Check the thresholds, and print each new alert."""
        try:
            found = tenants_named(options["tenant"] or [])
        except InvalidFieldsError as error:
            raise CommandError("At least one of these tenants does not exist.") from error
        result = run_monitor(started_by="command", tenant_ids=list(found.values()) or None, as_of=timezone.now())
        for alert in result.alerts:
            facts = alert.facts
            self.stdout.write(
                f"{facts.tenant}: {alert.threshold_text} of {facts.meter} in the {alert.period.period.words} from "
                f"{alert.period.start_on},"
                f" {plain_decimal(facts.quantity)} of {plain_decimal(alert.limit)}"
            )
        self.stdout.write(f"{counted(result.tenants, 'tenants')} checked, {counted(len(result.alerts), 'new alerts')}")
