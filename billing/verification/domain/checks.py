"""The checks of verification, each a function over a batch that yields what does not agree.

`docs/algorithms/invoicing.md`, section V.

A check knows nothing of the others and of no table. A new one is a function here and a row in `CHECKS` and on the page.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import zip_longest
from operator import attrgetter
from typing import Final

from accounts.domain.numbers import counted
from billing.conservation.domain.particulars import particulars_missing
from billing.domain.documents import digest_of_content, lines_content, taxes_content
from billing.domain.invoicing.again import credit_taken
from billing.domain.invoicing.computing import charged_lines, settled
from billing.domain.invoicing.lines import ADJUSTMENT, CARRY, USAGE, LineDraft, Used, digest_of_lines
from billing.domain.invoicing.taxes import tax_rows
from billing.domain.tax import TaxDecision, TaxTable, TaxTreatment
from billing.errors import UnbillableError
from billing.verification.domain.batch import Batch, StoredCreditNote, StoredInvoice, Sums, described

_COMPARED: Final = (
    "kind", "period", "quantity", "amount_minor", "events", "plan_version_id", "price_id", "meter_id", "adjusts_id",
    "explanation",
)  # fmt: skip
_COMPARED_SINCE_TAX: Final = ("tax", "supplied_on")
_UNTAXED: Final = TaxDecision(TaxTreatment.STANDARD, "", Decimal(0))
_SUMS: Final = ("subtotal_minor", "tax_minor", "total_minor", "carried_minor")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that does not agree.

    `subject` is an invoice's number, a plan version, a series or a file; `code` a stable word.
    """

    subject: str
    code: str
    detail: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.code}: {self.detail}"


def prices_as_published(batch: Batch) -> Iterator[Difference]:
    """Yield plan versions whose terms are not those that their digest was taken of."""
    for unreadable in batch.unreadable:
        yield Difference(f"plan version {unreadable.version_id}", "price", f"It cannot be read: {unreadable.detail}")
    for version in batch.versions:
        if not version.is_as_published:
            name = f"{version.plan_code} v{version.number}"
            yield Difference(name, "price", "Its prices are not those that were published.")


def lines_as_finalized(batch: Batch) -> Iterator[Difference]:
    """Yield invoices whose lines are not those that their digest was taken of."""
    for stored in batch.invoices:
        if digest_of_lines(stored.lines) != stored.lines_digest:
            yield Difference(stored.number, "lines_digest", "The lines are not those that were finalized.")


def lines_follow(batch: Batch) -> Iterator[Difference]:
    """Yield lines that do not follow from plan, period, what was invoiced before and quantities of usage."""
    for stored in batch.invoices:
        if stored.original_lines is not None or stored.is_manual:
            continue
        wanted = [(version.id, price.id, price.meter_id, span) for version, price, span in stored.state.usage_wanted()]
        usage = [line for line in stored.lines if line.kind == USAGE]
        if wanted != [(line.plan_version_id, line.price_id, line.meter_id, line.period) for line in usage]:
            yield Difference(stored.number, "lines", "The usage lines are not those of its plan and period.")
            continue
        try:
            follow = _lines_again(stored, [Used(line.quantity, line.events or 0) for line in usage])
        except UnbillableError as error:
            yield Difference(stored.number, "lines", f"It could not be computed: {error.detail}")
            continue
        yield from _line_differences(stored, follow)


def replacements_say_the_same(batch: Batch) -> Iterator[Difference]:
    """Yield lines of replacements that are not those of the invoice that they stand for, but for their tax."""
    for stored in batch.invoices:
        if stored.original_lines is not None:
            borne = {number: line.tax for number, line in enumerate(stored.lines)}
            charged = [line for line in stored.original_lines if line.kind != CARRY]
            again = [replace(line, tax=borne.get(number)) for number, line in enumerate(charged)]
            follow = settled(stored.state, again, credit_minor=credit_taken(stored.original_lines)).lines
            yield from _line_differences(stored, follow)


