"""Each check finds the fault that is planted for it, and nothing in a sound invoice."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.domain.documents import digest_of_content, lines_content, taxes_content
from billing.domain.invoicing.computing import compute_invoice, settled
from billing.domain.invoicing.lines import Used, digest_of_lines
from billing.domain.invoicing.taxes import tax_rows
from billing.domain.plan_terms import PriceOffer, SoldVersion, digest_of
from billing.verification.domain import checks
from billing.verification.domain.batch import (
    Batch,
    Checkpoint,
    PaidInvoice,
    Series,
    StoredCreditNote,
    StoredDocument,
    StoredInvoice,
    Sums,
    UnreadableVersion,
    Untied,
    UsageBounds,
)
from billing.verification.domain.checks import CHECKS, Check, differences_in
from tests.billing.domain.states import BASIC, MARCH, VAT, VAT_ALWAYS, state, used

NUMBER = "INV-2026-000001"
ADDRESS = {"address_line1": "Hauptstr. 1", "city": "Berlin", "country": "DE"}
PARTIES = {
    "issuer": {"legal_name": "Meterworks NV", "tax_id": "DE136695976", **ADDRESS},
    "customer": {"legal_name": "Acme", **ADDRESS},
}
PAGE = Path(__file__).resolve().parents[4] / "docs" / "algorithms" / "invoicing.md"
CORRECTED = "with its corrections up to then it"
CALLS = Used(Decimal(12345), 3)


def published(version: SoldVersion) -> SoldVersion:
    prices = [PriceOffer(price.currency, price.terms, price.meter_code or None) for price in version.prices]
    digest = digest_of(
        plan_code=version.plan_code,
        number=version.number,
        trial_days=version.trial_days,
        usage_plan_code=version.usage_plan_code,
        prices=prices,
    )
    return replace(version, digest=digest)


def document(content: Mapping[str, Any], number: str = NUMBER) -> StoredDocument:
    return StoredDocument(number, content, digest_of_content(content))


def stored(**changes: Any) -> StoredInvoice:
    """Return the second invoice of a subscription, as it was computed."""
    computed = compute_invoice(state(1), usage=[CALLS], invoiced=[], credit_minor=0, taxes=VAT_ALWAYS)
    sums = Sums(computed.subtotal_minor, computed.tax_minor, computed.total_minor)
    content = {
        "number": NUMBER,
        **PARTIES,
        "currency": "EUR",
        "issued_on": "2026-04-01",
        "due_on": "2026-04-15",
        "subtotal_minor": sums.subtotal_minor,
        "tax_minor": sums.tax_minor,
        "total_minor": sums.total_minor,
        "carried_minor": sums.carried_minor,
        "lines": lines_content(computed.lines, "UTC"),
        "taxes": taxes_content(computed.taxes),
    }
    facts = StoredInvoice(
        number=NUMBER,
        state=computed.state,
        lines=computed.lines,
        lines_digest=computed.lines_digest,
        taxes=computed.taxes,
        sums=sums,
        issued_on="2026-04-01",
        due_on="2026-04-15",
        credit_minor=0,
        corrected=(),
        document=document(content),
    )
    return replace(facts, **changes)


def with_line(**changes: Any) -> StoredInvoice:
    lines = stored().lines
    return stored(lines=(replace(lines[0], **changes), *lines[1:]))


def old(**changes: Any) -> StoredInvoice:
    """Return an invoice from before lines bore their tax.

    All lines bear one tax, and credit was taken off before tax.
    """
    computed = settled(state(1), stored().lines, credit_minor=1000)
    lines = tuple(replace(line, tax=VAT, supplied_on=None) for line in computed.lines)
    taxes = tax_rows(lines, "EUR")
    sums = Sums(5135, 1078, 6213)
    said = {"category", "jurisdiction"}
    content = {
        "number": NUMBER,
        **PARTIES,
        "currency": "EUR",
        "issued_on": "2026-04-01",
        "due_on": "2026-04-15",
        "subtotal_minor": 5135,
        "tax_minor": 1078,
        "total_minor": 6213,
        "lines": lines_content(lines, "UTC"),
        "taxes": [{key: value for key, value in row.items() if key not in said} for row in taxes_content(taxes)],
    }
    facts = {
        "lines": lines,
        "lines_digest": digest_of_lines(lines),
        "taxes": taxes,
        "sums": sums,
        "credit_minor": 1000,
        "document": document(content),
    }
    return stored(**(facts | changes))


def without_seller() -> StoredInvoice:
    said = stored().document
    assert said is not None
    return stored(document=document({**said.content, "issuer": {}}))


def credited(**changes: Any) -> StoredCreditNote:
    sums = Sums(100, 21, 121)
    content = {"subtotal_minor": 100, "tax_minor": 21, "total_minor": 121}
    return replace(StoredCreditNote(document(content, "CN-1"), sums, NUMBER, sums), **changes)


SOUND = Batch(
    versions=(published(BASIC),),
    invoices=(stored(),),
    checkpoints=(Checkpoint(NUMBER, 1, CALLS, UsageBounds(CALLS, CALLS)),),
    credit_notes=(credited(),),
    paid=(PaidInvoice(NUMBER, has_payment=True),),
)

# For each check, the faults that are planted for it, and what it reports of them.
PLANTED: dict[Check, list[tuple[Batch, list[str]]]] = {
    checks.prices_as_published: [
        (Batch(versions=(BASIC,)), ["basic v1: price: Its prices are not those that were published."]),
        (
            Batch(unreadable=(UnreadableVersion(7, "No decimal."),)),
            ["plan version 7: price: It cannot be read: No decimal."],
        ),
    ],
    checks.lines_as_finalized: [
        (
            Batch(invoices=(with_line(description="Other"),)),
            [f"{NUMBER}: lines_digest: The lines are not those that were finalized."],
        )
    ],
    checks.lines_follow: [
        (
            Batch(invoices=(with_line(amount_minor=1),)),
            [f"{NUMBER}: line: Line 1: amount_minor is 1, and 1235 follows."],
        ),
        (
            Batch(invoices=(with_line(meter_id=9),)),
            [f"{NUMBER}: lines: The usage lines are not those of its plan and period."],
        ),
        (
            Batch(invoices=(stored(lines=stored().lines[:1]),)),
            [f"{NUMBER}: lines: It has 1 line, but its plan gives 2."],
        ),
        (
            Batch(invoices=(stored(credit_minor=1),)),
            [f"{NUMBER}: lines: It has 2 lines, but its plan gives 3."],
        ),
        (
            Batch(invoices=(with_line(supplied_on=date(2026, 4, 1)),)),
            [f"{NUMBER}: line: Line 1: supplied_on is 2026-04-01, and 2026-03-31 follows."],
        ),
        (
            Batch(invoices=(old(credit_minor=900),)),
            [f"{NUMBER}: line: Line 3: amount_minor is -1000, and -900 follows."],
        ),
        (
            Batch(invoices=(stored(state=state(0, currency="USD"), lines=()),)),
            [f"{NUMBER}: lines: It could not be computed: Basic v1 has no prices in USD."],
        ),
    ],
    checks.replacements_say_the_same: [
        (Batch(invoices=(stored(original_lines=stored().lines),)), []),
        (
            Batch(invoices=(replace(with_line(amount_minor=1), original_lines=stored().lines),)),
            [f"{NUMBER}: line: Line 1: amount_minor is 1, and 1235 follows."],
        ),
        (
            Batch(invoices=(stored(original_lines=stored().lines[:1]),)),
            [f"{NUMBER}: lines: It has 2 lines, but its plan gives 1."],
        ),
    ],
    checks.sums_follow: [
        (
            Batch(invoices=(stored(sums=Sums(6135, 1, 6136)),)),
            [
                f"{NUMBER}: tax_minor: It says 1, and 1288 follows.",
                f"{NUMBER}: total_minor: It says 6136, and 7423 follows.",
            ],
        ),
        (
            Batch(invoices=(stored(taxes=old().taxes),)),
            [f"{NUMBER}: taxes: Its taxes are not those that follow from its lines."],
        ),
        (
            Batch(invoices=(old(sums=Sums(5135, 1078, 6213, -1000)),)),
            [f"{NUMBER}: carried_minor: It says -1000, and 0 follows."],
        ),
    ],
    checks.documents_as_issued: [
        (
            Batch(invoices=(stored(document=StoredDocument(NUMBER, {"number": "x"}, "")),)),
            [f"{NUMBER}: document_digest: The document is not the one that was issued."],
        ),
        (
            Batch(credit_notes=(credited(document=StoredDocument("CN-1", {}, "")),)),
            ["CN-1: document_digest: The document is not the one that was issued."],
        ),
    ],
    checks.documents_say_the_invoice: [
        (Batch(invoices=(stored(document=None),)), [f"{NUMBER}: document: It has none."]),
        (Batch(invoices=(stored(due_on="2026-05-01"),)), [f"{NUMBER}: document: Its due_on is not the invoice's."]),
    ],
    checks.usage_is_the_ledgers: [
        (
            Batch(checkpoints=(Checkpoint(NUMBER, 1, CALLS, UsageBounds(used(1), used(2))),)),
            [
                (
                    f"{NUMBER}: usage: Line 1: {CORRECTED} has 12345 in 3 events, the ledger had between 1 in 1 event "
                    f"and 2 in 1 event."
                )
            ],
        )
    ],
    checks.credit_notes_take_back_the_whole: [
        (
            Batch(credit_notes=(credited(invoice_sums=Sums(101, 21, 122)),)),
            [
                f"CN-1: credit_note: Its subtotal_minor is not that of {NUMBER}.",
                f"CN-1: credit_note: Its total_minor is not that of {NUMBER}.",
            ],
        ),
        (
            Batch(credit_notes=(credited(document=document({"subtotal_minor": 100, "tax_minor": 21}, "CN-1")),)),
            [f"CN-1: credit_note: Its total_minor is not that of {NUMBER}."],
        ),
    ],
    checks.documents_bear_their_particulars: [
        (
            Batch(invoices=(without_seller(), stored(document=None))),
            [f"{NUMBER}: particulars: It does not say who sells, with name and address."],
        )
    ],
    checks.paid_means_a_payment: [
        (
            Batch(paid=(PaidInvoice(NUMBER, has_payment=False),)),
            [f"{NUMBER}: payment: It is paid, and no payments come to its total."],
        )
    ],
    checks.files_as_rendered: [
        (Batch(wrong_files=(NUMBER,)), [f"{NUMBER}: file: The stored PDF is not the one that was rendered."])
    ],
    checks.numbers_without_gaps: [
        (Batch(wrong_series=(Series("INV", 3, 3, 2, (2,)),)), ["INV: numbers: Missing: INV-000002."]),
        (
            Batch(wrong_series=(Series("INV", 4, 3, 3, ()),)),
            ["INV: numbers: Its counter says 4, the last used is 3."],
        ),
        (
            Batch(wrong_series=(Series("INV", 3, 3, 4, ()),)),
            ["INV: numbers: The last number used is 3, but the number of documents is 4."],
        ),
    ],
    checks.ledger_ties: [
        (Batch(untied=(Untied(NUMBER, "It is not posted."),)), [f"{NUMBER}: ledger: It is not posted."]),
    ],
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_check_finds_its_fault_and_nothing_in_a_sound_invoice(check: Check) -> None:
    assert list(check(SOUND)) == []
    for batch, expected in PLANTED[check]:
        assert [str(difference) for difference in check(batch)] == expected


def test_an_invoice_from_before_lines_bore_their_tax_follows_its_own_rules() -> None:
    assert differences_in(Batch(invoices=(old(),))) == []
    empty = {"lines": [], "subtotal_minor": 0, "tax_minor": 0, "total_minor": 0}
    issued, following = old().document, state(1).following
    assert issued is not None
    assert following is not None
    over_nothing = {**issued.content, **empty, "taxes": []}
    last = old(
        state=replace(following, is_ending=True, ended_at=MARCH),
        lines=(), lines_digest=digest_of_lines(()), taxes=(), sums=Sums(0, 0, 0), credit_minor=0,
        document=document(over_nothing),
    )  # fmt: skip
    assert last.is_old
    assert differences_in(Batch(invoices=(last,))) == []


def test_all_checks_run_over_a_batch_in_their_order() -> None:
    assert differences_in(SOUND) == []
    both = Batch(paid=(PaidInvoice("A", has_payment=False),), wrong_files=("B",))
    assert [difference.subject for difference in differences_in(both)] == ["A", "B"]


def test_the_algorithm_page_names_every_check() -> None:
    page = PAGE.read_text()
    section = page[page.index("## V: verification") : page.index("## An example")]
    named = [line.split("`")[1] for line in section.splitlines() if line.startswith("| `")]
    assert named == [check.__name__ for check in CHECKS]
