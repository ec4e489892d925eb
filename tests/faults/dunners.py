"""Real processes that run dunning, one of which may stop at a step of the work and wait to be killed.

The provider is a file: a line for each charge that it made. It charges once under a name, as real ones do.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from billing.collection.domain.provider import ReportedPayment
from billing.collection.gateways import registry
from billing.collection.services import charging
from billing.dunning.services import running
from billing.dunning.services.running import run_due_steps
from tests.billing.dunning.scripted.provider import NO_FUNDS, ScriptedProvider
from tests.billing.dunning.unpaid import FAILED_AT, declined
from tests.billing.world import set_issuer
from tests.faults.closers import Step, stop_at
from tests.faults.processes import connect_to

LAST_DAY: Final = FAILED_AT + timedelta(days=33)
EVERY: Final = timedelta(hours=6)
KILLED_AT: Final = {
    "before the card is charged": Step(charging, "provider_named", is_before=True),
    "with the card charged and nothing stored": Step(charging, "record_failed_payment", is_before=True),
    "with the charge stored and its step not": Step(running, "_end_charge", is_before=True),
    "before the commit of a step and its mail": Step(running, "_finish"),
    "before the commit of a suspension": Step(running, "set_stage"),
    "before the commit of a cancellation": Step(running, "cancel_subscription"),
    "after the commit of a step": Step(running, "run_step"),
}


@dataclass(frozen=True)
class Dunned:
    """One customer whose card stays declined."""

    database_url: str
    slug: str
    directory: Path

    @property
    def reached(self) -> Path:
        """Return the path of a file that exists once the doomed process is at its step."""
        return self.directory / "reached"

    @property
    def charges(self) -> Path:
        """Return the path of the provider's file."""
        return self.directory / "charges"


class FileProvider(ScriptedProvider):
    """A provider that keeps its charges in a file, so that it outlives the processes."""

    file: Path

    def charge_again(self, reference: str, *, attempt: str) -> ReportedPayment:  # noqa: ARG002 - the protocol's
        made = self.file.read_text().splitlines() if self.file.exists() else []
        if attempt not in made:
            with self.file.open("a") as file:
                file.write(f"{attempt}\n")
        return replace(NO_FUNDS, reference=f"charge-{attempt}")


def connect(work: Dunned) -> None:
    """Connect the process to the test's database and to the provider's file."""
    connect_to(work.database_url)
    settings.PAYMENT_PROVIDERS = ["tests.billing.dunning.scripted"]
    provider: Any = registry.provider_named("second")
    provider.__class__ = FileProvider
    provider.file = work.charges


def prepare(work: Dunned) -> None:
    """Subscribe the customer, whose first charge is declined."""
    connect(work)
    set_issuer(
        legal_name="Sample Seller BV", address_line1="Meir 24", city="Antwerp", country="BE", tax_id="BE0417497106"
    )
    provider: Any = registry.provider_named("second")
    invoice = declined(provider, work.slug)
    (work.directory / "tenant").write_text(str(invoice.tenant_id))


def tenant_of(work: Dunned) -> UUID:
    """Return the customer."""
    return UUID((work.directory / "tenant").read_text())


def follow_up(work: Dunned, doomed_at: str = "") -> None:
    """Run dunning as its schedule does for a month. With `doomed_at`, stop there until the process is killed."""
    connect(work)
    if doomed_at:
        stop_at(KILLED_AT[doomed_at], work.reached)
    moment: datetime = FAILED_AT
    while moment <= LAST_DAY:
        run_due_steps(as_of=moment)
        moment += EVERY