def sums_follow(batch: Batch) -> Iterator[Difference]:
    """Yield invoices whose taxes, subtotal or total do not follow from their lines and the taxes that these bear."""
    for stored in batch.invoices:
        rows = tax_rows(stored.lines, stored.state.currency)
        if stored.lines and taxes_content(rows) != taxes_content(stored.taxes):
            yield Difference(stored.number, "taxes", "Its taxes are not those that follow from its lines.")
        carried = 0 if stored.is_old else sum(line.amount_minor for line in stored.lines if line.kind == CARRY)
        subtotal = sum(line.amount_minor for line in stored.lines) - carried
        tax = sum(row.tax_minor for row in rows)
        follow = Sums(subtotal, tax, subtotal + tax + carried, carried)
        for name in _differing(stored.sums, follow):
            said, follows = getattr(stored.sums, name), getattr(follow, name)
            yield Difference(stored.number, name, f"It says {said}, and {follows} follows.")


def documents_as_issued(batch: Batch) -> Iterator[Difference]:
    """Yield invoices and credit notes whose document is not the one that its digest was taken of."""
    documents = [stored.document for stored in batch.invoices if stored.document is not None]
    for document in (*documents, *(note.document for note in batch.credit_notes)):
        if digest_of_content(document.content) != document.content_digest:
            yield Difference(document.number, "document_digest", "The document is not the one that was issued.")


def documents_say_the_invoice(batch: Batch) -> Iterator[Difference]:
    """Yield invoices whose document is missing, or says something else than the invoice and its lines."""
    for stored in batch.invoices:
        if stored.document is None:
            yield Difference(stored.number, "document", "It has none.")
            continue
        expected: dict[str, object] = {
            "number": stored.number,
            "currency": stored.state.currency,
            "issued_on": stored.issued_on,
            "due_on": stored.due_on,
            **{name: getattr(stored.sums, name) for name in _SUMS},
            "lines": lines_content(stored.lines, stored.state.time_zone),
            "taxes": taxes_content(stored.taxes),
        }
        if stored.is_old:
            expected |= {"carried_minor": None, "taxes": _old_taxes(stored)}
        for name, value in expected.items():
            if stored.document.content.get(name) != value:
                yield Difference(stored.number, "document", f"Its {name} is not the invoice's.")


def documents_bear_their_particulars(batch: Batch) -> Iterator[Difference]:
    """Yield invoices whose document lacks what the law wants, or says what cannot be true."""
    for stored in batch.invoices:
        if stored.document is not None:
            for code, detail in particulars_missing(stored.document.content):
                yield Difference(stored.number, code, detail)


def usage_is_the_ledgers(batch: Batch) -> Iterator[Difference]:
    """Yield usage lines that, with their corrections up to some invoice, are not what the ledger held then."""
    for checkpoint in batch.checkpoints:
        if not checkpoint.ledger.hold(checkpoint.invoiced):
            yield Difference(
                checkpoint.number,
                "usage",
                f"Line {checkpoint.position}: with its corrections up to then it has {described(checkpoint.invoiced)},"
                f" the ledger had {checkpoint.ledger}.",
            )


def credit_notes_take_back_the_whole(batch: Batch) -> Iterator[Difference]:
    """Yield credit notes whose sums are not those of their invoice, or of their document."""
    for note in batch.credit_notes:
        content = note.document.content
        # Those from before lines bore their tax name no credit.
        said = Sums(*(content.get(name, 0) for name in _SUMS))
        if note.lines_minor is not None:
            yield from _in_part(note, said)
            continue
        for name in _SUMS:
            if name in {*_differing(note.sums, note.invoice_sums), *_differing(note.sums, said)}:
                detail = f"Its {name} is not that of {note.invoice_number}."
                yield Difference(note.document.number, "credit_note", detail)


def _in_part(note: StoredCreditNote, said: Sums) -> Iterator[Difference]:
    """Yield what a credit note in part says otherwise than its lines do, or its document."""
    content, sums = note.document.content, note.sums
    lines_minor = sum(line["amount_minor"] for line in content.get("lines", ()))
    taxes_minor = sum(row["amount_minor"] for row in content.get("taxes", ()))
    follow = Sums(lines_minor, taxes_minor, lines_minor + taxes_minor)
    for name in _SUMS:
        if name in {*_differing(sums, said), *_differing(sums, follow)}:
            yield Difference(note.document.number, "credit_note", f"Its {name} does not follow from its lines.")
    if note.lines_minor != lines_minor:
        yield Difference(note.document.number, "credit_note", "It is not booked by the lines that it says.")
    if sums.total_minor > note.invoice_sums.total_minor:
        yield Difference(note.document.number, "credit_note", f"It is over more than {note.invoice_number}.")


