"""`manage.py void_events`: void all events of a type within a span. Without `--commit` it only says what it would void.

It is safe to run again, also after an interruption: events that are voided are not voided again.
"""

from collections.abc import Mapping
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from accounts.domain.actor import Actor
from accounts.errors import NotFoundError, ProblemError
from accounts.management.progress import progress
from accounts.models import Tenant
from accounts.selectors.tenants import tenant_by_slug
from metering.domain.instants import InvalidInstantError, read_instant
from metering.domain.ledger import Ledger
from metering.domain.periods import Span
from metering.selectors.catalog import known_event_types
from metering.selectors.ledgers import ledgers
from metering.selectors.usage import api_key_id_of
from metering.services.void_filters import VoidFilter, count_matching, void_matching

REASON_CHARACTERS_MAX: Final = 500


class Command(BaseCommand):
    """The command that voids events by a filter."""

    help = "Void all events of a type within a span: a dry run first, then again with --commit."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the filter, the reason, and whether to do it."""
        parser.add_argument("--type", required=True, metavar="TYPE", help="The event type.")
        parser.add_argument(
            "--between",
            required=True,
            nargs=2,
            metavar=("START", "END"),
            help="Times such as 2026-11-21T09:30:00Z: events from START on and before END.",
        )
        parser.add_argument("--tenant", metavar="SLUG", help="Only this tenant's; by default every tenant's.")
        parser.add_argument("--subject", help="Only those of this subject.")
        parser.add_argument(
            "--api-key", metavar="PREFIX", help="Only those of this key: its id or its first 12 characters."
        )
        parser.add_argument("--test", action="store_true", help="Events of test keys instead of live ones.")
        parser.add_argument("--reason", required=True, help="The reason, which the tenants see.")
        parser.add_argument("--commit", action="store_true", help="Void them. Without it nothing is changed.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show what is found, and void it with `--commit`."""
        reason = options["reason"].strip()
        if not 1 <= len(reason) <= REASON_CHARACTERS_MAX:
            raise CommandError(f"A reason has 1 to {REASON_CHARACTERS_MAX} characters.")
        chosen, wanted, as_of = chosen_ledgers(options), filter_of(options), timezone.now()
        names = dict(Tenant.objects.values_list("pk", "slug"))
        total = 0
        for ledger in chosen:
            found = count_matching(ledger=ledger, wanted=wanted, as_of=as_of)
            if found.events or found.closed:
                usage = "".join(f", {meter} -{quantity:f}" for meter, quantity in found.quantities.items())
                closed = f" ({found.closed:,} of closed months stay)" if found.closed else ""
                self.stdout.write(f"{names[ledger.tenant_id]}: {found.events:,} events{closed}{usage}")
            total += found.events
        self.stdout.write(f"{total:,} events match.")
        if not options["commit"]:
            self.stdout.write("Nothing was changed. Add --commit to void them.")
            return
        with progress(self.stdout) as show:
            try:
                voided = void_matching(
                    ledgers=chosen,
                    wanted=wanted,
                    reason=reason,
                    actor=Actor.system("manage.py void_events"),
                    as_of=as_of,
                    on_progress=lambda done: show(f"{done:,} events voided", done, total),
                )
            except (OperationalError, InterfaceError) as error:
                raise CommandError(
                    f"The database stopped responding. Run it again to void the rest. ({error})"
                ) from error
        self.stdout.write(f"{voided:,} events voided.")


def chosen_ledgers(options: Mapping[str, Any]) -> list[Ledger]:
    """Return the ledgers of the named tenant, or of all. Raises `CommandError`."""
    slugs = None
    if options["tenant"] is not None:
        try:
            slugs = [tenant_by_slug(options["tenant"]).slug]
        except NotFoundError as error:
            raise CommandError(f"There is no tenant {options['tenant']!r}.") from error
    return [ledger for ledger in ledgers(slugs=slugs) if ledger.is_live is not options["test"]]


def filter_of(options: Mapping[str, Any]) -> VoidFilter:
    """Return the filter. Raises `CommandError` for an unknown type or key, and for a span that is none."""
    if options["type"] not in known_event_types():
        raise CommandError(f"There is no event type {options['type']!r}.")
    try:
        start, end = (read_instant(int(text) if text.isdecimal() else text) for text in options["between"])
    except InvalidInstantError as error:
        raise CommandError(f"--between: {error}") from error
    if start >= end:
        raise CommandError("--between: START is before END.")
    api_key_id = None
    if options["api_key"] is not None:
        if options["tenant"] is None:
            raise CommandError("--api-key needs --tenant: a key belongs to one.")
        try:
            api_key_id = api_key_id_of(tenant_id=tenant_by_slug(options["tenant"]).pk, text=options["api_key"])
        except ProblemError as error:
            raise CommandError(f"--api-key {options['api_key']}: {error.detail}") from error
    return VoidFilter(options["type"], Span(start, end), options["subject"], api_key_id)
