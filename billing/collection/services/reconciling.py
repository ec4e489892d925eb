"""Reconcile with payment providers: compare what they have with our documents and the ledger of accounts.

It changes neither side. What differs is a row until it is gone or staff have settled it: `docs/reconciliation.md`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q

from accounts.domain.actor import Actor
from accounts.domain.job_report import JobReport
from accounts.errors import ConflictError
from accounts.services.audit import AuditTarget, record_audit
from accounts.services.jobs import run_job
from accounts.sql import as_json, fetch_all
from billing.collection.domain.comparing import (
    ComparedSpan,
    FindingCode,
    PaymentDifference,
    differences,
    to_look_up,
    usage_differences,
)
from billing.collection.domain.provider import PaymentProvider, ProviderBooks, ReportedClaim
from billing.collection.errors import PaymentProviderError, PaymentRefusedError, ProviderObjectError
from billing.collection.gateways.registry import configured_providers
from billing.collection.models import PaymentFinding
from billing.collection.selectors.our_books import open_findings, our_books
from billing.collection.selectors.usage import customers_to_compare, usage_by_customer

RECONCILIATION_JOB: Final = "payments"
DAYS: Final = 45
# What happened just now may be on one side only: its event is on the way.
UNDER_WAY: Final = timedelta(hours=1)
# The statement begins earlier than what is compared: the two sides may date a movement differently.
SLACK: Final = timedelta(days=2)
LOOK_UPS_MAX: Final = 500
# Whole UTC days of usage that are compared, and of how many customers a run.
USAGE_DAYS: Final = 7
CUSTOMERS_MAX: Final = 200
_PAYMENT: Final = "payment "
_USAGE: Final = "usage "
_AGREES: Final = "Both sides agree: the check no longer finds it."
_AGREES_LATELY: Final = f"The last {USAGE_DAYS} days agree. Earlier days are not compared again."
_TEXT_CHARACTERS_MAX: Final = 300
_SUBJECT_CHARACTERS_MAX: Final = 290

OPEN_OR_REFRESH = """
INSERT INTO collection_paymentfinding AS f (provider, subject, code, tenant_id, ours, theirs, explanation, happened_at,
    opened_at, seen_at, closed_because, settled_by, settlement)
SELECT %(provider)s, d.subject, d.code, d.tenant_id, d.ours, d.theirs, d.explanation, d.happened_at,
    %(as_of)s, %(as_of)s, '', '', ''
FROM jsonb_to_recordset(%(found)s::jsonb) AS d(subject text, code text, tenant_id uuid, ours text, theirs text,
    explanation text, happened_at timestamptz)
ORDER BY d.subject, d.code
ON CONFLICT (provider, subject, code) WHERE closed_at IS NULL DO UPDATE SET
    seen_at = greatest(f.seen_at, excluded.seen_at), ours = excluded.ours, theirs = excluded.theirs,
    explanation = excluded.explanation, tenant_id = excluded.tenant_id,
    settled_at = CASE WHEN (f.ours, f.theirs) = (excluded.ours, excluded.theirs) THEN f.settled_at END,
    settled_by = CASE WHEN (f.ours, f.theirs) = (excluded.ours, excluded.theirs) THEN f.settled_by ELSE '' END,
    settlement = CASE WHEN (f.ours, f.theirs) = (excluded.ours, excluded.theirs) THEN f.settlement ELSE '' END