def paid_means_a_payment(batch: Batch) -> Iterator[Difference]:
    """Yield invoices that are paid, and whose payments and credit notes do not come to their total."""
    for paid in batch.paid:
        if not paid.has_payment:
            yield Difference(paid.number, "payment", "It is paid, and no payments come to its total.")


def files_as_rendered(batch: Batch) -> Iterator[Difference]:
    """Yield documents whose stored PDF is not the bytes that its name is the digest of."""
    for number in batch.wrong_files:
        yield Difference(number, "file", "The stored PDF is not the one that was rendered.")


def numbers_without_gaps(batch: Batch) -> Iterator[Difference]:
    """Yield series that do not give every number up to their last exactly once."""
    for series in batch.wrong_series:
        if series.missing:
            named = ", ".join(f"{series.code}-{number:06}" for number in series.missing)
            yield Difference(series.code, "numbers", f"Missing: {named}.")
        if series.last_given != series.last_used:
            detail = f"Its counter says {series.last_given}, the last used is {series.last_used}."
            yield Difference(series.code, "numbers", detail)
        if not series.missing and series.last_given == series.last_used:
            detail = f"The last number used is {series.last_used}, but the number of documents is {series.documents}."
            yield Difference(series.code, "numbers", detail)


def ledger_ties(batch: Batch) -> Iterator[Difference]:
    """Yield documents, tenants, entries and closed months of which the ledger of accounts says something else."""
    for untied in batch.untied:
        yield Difference(untied.subject, "ledger", untied.detail)


Check = Callable[[Batch], Iterator[Difference]]
CHECKS: Final[tuple[Check, ...]] = (
    prices_as_published,
    lines_as_finalized,
    lines_follow,
    replacements_say_the_same,
    sums_follow,
    documents_as_issued,
    documents_say_the_invoice,
    documents_bear_their_particulars,
    usage_is_the_ledgers,
    credit_notes_take_back_the_whole,
    paid_means_a_payment,
    files_as_rendered,
    numbers_without_gaps,
    ledger_ties,
)


def differences_in(batch: Batch) -> list[Difference]:
    """Return what every check finds, in the order of the checks."""
    return [difference for check in CHECKS for difference in check(batch)]


def _lines_again(stored: StoredInvoice, usage: Sequence[Used]) -> Sequence[LineDraft]:
    """Compute the lines again. Lines that correct nothing bear the tax that they were stored with."""
    state, borne = stored.state, iter(stored.lines)
    taxes = TaxTable(((None, next((line.tax for line in stored.lines if line.tax is not None), _UNTAXED)),))
    charged = [
        line if line.adjusts_id is not None or said is None or line.tax == said.tax else replace(line, tax=said.tax)
        for line, said in zip_longest(charged_lines(state, usage=usage, invoiced=stored.corrected, taxes=taxes), borne)
        if line is not None
    ]
    if not stored.is_old:
        return settled(state, charged, credit_minor=stored.credit_minor).lines
    old = [replace(line, tax=None, supplied_on=None) for line in charged]
    return settled(state, old, credit_minor=stored.credit_minor).lines


def _old_taxes(stored: StoredInvoice) -> list[dict[str, object]]:
    """Return the one tax of an old invoice as its document says it, without category and jurisdiction."""
    return [
        {name: value for name, value in row.items() if name not in {"category", "jurisdiction"}}
        for row in taxes_content(stored.taxes)
    ]


def _line_differences(stored: StoredInvoice, computed: Sequence[LineDraft]) -> Iterator[Difference]:
    if len(stored.lines) != len(computed):
        detail = f"It has {counted(len(stored.lines), 'lines')}, but its plan gives {len(computed)}."
        yield Difference(stored.number, "lines", detail)
        return
    names = _COMPARED if stored.is_old else (*_COMPARED, *_COMPARED_SINCE_TAX)
    said_of = attrgetter(*names)
    for position, (line, follows) in enumerate(zip(stored.lines, computed, strict=True), start=1):
        if said_of(line) == said_of(follows):
            continue
        for name in names:
            said, expected = getattr(line, name), getattr(follows, name)
            if said != expected:
                code = "adjustment" if line.kind == ADJUSTMENT else "line"
                yield Difference(stored.number, code, f"Line {position}: {name} is {said}, and {expected} follows.")


def _differing(one: Sums, other: Sums) -> list[str]:
    return [name for name in _SUMS if getattr(one, name) != getattr(other, name)]
