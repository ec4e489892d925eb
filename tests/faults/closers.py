"""Real processes that close a month, one of which may stop at a step and wait to be killed.

The step is built into the doomed process alone, around the application's own functions. The application knows nothing
of it. A closer does what the schedules do: it drafts, finalizes, renders PDFs and sends mails.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
from django.conf import settings
from django.db import connection

from accounts.notices.domain.mails import MailStatus
from accounts.notices.models import OutboundMail
from accounts.notices.services import mails
from billing.models import Invoice
from billing.selectors.invoicing.due import Due
from billing.services.documents import deliveries
from billing.services.invoicing import drafting, finalizing, numbering, running
from billing.verification.services.running import Chosen, run_verification
from tests.billing.world import make_plan, set_issuer, subscribe_tenant, use
from tests.faults.processes import FORK_SERVER, connect_to

GATE: Final = 7310468299
BATCH: Final = 1

Function = Callable[..., Any]


@dataclass(frozen=True)
class Step:
    """A function of the application's, and on which side of it the doomed process stops."""

    module: Any
    name: str
    is_before: bool = False


# Each function is looked up in the module that calls it. Those of drafting and finalizing are called within the
# batch's transaction.
STEPS: Final = {
    "with half of a draft stored": Step(drafting, "store_lines"),
    "before drafting's commit": Step(drafting, "_advance"),
    "after drafting's commit": Step(running, "draft_batch"),
    "with the drafts of a batch locked": Step(finalizing, "compute_invoices"),
    "after numbering": Step(numbering, "take_numbers"),
    "before finalizing's commit": Step(finalizing, "add_to_outbox"),
    "after finalizing's commit": Step(running, "finalize_batch"),
    "while rendering": Step(deliveries, "render_document", is_before=True),
    "with a PDF stored and no mail queued": Step(deliveries, "_store"),
    "before the commit of a PDF and its mail": Step(deliveries, "_queue_mail"),
    "between claiming a mail and sending it": Step(mails, "_send", is_before=True),
    "after sending a mail": Step(mails, "_send"),
}


@dataclass(frozen=True)
class Close:
    """What the closers close: the first two invoices of each of these tenants."""

    database_url: str
    tenant_ids: tuple[UUID, ...]
    directory: Path
    year: int = 2026  # whose series of numbers the test has to itself
    smtp_port: int = 0
    numbering: str = ""
    claims_mails: bool = True

    @property
    def closed_at(self) -> datetime:
        """Return the end of March with its grace."""
        return datetime(self.year, 4, 1, 2, tzinfo=UTC)

    @property
    def reached(self) -> Path:
        """Return the path of a file that exists once the doomed process is at its step."""
        return self.directory / "reached"


def prepare(database_url: str, prefix: str, count: int, year: int, report: Path) -> None:
    """Subscribe so many tenants in March, each with usage of its own. Write their ids to `report`."""
    connect_to(database_url)
    set_issuer(
        legal_name="Sample Seller BV", address_line1="Meir 24", city="Antwerp", country="BE", tax_id="BE0417497106"
    )
    plan, march = make_plan(), datetime(year, 3, 1, tzinfo=UTC)
    ids = []
    for number in range(count):
        tenant = subscribe_tenant(f"{prefix}-{number}", plan=plan, as_of=march).tenant
        use(tenant, 1000 * (number + 1), at=march + timedelta(days=3), count=2)
        ids.append(str(tenant.pk))
    report.write_text("\n".join(ids))


def close(work: Close, doomed_at: str = "") -> None:
    """Run a closer: twice what the schedules do. With `doomed_at`, stop there until the process is killed."""
    connect_to(work.database_url)
    make_batches_small()
    if work.numbering:
        numbering.take_numbers = partial(CONTROLS[work.numbering], work)
    if not work.claims_mails:
        mails._claim = seen_and_not_claimed
    speak_to(work.smtp_port)
    if doomed_at:
        stop_at(STEPS[doomed_at], work.reached)
    wait_at_the_gate()
    for _ in range(2):
        do_what_the_schedules_do(work, work.closed_at)