RETURNING f.id, f.opened_at = %(as_of)s, f.settled_at IS NULL
"""


@dataclass(slots=True)
class PaymentReconciliation:
    """The result of a run: how much was compared, and the findings. `away` has providers that did not respond."""

    compared: int = 0
    found: int = 0
    opened: int = 0
    closed: int = 0
    waiting: int = 0
    lines: list[str] = field(default_factory=list)
    away: list[str] = field(default_factory=list)

    def report(self) -> JobReport:
        """Return the report for the admin."""
        summary: dict[str, object] = {"compared": self.compared, "found": self.found, "opened": self.opened}
        summary |= {"closed": self.closed, "away": self.away}
        return JobReport(summary, needs_attention=bool(self.waiting or self.away))


def run_reconciliation(*, started_by: str, as_of: datetime, days: int = DAYS) -> PaymentReconciliation:
    """Reconcile with every provider, recorded as a run of the job."""
    done = PaymentReconciliation()

    def work() -> JobReport:
        reconcile_payments(as_of=as_of, days=days, done=done)
        return done.report()

    run_job(name=RECONCILIATION_JOB, started_by=started_by, as_of=as_of, work=work)
    return done


def reconcile_payments(
    *, as_of: datetime, days: int = DAYS, done: PaymentReconciliation | None = None
) -> PaymentReconciliation:
    """Compare the last days with every provider that has books, and keep what differs as findings.

    Safe to run twice. A provider that does not respond keeps its findings as they are.
    """
    done = PaymentReconciliation() if done is None else done
    span = ComparedSpan(as_of - timedelta(days=days), as_of - UNDER_WAY)
    for provider in configured_providers():
        books = provider.books()
        if books is None:
            continue
        try:
            _reconcile(provider, books, span, done, as_of)
        except (PaymentProviderError, PaymentRefusedError, ProviderObjectError) as error:
            done.away.append(f"{provider.describe().title}: {error.detail}")
    return done


def _reconcile(
    provider: PaymentProvider, books: ProviderBooks, span: ComparedSpan, done: PaymentReconciliation, as_of: datetime
) -> None:
    known = [subject.removeprefix(_PAYMENT) for subject in _open_payments(provider.name)]
    statement = books.statement(since=span.since - SLACK)
    claims = list(statement.claims)
    ours = our_books(provider=provider.name, since=span.since, claims=claims, references=known)
    listed = {claim.reference for claim in claims}
    wanted = [*(one for one in known if one not in listed), *to_look_up(ours, claims, span)]
    looked_up, earlier = _look_up(books, list(dict.fromkeys(wanted))[:LOOK_UPS_MAX])
    if earlier:
        claims += earlier
        ours = our_books(provider=provider.name, since=span.since, claims=claims, references=known)
    left_out = set(wanted) - looked_up
    found = [
        one
        for one in differences(ours, replace(statement, claims=tuple(claims)), span)
        if one.subject.removeprefix(_PAYMENT) not in left_out
    ]
    seen = {claim.reference for claim in claims} | looked_up
    drifts, customers = _usage_drifts(provider, as_of)
    found += drifts
    seen |= customers
    done.compared += len(claims) + len(statement.refunds) + len(statement.disputes) + len(statement.payouts)
    done.found += len(found)
    done.lines += [f"{provider.name} {one.code.value} {one.subject}: {one.ours} / {one.theirs}" for one in found]
    _keep(provider.name, found, lambda row: _is_checked(row, span, seen), done, as_of)


def _usage_drifts(provider: PaymentProvider, as_of: datetime) -> tuple[list[PaymentDifference], set[str]]:
    """Compare the usage of the last whole days at a provider that keeps meters; return which customers, too."""
    meters = provider.usage_meters()
    if meters is None:
        return [], set()
    until = as_of.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    since = until - timedelta(days=USAGE_DAYS)
    open_ones = open_findings(provider.name).filter(code=FindingCode.USAGE).values_list("subject", flat=True)
    customers = customers_to_compare(
        provider=provider.name,
        limit=CUSTOMERS_MAX,
        turn=until.toordinal(),
        always=[subject.rpartition(" ")[2] for subject in open_ones],
    )
    ours = usage_by_customer(
        provider=provider.name, references=customers, since=since, until=until, decimals=meters.decimals
    )
    theirs = {
        (reference, code): total
        for reference in customers
        for code, total in meters.totals(reference, since=since, until=until).items()
    }
    found = usage_differences(ours, theirs, customers, since=since, until=until)
    return found, set(customers)


def _open_payments(provider: str) -> Sequence[str]:
    rows = open_findings(provider).filter(subject__startswith=_PAYMENT).order_by("seen_at", "pk")
    return list(dict.fromkeys(rows.values_list("subject", flat=True)))


def _look_up(books: ProviderBooks, references: Sequence[str]) -> tuple[set[str], list[ReportedClaim]]:
    """Return which references were looked up, and the claims that the provider has."""
    found = [claim for reference in references if (claim := books.claim(reference)) is not None]
    return set(references), found


def _is_checked(row: PaymentFinding, span: ComparedSpan, seen: Collection[str]) -> bool:
    """Return whether this run would have found the difference again: what it did not look at stays open."""
    if row.subject.startswith((_PAYMENT, _USAGE)):
        return row.subject.rpartition(" ")[2] in seen
    return span.covers(row.happened_at)


@transaction.atomic
def _keep(
    provider: str,
    found: Sequence[PaymentDifference],
    is_checked: Callable[[PaymentFinding], bool],
    done: PaymentReconciliation,
    as_of: datetime,
) -> None:
    """Open what is new, refresh what is still found, and close what is gone."""
    rows = {(one.subject[:_SUBJECT_CHARACTERS_MAX], one.code): one for one in found}
    stored = [
        {
            "subject": subject,
            "code": code.value,
            "tenant_id": one.tenant_id,
            "ours": one.ours[:_TEXT_CHARACTERS_MAX],
            "theirs": one.theirs[:_TEXT_CHARACTERS_MAX],
            "explanation": one.explanation,
            "happened_at": one.happened_at,
        }
        for (subject, code), one in rows.items()
    ]
    standing = fetch_all(OPEN_OR_REFRESH, {"provider": provider, "found": as_json(stored), "as_of": as_of})
    done.opened += sum(is_new for _, is_new, _ in standing)
    done.waiting += sum(waits for _, _, waits in standing)
    others = open_findings(provider).exclude(pk__in=[row_id for row_id, _, _ in standing]).select_for_update()
    gone = {row.pk for row in others if is_checked(row)}
    for because, of_code in ((_AGREES_LATELY, Q(code=FindingCode.USAGE)), (_AGREES, ~Q(code=FindingCode.USAGE))):
        PaymentFinding.objects.filter(of_code, pk__in=gone).update(closed_at=as_of, closed_because=because)
    done.closed += len(gone)
    done.waiting += open_findings(provider).exclude(pk__in=[row_id for row_id, _, _ in standing]).filter(
        settled_at=None
    ).count()  # fmt: skip


@transaction.atomic
def settle_finding(*, finding: PaymentFinding, settlement: str, actor: Actor, as_of: datetime) -> None:
    """Store what staff did about a finding, as they saw it. It is open again if a side changes.

    Raises `ConflictError` if it changed meanwhile, or is settled or gone.
    """
    waiting = PaymentFinding.objects.filter(
        pk=finding.pk, closed_at=None, settled_at=None, ours=finding.ours, theirs=finding.theirs
    )
    settlement = settlement[:_TEXT_CHARACTERS_MAX]
    if waiting.update(settled_at=as_of, settled_by=actor.label[:254], settlement=settlement) != 1:
        raise ConflictError("This was changed after you opened the page. Reload the page and try again.")
    record_audit(
        actor=actor,
        action="payment_finding.settled",
        tenant_id=finding.tenant_id,
        target=AuditTarget("payment_finding", finding.pk, str(finding)),
        before={"ours": finding.ours, "theirs": finding.theirs},
        after={"settlement": settlement},
        as_of=as_of,
    )