def do_what_the_schedules_do(work: Close, as_of: datetime) -> None:
    running.run_invoicing(as_of=as_of, due=Due(tenant_ids=work.tenant_ids))
    delivered = deliveries.deliver_documents(as_of=as_of)
    assert not delivered.failures, delivered.failures
    mails.send_queued_mails(as_of=as_of)


def close_again(work: Close, report: Path) -> None:
    """Close again as the schedules would half an hour later. Verify the invoices, and report what does not agree."""
    connect_to(work.database_url)
    speak_to(work.smtp_port)
    do_what_the_schedules_do(work, work.closed_at + timedelta(minutes=30))
    found = run_verification(started_by="test", as_of=work.closed_at, chosen=Chosen(tenant_ids=work.tenant_ids))
    report.write_text("\n".join(str(difference) for difference in found.differences))


def make_batches_small() -> None:
    """Set a batch size of one, so that the closers meet: each leaves work for the others."""
    draft, finalize = running.draft_batch, running.finalize_batch
    running.draft_batch = lambda **named: draft(size=BATCH, **named)
    running.finalize_batch = lambda **named: finalize(size=BATCH, **named)


def stop_at(step: Step, reached: Path) -> None:
    """Stop at the step's first call that has something to do, and wait for the end."""
    original: Function = getattr(step.module, step.name)

    def wait_for_the_end() -> None:
        reached.touch()
        time.sleep(600)
        raise AssertionError("this process was not killed")

    def stopped(*arguments: object, **named: object) -> object:
        if step.is_before:
            wait_for_the_end()
        result = original(*arguments, **named)
        if not getattr(result, "is_empty", False):
            wait_for_the_end()
        return result

    setattr(step.module, step.name, stopped)


def given_without_lock(_: Close, *, prefix: str, issued_on: date, count: int) -> list[str]:
    """Assign numbers without a lock, as a control: the next ones after the last that is seen."""
    code = f"{prefix}-{issued_on.year}"
    last = Invoice.objects.filter(number__startswith=code).order_by("-number").values_list("number", flat=True).first()
    first = 1 + int((last or "0").rsplit("-", 1)[-1])
    time.sleep(0.05)  # as long as a busy machine may take between two statements
    return [f"{code}-{number:06}" for number in range(first, first + count)]


def given_for_good(work: Close, *, prefix: str, issued_on: date, count: int) -> list[str]:
    """Assign numbers from a counter that commits by itself, as a sequence does, as a control."""
    code = f"{prefix}-{issued_on.year}"
    with psycopg.connect(work.database_url, connect_timeout=10) as other:
        other.execute("INSERT INTO billing_numberseries VALUES (%s, 0) ON CONFLICT DO NOTHING", [code])
        update = "UPDATE billing_numberseries SET last_number = last_number + %s WHERE code = %s RETURNING last_number"
        row = other.execute(update, [count, code]).fetchone()
    assert row is not None
    return [f"{code}-{number:06}" for number in range(row[0] - count + 1, row[0] + 1)]


def seen_and_not_claimed(mail_id: int, now: datetime) -> OutboundMail | None:
    """Take a mail because it is still queued, without a claim, as a control."""
    mail: OutboundMail = OutboundMail.objects.get(pk=mail_id)
    time.sleep(0.01)  # as long as a busy machine may take between two statements
    mail.claimed_at = now
    return mail if mail.status == MailStatus.QUEUED else None


def speak_to(smtp_port: int) -> None:
    """Send mails to the test's own server."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", smtp_port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False


CONTROLS: Final[dict[str, Function]] = {"without a lock": given_without_lock, "for good": given_for_good}


def wait_at_the_gate() -> None:
    """Wait for the test to release a lock, so that all begin together."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(%s), pg_advisory_unlock_shared(%s)", [GATE, GATE])


@contextmanager
def closers(work: Close, count: int, *, doomed_at: str = "") -> Iterator[list[BaseProcess]]:
    """Start so many closers, the first of them doomed. Whatever happens, none outlives the block."""
    fates = [doomed_at] + [""] * (count - 1)
    processes: list[BaseProcess] = [FORK_SERVER.Process(target=close, args=(work, fate)) for fate in fates]
    try:
        yield processes
    finally:
        for process in processes:
            if process.pid is not None:
                process.kill()
                process.join(120)
